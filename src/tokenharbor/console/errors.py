"""Answers to errors: maps our error classes and the framework's exceptions to one document."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from asyncpg import LockNotAvailableError
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.routes import HTTPRoute

from tokenharbor.console.context import context_of
from tokenharbor.db.errors import is_unavailable
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import to_second
from tokenharbor.kernel.errors import (
    DatabaseUnavailable,
    DeliveryError,
    ErrorFact,
    HarborError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    ProcessorError,
    Refusal,
    RequestTooLarge,
    Unavailable,
    http_error,
    reason_of,
)
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.reasons import ErrorReason

AnyRequest = Request[Any, Any, Any]
ErrorHandler = Callable[[AnyRequest, Any], Response[Any]]
_log = structlog.get_logger("console")
_NO_BODY = "'data'"  # the framework's whole message if the body is missing
ROUTER_PREFIX: Final = "/v1/"
"""Prefix of the paths whose documents have the shapes of model routers."""

_FOR_PEOPLE = (Refusal, ProcessorError, DeliveryError)


class ErrorDetail(msgspec.Struct, frozen=True):
    """An error. `code` is stable; `message` is for people, and says what to do next; `param` names a field or
    parameter. `reason` (stable) and `facts` (its variable parts) identify the message, for translations.
    """

    code: str
    message: str
    param: str | None
    reason: ErrorReason | None
    facts: Mapping[str, str | int]
    request_id: str


class ErrorDocument(msgspec.Struct, frozen=True):
    """The answer to a request that failed."""

    error: ErrorDetail


class RouterErrorMetadata(msgspec.Struct, frozen=True):
    """The error's code, parameter and request id."""

    code: str
    param: str | None
    request_id: str


class RouterErrorDetail(msgspec.Struct, frozen=True):
    """An error in the shape of model routers. `code` is the HTTP status."""

    code: int
    message: str
    metadata: RouterErrorMetadata


class RouterErrorDocument(msgspec.Struct, frozen=True):
    """The answer to a failed request under `/v1`, in the shape that clients of model routers read."""

    error: RouterErrorDetail


def answer_error(request: AnyRequest, error: Exception) -> Response[Any]:
    """Answer a request that failed. Logs an error of status 500 or above, and hides its details."""
    request_id = ids.show("req", context_of(request).world.ids.new())
    known = _as_ours(error)
    if not isinstance(known, _FOR_PEOPLE) and http_error(known).status >= 500:
        _report(request, error, request_id)
        known = _without_details(known, request_id)
    answer = _respond(known, request_id, router_shape=request.url.path.startswith(ROUTER_PREFIX))
    if isinstance(known, MethodNotAllowed):
        answer.headers["allow"] = ", ".join(_methods(request, error))
    return answer


ERROR_HANDLERS: Final[Mapping[int | type[Exception], ErrorHandler]] = {
    HTTPException: answer_error,
    Exception: answer_error,
}


def _methods(request: AnyRequest, error: Exception) -> Sequence[str]:
    """Return the methods of a path, from the router's exception, or from its routes if a guard refused."""
    if isinstance(error, MethodNotAllowedException):
        stated = (error.headers or {}).get("allow", "").split(", ")
    else:
        here = request.scope.get("path_template")
        at = [route for route in request.app.routes if isinstance(route, HTTPRoute) and route.path_format == here]
        stated = [method for route in at for method in route.methods]
    return sorted(set(stated) - {"OPTIONS"})  # added to each path by the framework, but not allowed


def _as_ours(error: Exception) -> HarborError:
    """Convert an exception to one of our error classes; an unexpected one becomes a HarborError (internal error)."""
    match error:
        case HarborError():
            return error
        case NotFoundException():
            return NotFound("Unknown path. GET /api/openapi.json lists all paths.")
        case MethodNotAllowedException():
            return MethodNotAllowed("This path does not support this method.")
        case HTTPException(status_code=413):
            return RequestTooLarge("The body is too large.")
        case RecursionError():  # raised by the JSON reader only: our own code does not recurse that deep
            return InvalidRequest("The body is nested too deeply.").because(ErrorReason.BODY_TOO_DEEP)
        case UnicodeDecodeError():  # likewise
            said = "JSON is malformed: it must be UTF-8"
            return InvalidRequest(said).because(ErrorReason.VALUE_INVALID, detail=said)
        case HTTPException(status_code=status) if status < 500:
            return _invalid(error)
    busy = isinstance(error, LockNotAvailableError)  # somebody has changed the same account for seconds
    return DatabaseUnavailable(str(error)) if busy or is_unavailable(error) else HarborError(type(error).__name__)


def _invalid(error: HTTPException) -> InvalidRequest:
    """Return an error for the first invalid value, with its field."""
    faults = error.extra if isinstance(error.extra, list) else []
    fault: dict[str, Any] = next((each for each in faults if isinstance(each, dict)), {})
    if fault.get("message") == _NO_BODY:
        return InvalidRequest("This request needs a JSON body.").because(ErrorReason.BODY_MISSING)
    message = str(fault.get("message") or error.detail)
    return InvalidRequest(message, param=fault.get("key")).because(ErrorReason.VALUE_INVALID, detail=message)


def _without_details(error: HarborError, request_id: str) -> HarborError:
    """Replace the message, which is for operators and in the log."""
    if http_error(error).status == 503:
        return Unavailable("The service is unavailable: try again shortly.", retry_after=1)
    message = f"Internal error. It is logged under this request's id: {request_id}"
    return HarborError(message).because(ErrorReason.INTERNAL)


def _report(request: AnyRequest, error: Exception, request_id: str) -> None:
    """Log what failed and where. Of an internal error only its type is logged: its message may contain secrets."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    path = request.scope.get("path_template", "")
    _log.error("request_failed", request_id=request_id, path=path, reason=reason_of(error), place=place)


def _respond(error: HarborError, request_id: str, *, router_shape: bool) -> Response[Any]:
    row = http_error(error)
    status = error.status if isinstance(error, Refusal) else row.status
    code = error.code if isinstance(error, Refusal) else row.code
    document = _router_error if router_shape else _error
    headers = {"x-request-id": request_id, "cache-control": "no-store"}
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["retry-after"] = str(retry_after)
    content = document(error, status, code, request_id)
    return Response(content, status_code=status, headers=headers, media_type="application/json")


def _error(error: HarborError, _status: int, code: str, request_id: str) -> ErrorDocument:
    facts = {name: _shown(fact) for name, fact in error.facts.items()}
    return ErrorDocument(ErrorDetail(code, str(error), getattr(error, "param", None), error.reason, facts, request_id))


def _router_error(error: HarborError, status: int, code: str, request_id: str) -> RouterErrorDocument:
    metadata = RouterErrorMetadata(code, getattr(error, "param", None), request_id)
    return RouterErrorDocument(RouterErrorDetail(status, str(error), metadata))


def _shown(fact: ErrorFact) -> str | int:
    """Format amounts and times as documents do."""
    if isinstance(fact, datetime):
        return to_second(fact).isoformat().replace("+00:00", "Z")
    return str(fact) if isinstance(fact, Usd) else fact
