"""How errors are answered: the house's tree, and the framework's own, as one document."""

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException

from tokenharbor.console.context import context_of
from tokenharbor.db.errors import is_unavailable
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import (
    DatabaseUnavailable,
    DeliveryError,
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

AnyRequest = Request[Any, Any, Any]
ErrorHandler = Callable[[AnyRequest, Any], Response[Any]]
_log = structlog.get_logger("console")
_FOR_PEOPLE = (Refusal, ProcessorError, DeliveryError)


class ErrorDetail(msgspec.Struct, frozen=True):
    """`code` is stable, `message` is for people and says what to do next; `param` names a field or parameter."""

    code: str
    message: str
    param: str | None
    request_id: str


class ErrorDocument(msgspec.Struct, frozen=True):
    """Every answer that is none of the documented ones."""

    error: ErrorDetail


def answer_error(request: AnyRequest, error: Exception) -> Response[Any]:
    """The answer to a request that failed."""
    request_id = ids.show("req", context_of(request).world.ids.new())
    known = _as_ours(error)
    if not isinstance(known, _FOR_PEOPLE) and http_error(known).status >= 500:
        _report(request, error, request_id)
        known = _without_details(known, request_id)
    return _respond(known, request_id)


ERROR_HANDLERS: Final[Mapping[int | type[Exception], ErrorHandler]] = {
    HTTPException: answer_error,
    Exception: answer_error,
}


def _as_ours(error: Exception) -> HarborError:
    """Of the house's tree. The root stands for a fault of ours."""
    match error:
        case HarborError():
            return error
        case NotFoundException():
            return NotFound("Unknown path. GET /api/openapi.json lists all paths.")
        case MethodNotAllowedException():
            return MethodNotAllowed("This path does not support this method.")
        case HTTPException(status_code=413):
            return RequestTooLarge("The body is too large.")
        case HTTPException(status_code=status) if status < 500:
            return _invalid(error)
    return DatabaseUnavailable(str(error)) if is_unavailable(error) else HarborError(type(error).__name__)


def _invalid(error: HTTPException) -> InvalidRequest:
    """The first thing that does not fit, with the field that it is about."""
    faults = error.extra if isinstance(error.extra, list) else []
    fault: dict[str, Any] = next((each for each in faults if isinstance(each, dict)), {})
    return InvalidRequest(str(fault.get("message") or error.detail), param=fault.get("key"))


def _without_details(error: HarborError, request_id: str) -> HarborError:
    """The words of such an error are for operators, and in the log."""
    if http_error(error).status == 503:
        return Unavailable("The service is unavailable: try again shortly.", retry_after=1)
    return HarborError(f"A fault of ours. It is logged under the id of this request: {request_id}")


def _report(request: AnyRequest, error: Exception, request_id: str) -> None:
    """What failed and where. Of a fault of ours only its kind, since its words may hold what is secret."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    path = request.scope.get("path_template", "")
    _log.error("request_failed", request_id=request_id, path=path, reason=reason_of(error), place=place)


def _respond(error: HarborError, request_id: str) -> Response[Any]:
    row = http_error(error)
    status = error.status if isinstance(error, Refusal) else row.status
    code = error.code if isinstance(error, Refusal) else row.code
    detail = ErrorDetail(code, str(error), getattr(error, "param", None), request_id)
    headers = {"x-request-id": request_id, "cache-control": "no-store"}
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["retry-after"] = str(retry_after)
    return Response(ErrorDocument(detail), status_code=status, headers=headers, media_type="application/json")
