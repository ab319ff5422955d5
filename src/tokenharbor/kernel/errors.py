"""Every error of the house, one tree.

HarborError
├── Refusal                    what a caller is told, in the caller's dialect; status, code, type
│   ├── InvalidRequest         400  the body; `param` names the field
│   ├── ContextLengthExceeded  400
│   ├── InvalidApiKey          401
│   ├── InsufficientQuota      402  (429 on /v1/responses)
│   ├── PermissionDenied       403
│   ├── NotFound               404  a path or an id that is not there
│   ├── ModelNotFound          404  with the nearest names
│   ├── MethodNotAllowed       405
│   ├── RequestTooLarge        413
│   ├── UnsupportedEncoding    415
│   ├── UpgradeRequired        426
│   ├── RateLimited            429  with Retry-After
│   ├── VendorRefused          the vendor refused the request itself: its status, code and type
│   ├── UpstreamError          502  `provider` named
│   ├── NoProviderAvailable    503
│   ├── Unavailable            503  our own database is away
│   └── UpstreamTimeout        504  `provider` named
├── Misconfigured              configuration, arguments, files: one line that says what and where, of each fault
└── BooksError                 the ledger refuses or cannot be reached
    ├── BooksAway              the database did not answer; what happened is unknown
    └── BooksRefused           an operation that the books' rules forbid
"""

from typing import ClassVar


class HarborError(Exception):
    """The root."""


class Refusal(HarborError):
    """An error that goes to the caller. The message says what to do next and never holds a secret or content."""

    status: int = 500
    code: str = "internal_error"
    type: str = "api_error"
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
        self.message = message
        self.param = param
        self.provider = provider
        self.retry_after = retry_after


class InvalidRequest(Refusal):
    """The body, a header or a parameter is not what the path takes."""

    status, code, type = 400, "invalid_request", "invalid_request_error"


class ContextLengthExceeded(Refusal):
    """The input does not fit the model."""

    status, code, type = 400, "context_length_exceeded", "invalid_request_error"


class InvalidApiKey(Refusal):
    """Missing, malformed, unknown, revoked or expired."""

    status, code, type = 401, "invalid_api_key", "authentication_error"


class InsufficientQuota(Refusal):
    """Balance, key quota or budget cannot cover the request."""

    status, code, type = 402, "insufficient_quota", "insufficient_quota"
    should_retry = False


class PermissionDenied(Refusal):
    """A rule of the key or of the region forbids it."""

    status, code, type = 403, "permission_denied", "permission_error"
    should_retry = False


class NotFound(Refusal):
    """Nothing stands under this path or id."""

    status, code, type = 404, "not_found", "invalid_request_error"


class ModelNotFound(Refusal):
    """No model of this name; the message names the nearest."""

    status, code, type = 404, "model_not_found", "invalid_request_error"


class MethodNotAllowed(Refusal):
    """The path exists for another method."""

    status, code, type = 405, "method_not_allowed", "invalid_request_error"


class RequestTooLarge(Refusal):
    """A limit of sizes; the message names it."""

    status, code, type = 413, "request_too_large", "invalid_request_error"


class UnsupportedEncoding(Refusal):
    """A compressed request body."""

    status, code, type = 415, "unsupported_encoding", "invalid_request_error"


class UpgradeRequired(Refusal):
    """A WebSocket where only HTTP is spoken."""

    status, code, type = 426, "upgrade_required", "invalid_request_error"


class RateLimited(Refusal):
    """Too many requests; `retry_after` is in whole seconds."""

    status, code, type = 429, "rate_limit_exceeded", "rate_limit_error"


class VendorRefused(Refusal):
    """The vendor refused the request itself: its own words, scrubbed."""

    def __init__(self, message: str, *, status: int, code: str, type: str, param: str | None = None) -> None:  # noqa: A002  the vendors' word
        super().__init__(message, param=param)
        self.status, self.code, self.type = status, code, type


class UpstreamError(Refusal):
    """The provider failed; nothing was billed."""

    status, code, type = 502, "upstream_error", "api_error"


class NoProviderAvailable(Refusal):
    """The boundaries or the providers' health exclude every provider; the message says which."""

    status, code, type = 503, "no_provider_available", "api_error"


class BoundariesLeaveNobody(NoProviderAvailable):
    """The caller's own boundaries exclude every provider: a retry will not help."""

    should_retry = False


class Unavailable(Refusal):
    """Our own database is away: never a 401, never an unbilled request."""

    status, code, type = 503, "unavailable", "api_error"


class UpstreamTimeout(Refusal):
    """The provider did not answer in time; nothing was billed."""

    status, code, type = 504, "upstream_timeout", "api_error"


class Misconfigured(HarborError):
    """Says what is wrong and where, of each fault, all in one line."""

    def __init__(self, *faults: str) -> None:
        super().__init__(" — also: ".join(faults))
        self.faults = faults


class BooksError(HarborError):
    """The ledger's own."""


class BooksAway(BooksError):
    """The database did not answer in time, or reported an unexpected error."""


class BooksRefused(BooksError):
    """An operation that the books' rules forbid; the message says which rule."""
