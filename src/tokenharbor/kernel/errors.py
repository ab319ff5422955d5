"""The tree of all errors, and the table of their HTTP answers.

HarborError
├── Refusal                    the data plane refuses a request: an answer in the caller's dialect
│   ├── InvalidRequest         the body, a header or a parameter is wrong; `param` names the field
│   ├── ContextLengthExceeded
│   ├── InvalidApiKey
│   ├── InsufficientQuota
│   ├── PermissionDenied
│   ├── NotFound               a path or an id that does not exist
│   ├── ModelNotFound          names the nearest models
│   ├── FreeModelsDisabled     the account has not turned free models on
│   ├── MethodNotAllowed
│   ├── RequestTooLarge
│   ├── UnsupportedEncoding
│   ├── UpgradeRequired
│   ├── RateLimited            with Retry-After
│   │   └── TooLargeForRate    more tokens than a minute allows: without Retry-After
│   ├── VendorRefused          the vendor refused the request itself: its status, code and type
│   ├── UpstreamError          `provider` named
│   ├── NoProviderAvailable
│   │   └── BoundariesLeaveNobody
│   ├── Unavailable            our own database is unavailable
│   │   └── Overloaded         more is asked than can be served: with Retry-After
│   └── UpstreamTimeout        `provider` named
├── Rejected                   a use case does not accept this input; `param` names the field
├── SignInRefused              a password, token or code is not valid; the message does not say which
│   └── SecondFactorNeeded     the password is right, but a second factor is needed
├── ConsentPending             nobody has yet approved a tool's connection: the tool asks again
├── Missing                    the subject of a use case does not exist
├── Conflict                   the present state excludes the operation
├── Misconfigured              configuration, arguments or files are wrong; the message names each fault and place
├── GatewayEnded               another run has taken this one's place, or it was given up: its server ends
├── ProcessorError             a payment processor failed; the message holds no secret and names no person
│   ├── ProcessorUnavailable   it did not answer; the outcome is unknown: look it up, or repeat the call
│   ├── ProcessorRefused       final; the message is for people
│   └── ForgedEvent            a webhook that the processor did not send, or a replay of an old one
├── DeliveryError              a mail or a webhook was not delivered; the message names no person
│   ├── DeliveryUnavailable    not delivered now: try again
│   └── DeliveryRefused        final
├── WorkerFailed               another process of the server cannot start or go on
└── BooksError                 the ledger refuses, or the database is unavailable
    ├── DatabaseUnavailable    the database did not answer; the outcome is unknown
    │   └── QueueFull          too many rows wait for the database: it was not asked
    └── BooksRefused           the books' rules forbid the operation
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import ClassVar, Final, NamedTuple, Self

from tokenharbor.kernel.reasons import ErrorReason

ErrorFact = str | int | datetime  # an amount is an `Usd`


class HarborError(Exception):
    """The root of all errors. Pages translate `reason` and its facts; without a reason they show the message."""

    reason: ErrorReason | None = None
    facts: Mapping[str, ErrorFact] = MappingProxyType({})

    def because(self, reason: ErrorReason, **facts: ErrorFact) -> Self:
        """Return this error with its reason, as in `raise Conflict("…").because(…)`."""
        self.reason, self.facts = reason, facts
        return self


def reason_of(error: Exception) -> str:
    """Return why background work failed. An unexpected error is named by type only: its text may hold secrets."""
    return str(error) if isinstance(error, HarborError) else f"internal error: {type(error).__name__}"


class Refusal(HarborError):
    """An error that the caller gets. The message says what to do next and never holds a secret or content."""

    should_retry: ClassVar[bool | None] = None  # the header `x-should-retry`; None: it is not sent

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        provider: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.type = http_error(self)
        self.message = message
        self.param = param
        self.provider = provider
        self.retry_after = retry_after


class InvalidRequest(Refusal):
    """The body, a header or a parameter is invalid."""


class ContextLengthExceeded(Refusal):
    """The input does not fit the model."""


class InvalidApiKey(Refusal):
    """The API key is missing, malformed, unknown, revoked or expired."""


class InsufficientQuota(Refusal):
    """The balance, the key's quota or a budget does not cover the request."""

    should_retry = False


