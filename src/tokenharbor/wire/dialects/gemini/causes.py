"""The meaning of Google's status words and reasons: ai.google.dev/gemini-api/docs/troubleshooting, google.rpc.Code and
the reasons of google.api.ErrorReason.
"""

from tokenharbor.wire.neutral.causes import SHARED, Cause, CauseTable
from tokenharbor.wire.neutral.failure import FailureKind

CAUSES = CauseTable(
    (
        *SHARED,
        Cause(FailureKind.REQUEST, words=("INVALID_ARGUMENT", "OUT_OF_RANGE")),
        # a failed precondition concerns our account: its region, its billing, a service that is not enabled
        Cause(
            FailureKind.CREDENTIAL,
            words=(
                *("FAILED_PRECONDITION", "UNAUTHENTICATED", "PERMISSION_DENIED", "API_KEY_INVALID"),
                *("API_KEY_SERVICE_BLOCKED", "API_KEY_HTTP_REFERRER_BLOCKED", "API_KEY_IP_ADDRESS_BLOCKED"),
                *("SERVICE_DISABLED", "BILLING_DISABLED", "CONSUMER_SUSPENDED", "CONSUMER_INVALID"),
                *("ACCESS_TOKEN_EXPIRED", "CREDENTIALS_MISSING", "USER_PROJECT_DENIED"),
            ),
        ),
        Cause(FailureKind.NOT_FOUND, words=("NOT_FOUND",)),
        Cause(FailureKind.RATE_LIMIT, words=("RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED")),
        Cause(FailureKind.SERVER, words=("UNAVAILABLE", "INTERNAL", "UNKNOWN", "ABORTED")),
        Cause(FailureKind.TIMEOUT, words=("DEADLINE_EXCEEDED", "CANCELLED")),
    )
)
