"""The usage counts of OpenAI's dialect, mapped to `Usage`."""

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.usage import BadUsageError, check_range

# OpenAI's convention: `prompt_tokens` includes audio and tokens read from and written to the cache;
# `completion_tokens` includes reasoning and audio. Image tokens are part of the prompt, at its price.


class PromptDetails(msgspec.Struct, frozen=True, gc=False):
    """The prompt's tokens read from or written to the cache, and of audio."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    audio_tokens: int | None = None


class CompletionDetails(msgspec.Struct, frozen=True, gc=False):
    """The completion's tokens of reasoning and audio."""

    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class OpenAICounts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A vendor's `usage` object; the Responses dialect has other names for its members."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    cached_tokens: int | None = None


_decode = msgspec.json.Decoder(OpenAICounts).decode
_NO_PROMPT_DETAILS = PromptDetails()
_NO_COMPLETION_DETAILS = CompletionDetails()


def read_usage(raw: bytes | msgspec.Raw) -> Usage:
    """Read a vendor's `usage` object. Raises BadUsageError."""
    try:
        counts = _decode(raw)
    except UNREADABLE:
        raise BadUsageError("a count is not an integer") from None
    return usage_of_counts(counts)


def usage_of_counts(counts: OpenAICounts) -> Usage:
    """Convert the counts. Raises BadUsageError."""
    prompt, completion = counts.prompt_tokens, counts.completion_tokens
    before = counts.prompt_tokens_details or _NO_PROMPT_DETAILS
    after = counts.completion_tokens_details or _NO_COMPLETION_DETAILS
    read = before.cached_tokens or counts.prompt_cache_hit_tokens or counts.cached_tokens or 0
    written = before.cache_write_tokens or before.cache_creation_input_tokens or 0
    audio_in, audio_out = before.audio_tokens or 0, after.audio_tokens or 0
    reasoning = after.reasoning_tokens or 0
    check_range(prompt, completion, read | written | audio_in | audio_out | reasoning)
    if read + written > prompt:
        raise BadUsageError("more cached tokens than input tokens")
    if counts.total_tokens and counts.total_tokens != prompt + completion:
        if not reasoning or counts.total_tokens != prompt + completion + reasoning:
            raise BadUsageError("the total is not the sum of the counts")
        completion += reasoning  # a few vendors exclude reasoning from the completion; their total shows it
    if reasoning + audio_out > completion:
        raise BadUsageError("more reasoning tokens than output tokens")
    audio_in = min(audio_in, prompt - read - written)  # cached audio is counted as cached
    return Usage(  # positional, in the fields' order: keywords cost more than all the sums above
        prompt - read - written - audio_in,
        read,
        written,
        0,
        completion - reasoning - audio_out,
        reasoning,
        audio_in,
        audio_out,
    )


def write_usage(usage: Usage) -> dict[str, object]:
    """Return the usage in this dialect's shape."""
    prompt = (
        usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h + usage.audio_in + usage.image_in
    )
    completion = usage.output + usage.reasoning + usage.audio_out
    before = {"cached_tokens": usage.cache_read, "audio_tokens": usage.audio_in}
    if written := usage.cache_write_5m + usage.cache_write_1h:
        before["cache_write_tokens"] = written
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": before,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": usage.audio_out},
    }
