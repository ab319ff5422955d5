"""The meaning of the finish reasons in OpenAI's dialect, for all vendors that speak it."""

from tokenharbor.wire.dialects.openai_chat.answer_schema import ChatDelta, ChoiceEnd, delta_size
from tokenharbor.wire.dialects.openai_chat.failures import read_error
from tokenharbor.wire.neutral.ends import FinishTable
from tokenharbor.wire.neutral.events import FinishReason
from tokenharbor.wire.neutral.failure import Failure, FailureKind

ENDS = FinishTable(
    {
        # developers.openai.com/api/reference: the dialect's own five
        "stop": FinishReason.STOP,
        "length": FinishReason.LENGTH,
        "tool_calls": FinishReason.TOOL_CALLS,
        "function_call": FinishReason.TOOL_CALLS,
        "content_filter": FinishReason.REFUSAL,
        # docs.z.ai/api-reference/llm/chat-completion
        "sensitive": FinishReason.REFUSAL,
        "model_context_window_exceeded": FinishReason.LENGTH,
        "network_error": FailureKind.SERVER,
        # api-docs.deepseek.com/api/create-chat-completion
        "insufficient_system_resource": FailureKind.SERVER,
        # ai.google.dev/gemini-api/docs/openai: "content_filter: RECITATION", "function_call_filter: MALFORMED_…"
        "function_call_filter": FailureKind.SERVER,
        # openrouter.ai/docs/api-reference/overview
        "error": FailureKind.SERVER,
        # docs.mistral.ai/api
        "model_length": FinishReason.LENGTH,
        # words of inference servers and other dialects, passed on by resellers
        "eos": FinishReason.STOP,
        "eos_token": FinishReason.STOP,
        "end_turn": FinishReason.STOP,
        "stop_sequence": FinishReason.STOP,
        "max_tokens": FinishReason.LENGTH,
        "tool_use": FinishReason.TOOL_CALLS,
        "refusal": FinishReason.REFUSAL,
        "safety": FinishReason.REFUSAL,
        "recitation": FinishReason.REFUSAL,
        "prohibited_content": FinishReason.REFUSAL,
    }
)


def is_empty(words: ChatDelta | None) -> bool:
    """Return whether a message has no content."""
    return words is None or not (delta_size(words) or words.tool_calls or words.function_call or len(words.images) > 4)


def is_usual(choice: ChoiceEnd) -> bool:
    """Return whether the choice has no error and a usual finish reason, if any."""
    return len(choice.error) <= 4 and (not choice.finish_reason or choice.finish_reason in ENDS.usual)


def failure_of(choice: ChoiceEnd, *, empty: bool) -> Failure | None:
    """Return why a choice is not an answer, whole or at a stream's end; None if it is one."""
    failure = read_error(choice.error) if len(choice.error) > 4 else None
    return failure or ENDS.failure(choice.finish_reason or "", empty=empty)
