"""Every error of the house, one tree; and a table of how each is answered over HTTP.

HarborError
├── Refusal                    the data plane refuses a request: an answer in the caller's dialect
│   ├── InvalidRequest         the body, a header or a parameter; `param` names the field
│   ├── ContextLengthExceeded
│   ├── InvalidApiKey
│   ├── InsufficientQuota
│   ├── PermissionDenied
│   ├── NotFound               a path or an id that is not there
│   ├── ModelNotFound          with the nearest names
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
├── Rejected                   a use case does not take this input; `param` names the field
├── SignInRefused              e-mail and password, a token or a code do not open anything; it does not say which
│   └── SecondFactorNeeded     the password is right, and a code is needed, too
├── ConsentPending             nobody has agreed yet to what a tool asks for: it asks again
├── Missing                    what a use case works on is not there
├── Conflict                   what is there already excludes what is asked for
├── Misconfigured              configuration, arguments, files: one line that says what and where, of each fault
├── GatewayEnded               another run has taken this one's place, or it was given up: its server ends
├── ProcessorError             a payment processor; the message holds no secret and names no person
│   ├── ProcessorUnavailable   it did not answer; what happened is unknown: look, or ask the same again
│   ├── ProcessorRefused       final; the message is for people
│   └── ForgedEvent            a webhook that the processor did not send, or long ago
├── DeliveryError              a mail or a webhook to a customer; the message names no person
│   ├── DeliveryUnavailable    not delivered now: try again
│   └── DeliveryRefused        final
├── WorkerFailed               a process of ours beside this one cannot start or go on
└── BooksError                 the ledger refuses, or the database is unavailable
    ├── DatabaseUnavailable    the database did not answer; what happened is unknown
    │   └── QueueFull          too much waits for it: nothing was asked
    └── BooksRefused           an operation that the books' rules forbid
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import ClassVar, Final, NamedTuple, Self

from tokenharbor.kernel.reasons import ErrorReason

ErrorFact = str | int | datetime  # an amount is an `Usd`


class HarborError(Exception):
    """The root. Pages say a `reason` in words of their own, with the facts in it; None: they show the message."""

    reason: ErrorReason | None = None
    facts: Mapping[str, ErrorFact] = MappingProxyType({})

    def because(self, reason: ErrorReason, **facts: ErrorFact) -> Self:
        """This error, with its reason; where it is raised: `raise Conflict("…").because(…)`."""
        self.reason, self.facts = reason, facts
        return self


def reason_of(error: Exception) -> str:
    """Why work failed that nobody waits for. Of a fault of ours only its kind: its words may hold what is secret."""
    return str(error) if isinstance(error, HarborError) else f"a fault of ours: {type(error).__name__}"


class Refusal(HarborError):
    """An error that goes to the caller. The message says what to do next and never holds a secret or content."""

    should_retry: ClassVar[bool | None] = None  # None: the header is not sent

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
    """The body, a header or a parameter is not what the path takes."""


class ContextLengthExceeded(Refusal):
    """The input does not fit the model."""


class InvalidApiKey(Refusal):
    """Missing, malformed, unknown, revoked or expired."""


class InsufficientQuota(Refusal):
    """Balance, key quota or budget cannot cover the request."""

    should_retry = False


class PermissionDenied(Refusal):
    """A rule of the key, of the region or of a role forbids it."""

    should_retry = False


class NotFound(Refusal):
    """Nothing stands under this path or id."""

    reason = ErrorReason.NOT_FOUND


class ModelNotFound(Refusal):
    """No model of this name; the message names the nearest."""


class FreeModelsDisabled(Refusal):
    """The account has not turned free models on: a retry will not help."""

    should_retry = False


class MethodNotAllowed(Refusal):
    """The path exists for another method."""


class RequestTooLarge(Refusal):
    """A limit of sizes; the message names it."""

    reason = ErrorReason.BODY_TOO_LARGE


class UnsupportedEncoding(Refusal):
    """A compressed request body."""


class UpgradeRequired(Refusal):
    """A WebSocket where only HTTP is spoken."""


class RateLimited(Refusal):
    """Too many requests; `retry_after` is in whole seconds."""


class TooLargeForRate(RateLimited):
    """The request alone is larger than the limit: a retry will not help."""

    should_retry = False


class VendorRefused(Refusal):
    """The vendor refused the request itself: its own words, scrubbed."""

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
    """More is asked of this gateway than it can serve."""

    def __init__(self) -> None:
        super().__init__("The server is overloaded. Nothing was charged; try again in 2 seconds.", retry_after=2)


class UpstreamTimeout(Refusal):
    """The provider did not answer in time; nothing was billed."""


class Rejected(HarborError):
    """A use case does not take this input; the message says what it takes."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class SignInRefused(HarborError):
    """What was shown opens nothing; the message does not say which part is wrong, or who exists. To somebody who is
    signed in `param` names the field.
    """

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class SecondFactorNeeded(SignInRefused):
    """The password is right: the code of an authenticator app is needed, too."""


class ConsentPending(HarborError):
    """Nobody has agreed yet to what a tool asks for."""

    reason = ErrorReason.AUTHORIZATION_PENDING


class Missing(HarborError):
    """What a use case works on is not there; the message names it."""

    reason = ErrorReason.NOT_FOUND


class Conflict(HarborError):
    """What is there already excludes what is asked for; the message names it."""


class Misconfigured(HarborError):
    """Says what is wrong and where, of each fault, all in one line."""

    def __init__(self, *faults: str) -> None:
        super().__init__(" — also: ".join(faults))
        self.faults = faults


class DeliveryError(HarborError):
    """A mail or a webhook was not delivered; the message holds no address, no secret and no content."""


class DeliveryUnavailable(DeliveryError):
    """It was not delivered now; the same again may be."""


class DeliveryRefused(DeliveryError):
    """It will never be delivered so."""


class WorkerFailed(HarborError):
    """Says in one line why a server cannot go on with its workers, or a command with the process that it started."""


class GatewayEnded(HarborError):
    """Another run has taken this one's place, or it was given up: its server ends."""


class ProcessorError(HarborError):
    """A payment processor's: the message holds no secret and names no person."""


class ProcessorUnavailable(ProcessorError):
    """It did not answer, or not with sense. What was asked may have happened."""

    reason = ErrorReason.PROCESSOR_UNAVAILABLE


class ProcessorRefused(ProcessorError):
    """It has not done what was asked and will not; the message says why, for people."""

    reason = ErrorReason.PROCESSOR_REFUSED


class ForgedEvent(ProcessorError):
    """A webhook that the processor did not send, or so long ago that it may be replayed."""


class BooksError(HarborError):
    """The ledger's own."""


class DatabaseUnavailable(BooksError):
    """The database did not answer in time, or reported an unexpected error."""


class QueueFull(DatabaseUnavailable):
    """So much waits for the database that no more is taken. Nothing was asked of it."""


class BooksRefused(BooksError):
    """An operation that the books' rules forbid; the message says which rule."""

    reason = ErrorReason.BOOKS_REFUSED


class HttpError(NamedTuple):
    """How an error is answered over HTTP."""

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
"""Each error's own row, or that of the class above it. A dialect may differ: `Dialect.status_of`."""


def http_error(error: HarborError) -> HttpError:
    """The row of an error. VendorRefused carries its own instead: the vendor's."""
    return next(HTTP_ERRORS[kind] for kind in type(error).__mro__ if kind in HTTP_ERRORS)
