"""The usage counts of the Responses dialect, mapped to `Usage`."""

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.dialects.openai_chat.usage import (
    CompletionDetails,
    OpenAICounts,
    PromptDetails,
    usage_of_counts,
)
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.usage import BadUsageError, check_range

# The convention is that of chat completions, with other names. Searches are counted outside the usage.


class _Counts(OpenAICounts, frozen=True, gc=False, kw_only=True):
    prompt_tokens: int = msgspec.field(name="input_tokens")
    completion_tokens: int = msgspec.field(name="output_tokens")
    prompt_tokens_details: PromptDetails | None = msgspec.field(default=None, name="input_tokens_details")
    completion_tokens_details: CompletionDetails | None = msgspec.field(default=None, name="output_tokens_details")


_decode = msgspec.json.Decoder(_Counts).decode


def read_usage(raw: bytes | msgspec.Raw, searches: int = 0) -> Usage:
    """Read a vendor's `usage` object, and add the searches of its answer. Raises BadUsageError."""
    try:
        counts = _decode(raw)
    except UNREADABLE:
        raise BadUsageError("a count is not an integer") from None
    if counts.total_tokens and counts.total_tokens != counts.prompt_tokens + counts.completion_tokens:
        raise BadUsageError("the total is not the sum of the counts")
    usage = usage_of_counts(counts)
    if not searches:
        return usage
    check_range(0, 0, searches)
    return msgspec.structs.replace(usage, web_searches=searches)


def write_usage(usage: Usage) -> dict[str, object]:
    """Return the usage in this dialect's shape. Audio has no field and counts as input or output."""
    written = usage.cache_write_5m + usage.cache_write_1h
    before = usage.input + usage.cache_read + written + usage.audio_in + usage.image_in
    after = usage.output + usage.reasoning + usage.audio_out
    return {
        "input_tokens": before,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": written},
        "output_tokens": after,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": before + after,
    }
