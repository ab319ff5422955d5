"""The meaning of the reasons of an incomplete Responses answer: the API reference of developers.openai.com."""

from tokenharbor.wire.neutral.ends import FinishTable
from tokenharbor.wire.neutral.events import FinishReason

ENDS = FinishTable(
    {
        "max_output_tokens": FinishReason.LENGTH,
        "max_tokens": FinishReason.LENGTH,
        "model_context_window_exceeded": FinishReason.LENGTH,
        "content_filter": FinishReason.REFUSAL,
    },
    otherwise=FinishReason.LENGTH,  # the answer is incomplete for any reason
)
