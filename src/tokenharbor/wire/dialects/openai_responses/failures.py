"""Errors of the Responses dialect: reading those in streams and answers, writing ours."""

import msgspec

from tokenharbor.kernel.errors import ContextLengthExceeded, InsufficientQuota, RateLimited, Refusal
from tokenharbor.wire.dialects.openai_chat.causes import CAUSES
from tokenharbor.wire.dialects.openai_responses.answer_schema import ResponsesEvent
from tokenharbor.wire.dialects.openai_responses.envelope import ResponseEnvelope
from tokenharbor.wire.framing import sse
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.causes import ErrorDetails
from tokenharbor.wire.neutral.dialect import NO_CONTEXT
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.refusal import scrub


class _Error(msgspec.Struct, frozen=True):
    message: str | None = None
    type: str | None = None
    code: str | int | None = None
    param: str | None = None


_decode_error = msgspec.json.Decoder(_Error | str | None).decode

_ABOUT_IMAGES = ("image", "invalid_image", "invalid_base64_image", "unsupported_image", "empty_image", "failed_to_down")

_WRITTEN = {
    FailureKind.REQUEST: ("invalid_request_error", "invalid_request"),
    FailureKind.CONTEXT: ("invalid_request_error", "context_length_exceeded"),
    FailureKind.CREDENTIAL: ("authentication_error", "invalid_api_key"),
    FailureKind.NOT_FOUND: ("invalid_request_error", "not_found"),
    FailureKind.RATE_LIMIT: ("rate_limit_error", "rate_limit_exceeded"),
    FailureKind.OVERLOADED: ("overloaded_error", "server_is_overloaded"),
    FailureKind.TIMEOUT: ("timeout_error", "timeout"),
}
_ANY = ("server_error", "server_error")


def read_error(raw: msgspec.Raw) -> Failure | None:
    """Read the `error` of an answer; None if it has none."""
    try:
        error = _decode_error(raw)
    except UNREADABLE:
        error = "the provider sent an error in an unknown format"
    if error is None:
        return None
    return _judge(_Error(error) if isinstance(error, str) else error)


def read_error_event(event: ResponsesEvent) -> Failure:
    """Read an `error` event: its members are at the top level, or in an object."""
    return read_error(event.error) or _judge(_Error(event.message, None, event.code, event.param))


def _judge(error: _Error) -> Failure:
    message, type_ = error.message or "", error.type or ""
    code = "" if error.code is None else str(error.code)
    kind = CAUSES.kind(ErrorDetails(message, code, type_))
    if kind is FailureKind.SERVER and code.startswith(_ABOUT_IMAGES):
        kind = FailureKind.REQUEST
    return Failure(kind, message=message, code=code, type=type_, param=error.param)


def write_failure(failure: Failure) -> dict[str, object]:
    """Return a failure as an `error` object."""
    type_, code = _WRITTEN.get(failure.kind, _ANY)
    message = scrub(failure.message) or "The answer is incomplete."
    return {"message": message, "type": type_, "code": code, "param": failure.param}


def status_of(refusal: Refusal) -> int:
    """Return 429 for insufficient quota, which this dialect's clients recognise by its code: they would retry a 402."""
    return 429 if isinstance(refusal, InsufficientQuota) else refusal.status


def write_stream_refusal(refusal: Refusal, request_id: str) -> bytes:
    """Return both error events. The SDKs raise at the `error` event and read no further. Codex ignores it, as if the
    stream were cut: it reads `response.failed`, shows its message, and decides by its code whether to retry.
    """
    error: dict[str, object] = {
        "message": refusal.message,
        "type": refusal.type,
        "code": refusal.code,
        "param": refusal.param,
    }
    if refusal.provider is not None:
        error["provider"] = refusal.provider
    envelope = ResponseEnvelope(NO_CONTEXT)
    envelope.start(request_id, "")
    failed = envelope.write("failed", [], error={"code": _code_of(refusal), "message": refusal.message})
    data = msgspec.json.encode({"type": "response.failed", "sequence_number": 1, "response": failed})
    return write_error_event(error, 0) + sse.write(data, b"response.failed")


def _code_of(refusal: Refusal) -> str:
    """Return the code in the vocabulary of an answer's own error."""
    if isinstance(refusal, ContextLengthExceeded | InsufficientQuota) or refusal.code == "content_filter":
        return refusal.code
    if isinstance(refusal, RateLimited):
        return "rate_limit_exceeded"
    return "server_error" if refusal.status >= 500 else "invalid_prompt"


def write_error_event(error: dict[str, object], number: int) -> bytes:
    """Return the `error` event. Two shapes are in use, with different readers: both are written."""
    flat = {name: error[name] for name in ("code", "message", "param")}
    return sse.write(
        msgspec.json.encode({"type": "error", "sequence_number": number, **flat, "error": error}), b"error"
    )