class PermissionDenied(Refusal):
    """A rule of the key, of the region or of a role forbids the request."""

    should_retry = False


class NotFound(Refusal):
    """The path or the id does not exist."""

    reason = ErrorReason.NOT_FOUND


class ModelNotFound(Refusal):
    """No model has this name; the message names the nearest."""


class FreeModelsDisabled(Refusal):
    """The account has not turned free models on: a retry will not help."""

    should_retry = False


class MethodNotAllowed(Refusal):
    """The path exists for another method."""


class RequestTooLarge(Refusal):
    """The request exceeds a limit of size, which the message names."""

    reason = ErrorReason.BODY_TOO_LARGE


class UnsupportedEncoding(Refusal):
    """The request body is compressed or, on the control API, not JSON."""


class UpgradeRequired(Refusal):
    """A WebSocket was requested from a path that supports only HTTP."""


class RateLimited(Refusal):
    """A rate limit is reached; `retry_after` is in whole seconds."""


class TooLargeForRate(RateLimited):
    """The request alone exceeds the limit of tokens per minute: a retry will not help."""

    should_retry = False


class VendorRefused(Refusal):
    """The vendor refused the request itself; the message is the vendor's, with secrets removed."""

    def __init__(self, message: str, *, status: int, code: str, type: str, param: str | None = None) -> None:  # noqa: A002  the vendors' word
        super().__init__(message, param=param)
        self.status, self.code, self.type = status, code, type


class UpstreamError(Refusal):
    """The provider failed; nothing was billed."""


class NoProviderAvailable(Refusal):
    """The boundaries or the providers' health exclude every provider; the message says which."""


class BoundariesLeaveNobody(NoProviderAvailable):
    """The caller's own boundaries exclude every provider: a retry will not help."""

    should_retry = False


class Unavailable(Refusal):
    """Our own database is unavailable: never a 401, never an unbilled request."""

    reason = ErrorReason.UNAVAILABLE


class Overloaded(Unavailable):
    """The gateway has more requests than it can serve."""

    def __init__(self) -> None:
        super().__init__("The server is overloaded. Nothing was charged; try again in 2 seconds.", retry_after=2)


class UpstreamTimeout(Refusal):
    """The provider did not answer in time; nothing was billed."""


class Rejected(HarborError):
    """A use case does not accept this input; the message says what it accepts."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class SignInRefused(HarborError):
    """A credential is not valid. The message does not say which part is wrong, or whether a user exists. For a user who
    is signed in, `param` names the field.
    """

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class SecondFactorNeeded(SignInRefused):
    """The password is right, but the code of an authenticator app is needed, too."""


class ConsentPending(HarborError):
    """Nobody has yet approved a tool's connection."""

    reason = ErrorReason.AUTHORIZATION_PENDING


class Missing(HarborError):
    """The subject of a use case does not exist; the message names it."""

    reason = ErrorReason.NOT_FOUND


class Conflict(HarborError):
    """The present state, which the message names, excludes the operation."""


class Misconfigured(HarborError):
    """A configuration, an argument or a file is wrong. The message names each fault and its place, in one line."""

    def __init__(self, *faults: str) -> None:
        super().__init__(" — also: ".join(faults))
        self.faults = faults


class DeliveryError(HarborError):
    """A mail or a webhook was not delivered; the message holds no address, no secret and no content."""


class DeliveryUnavailable(DeliveryError):
    """It was not delivered now; a retry may succeed."""


class DeliveryRefused(DeliveryError):
    """It cannot be delivered; a retry will not help."""


class WorkerFailed(HarborError):
    """A server cannot go on with its workers, or a command with the process that it started; one line says why."""


class GatewayEnded(HarborError):
    """Another run has taken this run's place, or it was given up: its server ends."""


class ProcessorError(HarborError):
    """A payment processor failed; the message holds no secret and names no person."""


class ProcessorUnavailable(ProcessorError):
    """It did not answer, or its answer makes no sense. The operation may have happened."""

    reason = ErrorReason.PROCESSOR_UNAVAILABLE


