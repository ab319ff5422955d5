"""How vendors of the Responses dialect count, mapped to the disjoint vector."""

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.neutral.usage import BadUsageError, check_range

# The convention: `input_tokens` includes what was read from and written to the cache; `output_tokens` includes
# reasoning. Searches are counted outside of the usage.


class _InputDetails(msgspec.Struct, frozen=True, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None


class _OutputDetails(msgspec.Struct, frozen=True, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class _Counts(msgspec.Struct, frozen=True, gc=False):
    input_tokens: int
    output_tokens: int
    total_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


_decode = msgspec.json.Decoder(_Counts).decode
_NO_INPUT_DETAILS = _InputDetails()
_NO_OUTPUT_DETAILS = _OutputDetails()


def read_usage(raw: bytes | msgspec.Raw, searches: int = 0) -> Usage:
    """A vendor's `usage` object, and the searches that its answer shows; raises BadUsageError."""
    try:
        counts = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadUsageError("a count is not an integer") from None
    before, after = counts.input_tokens, counts.output_tokens
    details = counts.input_tokens_details or _NO_INPUT_DETAILS
    generated = counts.output_tokens_details or _NO_OUTPUT_DETAILS
    read, written = details.cached_tokens or 0, details.cache_write_tokens or 0
    reasoning = generated.reasoning_tokens or 0
    audio_in, audio_out = details.audio_tokens or 0, generated.audio_tokens or 0
    check_range(before, after, read | written | reasoning | audio_in | audio_out | searches)
    if counts.total_tokens and counts.total_tokens != before + after:
        raise BadUsageError("the total is not the sum of the counts")
    if read + written > before:
        raise BadUsageError("more cached tokens than input tokens")
    if reasoning + audio_out > after:
        raise BadUsageError("more reasoning tokens than output tokens")
    audio_in = min(audio_in, before - read - written)  # cached audio is counted as cached
    return Usage(
        input=before - read - written - audio_in,
        cache_read=read,
        cache_write_5m=written,
        output=after - reasoning - audio_out,
        reasoning=reasoning,
        audio_in=audio_in,
        audio_out=audio_out,
        web_searches=searches,
    )


def write_usage(usage: Usage) -> dict[str, object]:
    """The vector in this dialect's shape. Audio has no place in it and counts as input or output."""
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
