"""The meaning of the stop reasons in Anthropic's dialect: platform.claude.com/docs, "Handling stop reasons"."""

from tokenharbor.wire.neutral.ends import FinishTable
from tokenharbor.wire.neutral.events import FinishReason
from tokenharbor.wire.neutral.failure import FailureKind

ENDS = FinishTable(
    {
        "end_turn": FinishReason.STOP,
        "max_tokens": FinishReason.LENGTH,
        "model_context_window_exceeded": FinishReason.LENGTH,
        "tool_use": FinishReason.TOOL_CALLS,
        "stop_sequence": FinishReason.STOP_SEQUENCE,
        "refusal": FinishReason.REFUSAL,
        "pause_turn": FinishReason.PAUSE,
        "compaction": FinishReason.PAUSE,  # the same docs, "Compaction"
        # words of other dialects, from vendors that sell those dialects' models in this one
        "stop": FinishReason.STOP,
        "length": FinishReason.LENGTH,
        "tool_calls": FinishReason.TOOL_CALLS,
        "content_filter": FinishReason.REFUSAL,
        "sensitive": FinishReason.REFUSAL,
        "network_error": FailureKind.SERVER,
        "insufficient_system_resource": FailureKind.SERVER,
    }
)