class ProcessorRefused(ProcessorError):
    """It refused the operation for good; the message says why, for people."""

    reason = ErrorReason.PROCESSOR_REFUSED


class ForgedEvent(ProcessorError):
    """A webhook that the processor did not send, or one so old that it may be a replay."""


class BooksError(HarborError):
    """The ledger refuses, or its database is unavailable."""


class DatabaseUnavailable(BooksError):
    """The database did not answer in time, or reported an unexpected error."""


class QueueFull(DatabaseUnavailable):
    """Too many rows wait for the database. It was not asked."""


class BooksRefused(BooksError):
    """The books' rules forbid the operation; the message says which rule."""

    reason = ErrorReason.BOOKS_REFUSED


class HttpError(NamedTuple):
    """The HTTP status, code and type of an error."""

    status: int
    code: str
    type: str


HTTP_ERRORS: Final[Mapping[type[HarborError], HttpError]] = {
    HarborError: HttpError(500, "internal_error", "api_error"),
    InvalidRequest: HttpError(400, "invalid_request", "invalid_request_error"),
    ContextLengthExceeded: HttpError(400, "context_length_exceeded", "invalid_request_error"),
    InvalidApiKey: HttpError(401, "invalid_api_key", "authentication_error"),
    InsufficientQuota: HttpError(402, "insufficient_quota", "insufficient_quota"),  # 429 on /v1/responses
    PermissionDenied: HttpError(403, "permission_denied", "permission_error"),
    NotFound: HttpError(404, "not_found", "invalid_request_error"),
    ModelNotFound: HttpError(404, "model_not_found", "invalid_request_error"),
    FreeModelsDisabled: HttpError(409, "free_models_disabled", "invalid_request_error"),
    MethodNotAllowed: HttpError(405, "method_not_allowed", "invalid_request_error"),
    RequestTooLarge: HttpError(413, "request_too_large", "invalid_request_error"),
    UnsupportedEncoding: HttpError(415, "unsupported_encoding", "invalid_request_error"),
    UpgradeRequired: HttpError(426, "upgrade_required", "invalid_request_error"),
    RateLimited: HttpError(429, "rate_limit_exceeded", "rate_limit_error"),
    UpstreamError: HttpError(502, "upstream_error", "api_error"),
    NoProviderAvailable: HttpError(503, "no_provider_available", "api_error"),
    Unavailable: HttpError(503, "unavailable", "api_error"),
    UpstreamTimeout: HttpError(504, "upstream_timeout", "api_error"),
    Rejected: HttpError(400, "invalid_request", "invalid_request_error"),
    SignInRefused: HttpError(401, "sign_in_refused", "authentication_error"),
    SecondFactorNeeded: HttpError(401, "totp_required", "authentication_error"),
    ConsentPending: HttpError(400, "authorization_pending", "invalid_request_error"),
    Missing: HttpError(404, "not_found", "invalid_request_error"),
    Conflict: HttpError(409, "conflict", "invalid_request_error"),
    Misconfigured: HttpError(500, "misconfigured", "api_error"),
    GatewayEnded: HttpError(503, "unavailable", "api_error"),
    WorkerFailed: HttpError(503, "unavailable", "api_error"),
    ProcessorUnavailable: HttpError(503, "processor_unavailable", "api_error"),
    ProcessorRefused: HttpError(402, "payment_refused", "invalid_request_error"),
    ForgedEvent: HttpError(400, "invalid_request", "invalid_request_error"),
    DeliveryUnavailable: HttpError(503, "unavailable", "api_error"),
    DeliveryRefused: HttpError(502, "delivery_refused", "api_error"),
    DatabaseUnavailable: HttpError(503, "unavailable", "api_error"),
    BooksRefused: HttpError(409, "books_refused", "invalid_request_error"),
}
"""The HTTP answer of each error; a class without a row has its parent's. A dialect may differ: `Dialect.status_of`."""


def http_error(error: HarborError) -> HttpError:
    """Return the row of an error. VendorRefused carries the vendor's status, code and type instead."""
    return next(HTTP_ERRORS[kind] for kind in type(error).__mro__ if kind in HTTP_ERRORS)
