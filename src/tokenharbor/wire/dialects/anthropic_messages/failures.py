"""Anthropic's errors: reading a vendor's, writing ours."""

from collections.abc import Mapping

import msgspec

from tokenharbor.kernel.errors import Refusal
from tokenharbor.wire.dialects.anthropic_messages.causes import CAUSES
from tokenharbor.wire.framing import sse
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.causes import ErrorDetails
from tokenharbor.wire.neutral.error_text import words
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.refusal import retry_after


class _Error(msgspec.Struct, frozen=True):
    type: str | None = None
    message: str | None = None
    code: str | int | float | None = None
    error_code: str | None = None
    param: str | None = None


class _Body(msgspec.Struct, frozen=True):
    """The dialect's error shape, and the looser ones of other vendors that speak it."""

    error: _Error | str | None = None
    message: str | None = None
    detail: str | None = None
    code: str | int | float | None = None


_decode = msgspec.json.Decoder(_Body).decode
_decode_error = msgspec.json.Decoder(_Error | str | None).decode

# For these codes the gateway's types are OpenAI's; this dialect's clients know others.
_TYPES_BY_CODE = {
    "insufficient_quota": "billing_error",
    "not_found": "not_found_error",
    "model_not_found": "not_found_error",
}
# This dialect's tool runners look for this, and then send the whole conversation in each request.
_UNTHREADED = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
_OWN_TYPES = frozenset(
    {
        *("invalid_request_error", "request_too_large", "authentication_error", "billing_error", "permission_error"),
        *("not_found_error", "rate_limit_error", "overloaded_error", "timeout_error", "api_error"),
    }
)
_TYPES_BY_STATUS = {413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error"}


def read_failure(status: int, headers: Mapping[bytes, bytes], body: bytes) -> Failure:
    """Read a non-2xx answer with any body."""
    try:
        read = _decode(body)
    except UNREADABLE:
        read = _Body()
    error = read.error
    if not isinstance(error, _Error):
        error = _Error(message=error or read.message or read.detail, code=read.code)
    message, code = error.message or words(body), _code(error)
    kind = CAUSES.kind(ErrorDetails(message, code, error.type or ""), status)
    if error.type == "overloaded_error":
        kind = FailureKind.OVERLOADED
    return Failure(
        kind,
        status=status,
        message=message,
        code=code,
        type=error.type or "",
        param=error.param,
        retry_after=retry_after(headers),
    )


def read_stream_failure(raw: msgspec.Raw) -> Failure:
    """Read the `error` of an error event."""
    try:
        error = _decode_error(raw)
    except UNREADABLE:
        error = None
    if not isinstance(error, _Error):
        error = _Error(message=error)
    message, code = error.message or "", _code(error)
    kind = CAUSES.kind(ErrorDetails(message, code, error.type or ""))
    return Failure(kind, message=message, code=code, type=error.type or "", param=error.param)


def _code(error: _Error) -> str:
    code = error.error_code if error.code is None else error.code
    return "" if code is None else str(code)


def write_refusal(refusal: Refusal, request_id: str) -> bytes:
    error: dict[str, object] = {"type": _type(refusal), "message": refusal.message, "code": refusal.code}
    if refusal.param is not None:
        error["param"] = refusal.param
    if refusal.provider is not None:
        error["provider"] = refusal.provider
    if refusal.param == "thread":
        error["details"] = _UNTHREADED
    return msgspec.json.encode({"type": "error", "error": error, "request_id": request_id})


def _type(refusal: Refusal) -> str:
    type_ = _TYPES_BY_CODE.get(refusal.code, refusal.type)
    if type_ in _OWN_TYPES:
        return type_
    fallback = "api_error" if refusal.status >= 500 else "invalid_request_error"
    return _TYPES_BY_STATUS.get(refusal.status, fallback)


def write_stream_refusal(refusal: Refusal, request_id: str) -> bytes:
    return sse.write(write_refusal(refusal, request_id), b"error")
