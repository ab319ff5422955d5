"""Google's errors: reading a vendor's, writing ours."""

import re
from collections.abc import Mapping

import msgspec

from tokenharbor.kernel.errors import Refusal
from tokenharbor.wire.dialects.gemini.causes import CAUSES
from tokenharbor.wire.framing import sse
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.neutral.causes import ErrorDetails
from tokenharbor.wire.neutral.error_text import words
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.refusal import retry_after


class _Detail(msgspec.Struct, frozen=True, rename={"type": "@type", "retry_delay": "retryDelay"}):
    """One detail; `@type` gives its kind."""

    type: str | None = None
    reason: str | None = None
    retry_delay: str | None = None


class _Error(msgspec.Struct, frozen=True):
    code: int | str | float | None = None
    message: str | None = None
    status: str | None = None
    details: msgspec.Raw = NULL


class _Body(msgspec.Struct, frozen=True):
    """The dialect's error shape, and the looser ones of proxies."""

    error: _Error | str | None = None
    message: str | None = None
    detail: str | None = None


_decode = msgspec.json.Decoder(_Body | list[_Body]).decode  # an array for streams without SSE
_decode_error = msgspec.json.Decoder(_Error | str | None).decode
_decode_details = msgspec.json.Decoder(list[_Detail] | None).decode
_OVERLOADED = 529
_DELAY = re.compile(r"(\d{1,6})(?:\.(\d{1,9}))?s")

WORDS: Mapping[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""Status words by status; this dialect's clients tell errors apart by them."""


def read_failure(status: int, headers: Mapping[bytes, bytes], body: bytes) -> Failure:
    """Read a non-2xx answer with any body."""
    try:
        read = _decode(body)
    except UNREADABLE:
        read = _Body()
    if isinstance(read, list):
        read = read[0] if read else _Body()
    error = read.error
    if not isinstance(error, _Error):
        error = _Error(message=error or read.message or read.detail)
    details = _details(error)
    code, message = _code(error, details), error.message or words(body)
    kind = CAUSES.kind(ErrorDetails(message, code, error.status or ""), status)
    wait = retry_after(headers)
    return Failure(
        kind,
        status=status,
        message=message,
        code=code,
        type=error.status or "",
        retry_after=_delay(details) if wait is None else wait,
    )


def read_stream_failure(raw: msgspec.Raw) -> Failure | None:
    """Read the `error` of an event or of a body under a 200; None if it has none."""
    try:
        error = _decode_error(raw)
    except UNREADABLE:
        error = "the provider sent an error in an unknown format"
    if error is None:
        return None
    if isinstance(error, str):
        error = _Error(message=error)
    details = _details(error)
    code, message = _code(error, details), error.message or ""
    kind = CAUSES.kind(ErrorDetails(message, code or ("" if error.status else str(error.code)), error.status or ""))
    if error.code == _OVERLOADED:  # 529 has no status word
        kind = FailureKind.OVERLOADED
    return Failure(kind, message=message, code=code, type=error.status or "", retry_after=_delay(details))


def _details(error: _Error) -> list[_Detail]:
    try:
        return _decode_details(error.details) or []
    except UNREADABLE:
        return []


def _code(error: _Error, details: list[_Detail]) -> str:
    """Return Google's reason; the numeric code only repeats the status."""
    reason = next((detail.reason for detail in details if detail.reason), None)
    return reason or (error.code if isinstance(error.code, str) else "")


def _delay(details: list[_Detail]) -> int | None:
    for detail in details:
        if match := _DELAY.fullmatch(detail.retry_delay or ""):
            return int(match[1]) + bool((match[2] or "").strip("0"))
    return None


def error_of(status: int, code: str, message: str, metadata: Mapping[str, str]) -> dict[str, object]:
    """Return an error object of this dialect, with our code in place of Google's reason."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": code,
        "domain": "tokenharbor",
        "metadata": dict(metadata),
    }
    word = WORDS.get(status, "INVALID_ARGUMENT" if status < 500 else "INTERNAL")
    return {"code": status, "message": message, "status": word, "details": [info]}


def write_refusal(refusal: Refusal, request_id: str) -> bytes:  # noqa: ARG001  a header has it
    said = {"type": refusal.type, "param": refusal.param, "provider": refusal.provider}
    metadata = {name: value for name, value in said.items() if value}
    error = error_of(refusal.status, refusal.code, refusal.message, metadata)
    if refusal.retry_after is not None:
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{refusal.retry_after}s"}
        error["details"] = [*error["details"], retry]  # type: ignore[misc]  # a list, just made
    return msgspec.json.encode({"error": error})


def write_stream_refusal(refusal: Refusal, request_id: str) -> bytes:
    return sse.write(write_refusal(refusal, request_id))
