"""Converse's errors: instead of an answer, and inside a stream."""

from collections.abc import Mapping

import msgspec

from tokenharbor.wire.dialects.bedrock_converse.causes import CAUSES
from tokenharbor.wire.framing.eventstream import EventMessage
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.causes import ErrorDetails
from tokenharbor.wire.neutral.error_text import words
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.refusal import retry_after


class _Body(msgspec.Struct, frozen=True):
    """An error body; the vendor's gateways spell `message` in two ways, and put the error's name
    here or in a header.
    """

    message: str | None = None
    capital: str | None = msgspec.field(default=None, name="Message")
    type: str | None = msgspec.field(default=None, name="__type")


_decode = msgspec.json.Decoder(_Body).decode


def read_failure(status: int, headers: Mapping[bytes, bytes], body: bytes) -> Failure:
    """Read a non-2xx answer with any body."""
    try:
        read = _decode(body)
    except UNREADABLE:
        read = _Body()
    named = headers.get(b"x-amzn-errortype", b"").decode("latin-1") or read.type or ""
    name = named.split(":", 1)[0].rpartition("#")[2].strip()
    message = read.message or read.capital or words(body)
    kind = CAUSES.kind(ErrorDetails(message, type=name), status)
    return Failure(kind, status=status, message=message, type=name, retry_after=retry_after(headers))


def read_exception(event: EventMessage, message: str) -> Failure:
    """Read an exception or a framing error inside a stream."""
    name = event.word(":exception-type")
    if not name:
        return Failure(FailureKind.SERVER, message=event.word(":error-message"), type=event.word(":error-code"))
    name = name[:1].upper() + name[1:]
    return Failure(CAUSES.kind(ErrorDetails(message, type=name)), message=message, type=name)
