"""OpenAI's errors: a vendor's read, ours written."""

from collections.abc import Mapping

import msgspec

from tokenharbor.kernel.errors import Refusal
from tokenharbor.wire import sse
from tokenharbor.wire.failure import Failure, FailureKind
from tokenharbor.wire.openai_chat.shapes import NULL, Chunk
from tokenharbor.wire.refusal import is_context, kind_of, retry_after
from tokenharbor.wire.said import words


class _Error(msgspec.Struct, frozen=True):
    message: str | None = None
    type: str | None = None
    code: str | int | float | None = None
    param: str | None = None


class _Body(msgspec.Struct, frozen=True):
    """The shapes in the field: an `error` object, an `error` string, or the error's members at the top."""

    error: _Error | str | None = None
    message: str | None = None
    detail: str | None = None
    type: str | None = None
    code: str | int | float | None = None
    param: str | None = None


_decode_error = msgspec.json.Decoder(_Error | str | None).decode
_decode_body = msgspec.json.Decoder(_Body).decode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

# What a vendor says inside a stream has no status; its type or code stands for one.
_STREAM_KINDS = {
    "rate_limit_error": FailureKind.RATE_LIMIT,
    "rate_limit_exceeded": FailureKind.RATE_LIMIT,
    "tokens": FailureKind.RATE_LIMIT,
    "requests": FailureKind.RATE_LIMIT,
    "overloaded_error": FailureKind.OVERLOADED,
    "overloaded": FailureKind.OVERLOADED,
    "engine_overloaded_error": FailureKind.OVERLOADED,
    "service_unavailable": FailureKind.SERVER,
    "insufficient_quota": FailureKind.CREDENTIAL,
    "authentication_error": FailureKind.CREDENTIAL,
    "invalid_api_key": FailureKind.CREDENTIAL,
    "permission_error": FailureKind.CREDENTIAL,
    "invalid_request_error": FailureKind.REQUEST,
    "context_length_exceeded": FailureKind.CONTEXT,
    "not_found": FailureKind.NOT_FOUND,
    "model_not_found": FailureKind.NOT_FOUND,
    "timeout_error": FailureKind.TIMEOUT,
    "timeout": FailureKind.TIMEOUT,
}


def read_failure(status: int, headers: Mapping[bytes, bytes], body: bytes) -> Failure:
    """A non-2xx answer, whatever its body."""
    try:
        read = _decode_body(body)
    except _UNREADABLE:
        read = _Body()
    if isinstance(read.error, _Error):
        error = read.error
    else:
        error = _Error(read.error or read.message or read.detail, read.type, read.code, read.param)
    message, code = error.message or words(body), _text(error.code)
    return Failure(
        kind_of(status, code, message),
        status=status,
        message=message,
        code=code,
        type=error.type or "",
        param=error.param,
        retry_after=retry_after(headers),
    )


def read_stream_failure(chunk: Chunk) -> Failure | None:
    """The error that a chunk carries, if it does."""
    error = None
    if chunk.error is not NULL:
        try:
            error = _decode_error(chunk.error)
        except _UNREADABLE:
            error = "the vendor said an error in a shape of its own"
    if error is None:
        if chunk.message is None or (chunk.code is None and chunk.object != "error"):
            return None
        error = _Error(chunk.message, chunk.object, chunk.code)
    if isinstance(error, str):
        error = _Error(error)
    return _in_stream(error)


def _in_stream(error: _Error) -> Failure:
    message, code, type_ = error.message or "", _text(error.code), error.type or ""
    kind = _STREAM_KINDS.get(code) or _STREAM_KINDS.get(type_)
    if kind is None:
        kind = kind_of(int(code), "", message) if code.isdecimal() and len(code) == 3 else FailureKind.SERVER
    if kind in (FailureKind.REQUEST, FailureKind.SERVER) and is_context(code, message):
        kind = FailureKind.CONTEXT
    return Failure(kind, message=message, code=code, type=type_, param=error.param)


def _text(code: str | float | None) -> str:
    return "" if code is None else str(code)


def write_refusal(refusal: Refusal) -> bytes:
    error: dict[str, object] = {
        "message": refusal.message,
        "type": refusal.type,
        "code": refusal.code,
        "param": refusal.param,
    }
    if refusal.provider is not None:
        error["provider"] = refusal.provider
    return msgspec.json.encode({"error": error})


def write_stream_refusal(refusal: Refusal) -> bytes:
    return sse.write(write_refusal(refusal))
