"""The meaning of Anthropic's error types where the status is ambiguous: platform.claude.com/docs/en/api/errors."""

from tokenharbor.wire.neutral.causes import SHARED, Cause, CauseTable
from tokenharbor.wire.neutral.failure import FailureKind

CAUSES = CauseTable(
    (
        *SHARED,
        Cause(FailureKind.REQUEST, words=("invalid_request_error", "request_too_large", "content_filter")),
        Cause(FailureKind.NOT_FOUND, words=("not_found_error",), begins=r"model: \S"),
        Cause(FailureKind.RATE_LIMIT, words=("rate_limit_error",)),
        Cause(FailureKind.OVERLOADED, words=("overloaded_error",)),
        Cause(FailureKind.TIMEOUT, words=("timeout_error",)),
        Cause(FailureKind.SERVER, words=("api_error",)),
    )
)
