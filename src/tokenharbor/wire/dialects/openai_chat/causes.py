"""The meaning of OpenAI's error types and codes where the status is ambiguous: developers.openai.com, error codes."""

from tokenharbor.wire.neutral.causes import SHARED, Cause, CauseTable
from tokenharbor.wire.neutral.failure import FailureKind

ROWS = (
    *SHARED,
    Cause(
        FailureKind.RATE_LIMIT,
        words=("rate_limit_error", "rate_limit_exceeded", "too_many_requests", "tokens", "requests"),
    ),
    Cause(FailureKind.OVERLOADED, words=("overloaded_error", "overloaded", "slow_down", "server_is_overloaded")),
    Cause(FailureKind.SERVER, words=("service_unavailable", "server_error")),
    Cause(
        FailureKind.REQUEST,
        # `content_filter`: some hosts of these models report so a prompt that their filter refused
        words=("invalid_request_error", "invalid_prompt", "content_filter", "content_policy_violation"),
    ),
    # statuses beside empty choices; to be checked with platform.minimax.io/docs/api-reference/errorcode
    Cause(FailureKind.RATE_LIMIT, words=("base_resp.1002", "base_resp.1041", "base_resp.2045")),
    Cause(FailureKind.CREDENTIAL, words=("base_resp.1004", "base_resp.1008", "base_resp.2049", "base_resp.2056")),
    Cause(FailureKind.TIMEOUT, words=("base_resp.1001",)),
    Cause(FailureKind.CONTEXT, words=("context_length_exceeded",)),
    Cause(FailureKind.NOT_FOUND, words=("not_found", "not_found_error")),
    Cause(FailureKind.TIMEOUT, words=("timeout_error", "timeout")),
    # Google's codes, for its models sold in this dialect: google.rpc.Code
    Cause(FailureKind.CREDENTIAL, words=("FAILED_PRECONDITION", "UNAUTHENTICATED", "PERMISSION_DENIED")),
)
CAUSES = CauseTable(ROWS)
