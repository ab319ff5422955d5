"""The usage counts of Gemini's dialect, mapped to `Usage`."""

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.usage import BadUsageError, check_range

# Google's convention: `promptTokenCount` includes tokens read from the cache, and media; `candidatesTokenCount`
# excludes
# `thoughtsTokenCount`; tokens read by the vendor's own tools are counted apart and priced as input. Image tokens are
# part
# of the prompt, at its price; the modalities give the audio tokens. A count of zero is omitted.


class _Modality(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    modality: str | None = None
    token_count: int | None = None


class _Counts(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    prompt_token_count: int
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[_Modality] | None = None
    cache_tokens_details: list[_Modality] | None = None
    candidates_tokens_details: list[_Modality] | None = None


_decode = msgspec.json.Decoder(_Counts).decode


def read_usage(raw: bytes | msgspec.Raw) -> Usage:
    """Read a vendor's `usageMetadata`. Raises BadUsageError."""
    try:
        counts = _decode(raw)
    except UNREADABLE:
        raise BadUsageError("a count is not an integer") from None
    prompt, read = counts.prompt_token_count, counts.cached_content_token_count or 0
    tools = counts.tool_use_prompt_token_count or 0
    said, thought = counts.candidates_token_count or 0, counts.thoughts_token_count or 0
    audio_in, audio_out = _audio(counts.prompt_tokens_details), _audio(counts.candidates_tokens_details)
    cached_audio = _audio(counts.cache_tokens_details)
    parts = prompt | tools | said | thought | read | audio_in | audio_out | cached_audio
    check_range(prompt + tools, said + thought, parts)
    if read > prompt:
        raise BadUsageError("more cached tokens than input tokens")
    if _includes_thoughts(counts, prompt + tools, said, thought):
        said -= thought
    audio_in = min(max(audio_in - cached_audio, 0), prompt - read)  # cached audio is counted as cached
    if said < audio_out:
        raise BadUsageError("more audio tokens than output tokens")
    return Usage(
        input=prompt - read - audio_in + tools,
        cache_read=read,
        output=said - audio_out,
        reasoning=thought,
        audio_in=audio_in,
        audio_out=audio_out,
    )


def _audio(details: list[_Modality] | None) -> int:
    return sum(one.token_count or 0 for one in details or () if one.modality == "AUDIO")


def _includes_thoughts(counts: _Counts, before: int, said: int, thought: int) -> bool:
    """Return whether the output count includes thoughts, as with a few vendors; their total shows it. The total may or
    may not include the tools' tokens.
    """
    total = counts.total_token_count
    tools = counts.tool_use_prompt_token_count or 0
    if not total or total - before in (said + thought, said + thought - tools):
        return False
    if thought and thought <= said and total == before + said:
        return True
    raise BadUsageError("the total is not the sum of the counts")


def try_usage(raw: msgspec.Raw) -> Usage | None:
    """Return the usage, or None if it is inconsistent."""
    try:
        return read_usage(raw)
    except BadUsageError:
        return None


def write_usage(usage: Usage) -> dict[str, object]:
    """Return the usage in this dialect's shape. Cache writes have no field and count as input."""
    fresh = usage.input + usage.cache_write_5m + usage.cache_write_1h + usage.image_in
    prompt, said = fresh + usage.cache_read + usage.audio_in, usage.output + usage.audio_out
    counts: dict[str, object] = {"promptTokenCount": prompt, "candidatesTokenCount": said}
    counts["totalTokenCount"] = prompt + said + usage.reasoning
    if usage.cache_read:
        counts["cachedContentTokenCount"] = usage.cache_read
    counts["promptTokensDetails"] = _details(prompt, usage.audio_in)
    if usage.audio_out:
        counts["candidatesTokensDetails"] = _details(said, usage.audio_out)
    if usage.reasoning:
        counts["thoughtsTokenCount"] = usage.reasoning
    return counts


def _details(total: int, audio: int) -> list[dict[str, object]]:
    text: list[dict[str, object]] = [{"modality": "TEXT", "tokenCount": total - audio}]
    return [*text, {"modality": "AUDIO", "tokenCount": audio}] if audio else text
