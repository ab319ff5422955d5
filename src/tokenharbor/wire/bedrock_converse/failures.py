"""Converse's errors: those that come instead of an answer, and those inside a stream."""

import re
from collections.abc import Mapping

import msgspec

from tokenharbor.wire.eventstream import Message
from tokenharbor.wire.failure import Failure, FailureKind
from tokenharbor.wire.refusal import is_context, kind_of, retry_after
from tokenharbor.wire.said import words


class _Body(msgspec.Struct, frozen=True):
    """The vendor's gateways write `message` in two ways, and the error's name here or in a header."""

    message: str | None = None
    capital: str | None = msgspec.field(default=None, name="Message")
    type: str | None = msgspec.field(default=None, name="__type")


_decode = msgspec.json.Decoder(_Body).decode

_KINDS = {
    "ThrottlingException": FailureKind.RATE_LIMIT,
    "TooManyRequestsException": FailureKind.RATE_LIMIT,
    "ServiceQuotaExceededException": FailureKind.RATE_LIMIT,
    "ModelNotReadyException": FailureKind.OVERLOADED,
    "ServiceUnavailableException": FailureKind.SERVER,
    "InternalServerException": FailureKind.SERVER,
    "ModelErrorException": FailureKind.SERVER,
    "ModelStreamErrorException": FailureKind.SERVER,
    "ModelTimeoutException": FailureKind.TIMEOUT,
    "ResourceNotFoundException": FailureKind.NOT_FOUND,
    "AccessDeniedException": FailureKind.CREDENTIAL,
    "UnrecognizedClientException": FailureKind.CREDENTIAL,
    "InvalidSignatureException": FailureKind.CREDENTIAL,
    "IncompleteSignatureException": FailureKind.CREDENTIAL,
    "MissingAuthenticationTokenException": FailureKind.CREDENTIAL,
    "ExpiredTokenException": FailureKind.CREDENTIAL,
    "ValidationException": FailureKind.REQUEST,
}

# A model that this account or region does not have is refused as if the request were at fault.
_NO_MODEL = re.compile(
    r"the provided model identifier is invalid|invocation of model id .{1,300} isn.t supported", re.IGNORECASE
)


def read_failure(status: int, headers: Mapping[bytes, bytes], body: bytes) -> Failure:
    """A non-2xx answer, whatever its body."""
    try:
        read = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        read = _Body()
    named = headers.get(b"x-amzn-errortype", b"").decode("latin-1") or read.type or ""
    name = named.split(":", 1)[0].rpartition("#")[2].strip()
    message = read.message or read.capital or words(body)
    kind = _kind(name, message, kind_of(status, message=message))
    return Failure(kind, status=status, message=message, type=name, retry_after=retry_after(headers))


def read_exception(event: Message, message: str) -> Failure:
    """A message of the stream that is an exception, or an error of the framing's own."""
    name = event.word(":exception-type")
    if not name:
        return Failure(FailureKind.SERVER, message=event.word(":error-message"), type=event.word(":error-code"))
    name = name[:1].upper() + name[1:]
    return Failure(_kind(name, message, FailureKind.SERVER), message=message, type=name)


def _kind(name: str, message: str, usual: FailureKind) -> FailureKind:
    kind = _KINDS.get(name, usual)
    if kind is not FailureKind.REQUEST:
        return kind
    if _NO_MODEL.match(message):
        return FailureKind.NOT_FOUND
    return FailureKind.CONTEXT if is_context("", message) else kind
