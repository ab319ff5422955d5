"""OpenAI's errors: reading a vendor's, writing ours."""

from collections.abc import Mapping

import msgspec

from tokenharbor.kernel.errors import Refusal
from tokenharbor.wire.dialects.openai_chat.answer_schema import ChatChunk
from tokenharbor.wire.dialects.openai_chat.causes import CAUSES
from tokenharbor.wire.framing import sse
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.neutral.causes import ErrorDetails
from tokenharbor.wire.neutral.error_text import words
from tokenharbor.wire.neutral.failure import Failure
from tokenharbor.wire.neutral.refusal import retry_after


class _Error(msgspec.Struct, frozen=True):
    message: str | None = None
    type: str | None = None
    code: str | int | float | None = None
    param: str | None = None
    status: str | int | None = None  # one vendor's name for the type; its models are sold in this dialect, too


class _Status(msgspec.Struct, frozen=True):
    status_code: int = 0
    status_msg: str | None = None


class _Body(msgspec.Struct, frozen=True):
    """The shapes in use: an `error` object, an `error` string, or the error's members at the top level."""

    error: _Error | str | None = None
    message: str | None = None
    detail: str | None = None
    type: str | None = None
    code: str | int | float | None = None
    param: str | None = None


_decode_status = msgspec.json.Decoder(_Status | None).decode
_decode_error = msgspec.json.Decoder(_Error | str | None).decode
_decode_body = msgspec.json.Decoder(_Body | list[_Body]).decode  # some vendors send an array


def read_failure(status: int, headers: Mapping[bytes, bytes], body: bytes) -> Failure:
    """Read a non-2xx answer with any body."""
    try:
        read = _decode_body(body)
    except UNREADABLE:
        read = _Body()
    if isinstance(read, list):
        read = read[0] if read else _Body()
    if isinstance(read.error, _Error):
        error = read.error
    else:
        error = _Error(read.error or read.message or read.detail, read.type, read.code, read.param)
    message, code, type_ = error.message or words(body), _text(error.code), _type(error)
    return Failure(
        CAUSES.kind(ErrorDetails(message, code, type_), status),
        status=status,
        message=message,
        code=code,
        type=type_,
        param=error.param,
        retry_after=retry_after(headers),
    )


def read_stream_failure(chunk: ChatChunk) -> Failure | None:
    """Return the error in a chunk, if any."""
    if (failure := read_error(chunk.error)) is not None:
        return failure
    if chunk.message is None or (chunk.code is None and chunk.object != "error"):
        return None
    return _inside(_Error(chunk.message, chunk.object, chunk.code))


def read_status(chunk: ChatChunk) -> Failure | None:
    """Return the failure from a status beside empty choices; 0 is success."""
    try:
        status = _decode_status(chunk.base_resp)
    except UNREADABLE:
        return None
    if status is None or not status.status_code:
        return None
    return _inside(_Error(status.status_msg, "base_resp", f"base_resp.{status.status_code}"))


def read_error(raw: msgspec.Raw) -> Failure | None:
    """Read an `error` inside a 200; None if it is null."""
    if raw is NULL:
        return None
    try:
        error = _decode_error(raw)
    except UNREADABLE:
        error = "the provider sent an error in an unknown format"
    if error is None:
        return None
    return _inside(_Error(error) if isinstance(error, str) else error)


def _inside(error: _Error) -> Failure:
    message, code, type_ = error.message or "", _text(error.code), _type(error)
    return Failure(
        CAUSES.kind(ErrorDetails(message, code, type_)), message=message, code=code, type=type_, param=error.param
    )


def _text(code: str | float | None) -> str:
    return "" if code is None else str(code)


def _type(error: _Error) -> str:
    return error.type or (error.status if isinstance(error.status, str) else "")


def write_refusal(refusal: Refusal, request_id: str) -> bytes:  # noqa: ARG001  a header has it
    error: dict[str, object] = {
        "message": refusal.message,
        "type": refusal.type,
        "code": refusal.code,
        "param": refusal.param,
    }
    if refusal.provider is not None:
        error["provider"] = refusal.provider
    return msgspec.json.encode({"error": error})


def write_stream_refusal(refusal: Refusal, request_id: str) -> bytes:
    return sse.write(write_refusal(refusal, request_id))
