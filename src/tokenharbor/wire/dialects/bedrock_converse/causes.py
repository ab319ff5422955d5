"""The meaning of Converse's exceptions: docs.aws.amazon.com/bedrock/latest/APIReference, Converse and CommonErrors, and
bedrock/latest/userguide/troubleshooting-api-error-codes.html.
"""

from tokenharbor.wire.neutral.causes import SHARED, Cause, CauseTable
from tokenharbor.wire.neutral.failure import FailureKind

CAUSES = CauseTable(
    (
        *SHARED,
        # for a model missing from the account or region, the vendor blames the request
        Cause(
            FailureKind.NOT_FOUND,
            words=("ResourceNotFoundException",),
            begins=(
                r"the provided model identifier is invalid|invocation of model id .{1,300} isn.t supported"
                r"|this model (?:version )?(?:isn.t|is not) (?:supported|available)"
            ),
        ),
        Cause(
            FailureKind.CREDENTIAL,
            words=(
                *("AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException"),
                *("IncompleteSignatureException", "IncompleteSignature", "MissingAuthenticationTokenException"),
                *("ExpiredTokenException", "OptInRequired", "NotAuthorized", "InvalidClientTokenId"),
            ),
            begins=(
                r"access to .{1,120}? (?:is|are) not (?:allowed|supported|available)|operation not allowed"
                r"|you don.t have access to the model|the security token included"
            ),
        ),
        Cause(
            FailureKind.RATE_LIMIT,
            words=("ThrottlingException", "TooManyRequestsException", "ServiceQuotaExceededException"),
        ),
        Cause(FailureKind.OVERLOADED, words=("ModelNotReadyException",)),
        Cause(
            FailureKind.SERVER,
            words=(
                *("ServiceUnavailableException", "InternalServerException", "ModelErrorException"),
                "ModelStreamErrorException",
            ),
        ),
        Cause(FailureKind.TIMEOUT, words=("ModelTimeoutException", "RequestExpired")),
        Cause(FailureKind.REQUEST, words=("ValidationException",)),
    )
)
