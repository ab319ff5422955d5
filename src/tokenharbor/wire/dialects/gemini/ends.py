"""The meaning of Gemini's finish reasons: ai.google.dev/api/generate-content (FinishReason), and the longer list of
cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse.

`OTHER` and `FINISH_REASON_UNSPECIFIED` are not listed, because they give no reason.
"""

from tokenharbor.wire.dialects.gemini.answer_schema import GeminiCandidate
from tokenharbor.wire.neutral.ends import FinishTable
from tokenharbor.wire.neutral.events import FinishReason
from tokenharbor.wire.neutral.failure import Failure, FailureKind

ENDS = FinishTable(
    {
        "STOP": FinishReason.STOP,
        "MAX_TOKENS": FinishReason.LENGTH,
        **dict.fromkeys(
            (
                *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"),
                *("JAILBREAK", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
            ),
            FinishReason.REFUSAL,
        ),
        # the model's output is invalid; a retry may help
        **dict.fromkeys(
            (
                *("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"),
                *("MISSING_THOUGHT_SIGNATURE", "NO_IMAGE", "IMAGE_OTHER"),
            ),
            FailureKind.SERVER,
        ),
    }
)


def failure_of(candidate: GeminiCandidate, *, empty: bool) -> Failure | None:
    """Return why a candidate is not an answer, whole or at a stream's end; None if it is one."""
    return ENDS.failure(candidate.finish_reason or "", empty=empty, message=candidate.finish_message or "")
