"""The meaning of Converse's stop reasons: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html."""

from tokenharbor.wire.neutral.ends import FinishTable
from tokenharbor.wire.neutral.events import FinishReason
from tokenharbor.wire.neutral.failure import FailureKind

ENDS = FinishTable(
    {
        "end_turn": FinishReason.STOP,
        "tool_use": FinishReason.TOOL_CALLS,
        "max_tokens": FinishReason.LENGTH,
        "model_context_window_exceeded": FinishReason.LENGTH,
        "stop_sequence": FinishReason.STOP_SEQUENCE,
        "guardrail_intervened": FinishReason.REFUSAL,
        "content_filtered": FinishReason.REFUSAL,
        "refusal": FinishReason.REFUSAL,
        "malformed_model_output": FailureKind.SERVER,
        "malformed_tool_use": FailureKind.SERVER,
    }
)
