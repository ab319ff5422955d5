"""The usage counts of Anthropic's dialect, mapped to `Usage`."""

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.usage import BadUsageError, check_range

# Anthropic's convention: `input_tokens` excludes tokens read from and written to the cache; `output_tokens` includes
# thinking. In a stream each count is cumulative: the counts of `message_delta` replace those of `message_start`.


class _Creation(msgspec.Struct, frozen=True, gc=False):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class _ServerTools(msgspec.Struct, frozen=True, gc=False):
    web_search_requests: int | None = None


class _Details(msgspec.Struct, frozen=True, gc=False):
    thinking_tokens: int | None = None


class AnthropicUsage(msgspec.Struct, frozen=True, gc=False):
    """A `usage` object as the vendor wrote it."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _Creation | None = None
    server_tool_use: _ServerTools | None = None
    output_tokens_details: _Details | None = None


_decode = msgspec.json.Decoder(AnthropicUsage).decode
_FIELDS = AnthropicUsage.__struct_fields__


def read_counts(raw: bytes | msgspec.Raw) -> AnthropicUsage:
    """Decode the counts. Raises BadUsageError."""
    try:
        return _decode(raw)
    except UNREADABLE:
        raise BadUsageError("a count is not an integer") from None


def merge(earlier: AnthropicUsage | None, later: AnthropicUsage) -> AnthropicUsage:
    """Merge cumulative counts: the later ones replace earlier ones."""
    if earlier is None:
        return later
    given = {name: value for name in _FIELDS if (value := getattr(later, name)) is not None}
    return msgspec.structs.replace(earlier, **given)


def add_up(counts: AnthropicUsage) -> Usage:
    """Return the usage. Raises BadUsageError."""
    if counts.input_tokens is None or counts.output_tokens is None:
        raise BadUsageError("the input or output count is missing")
    five_minutes, hour = _written(counts)
    thinking = (counts.output_tokens_details.thinking_tokens or 0) if counts.output_tokens_details else 0
    searches = (counts.server_tool_use.web_search_requests or 0) if counts.server_tool_use else 0
    usage = Usage(
        input=counts.input_tokens,
        cache_read=counts.cache_read_input_tokens or 0,
        cache_write_5m=five_minutes,
        cache_write_1h=hour,
        output=counts.output_tokens - thinking,
        reasoning=thinking,
        web_searches=searches,
    )
    before = usage.input + usage.cache_read + five_minutes + hour
    parts = usage.input | usage.cache_read | five_minutes | hour | usage.output | thinking | searches
    check_range(before, counts.output_tokens + searches, parts)
    return usage


def _written(counts: AnthropicUsage) -> tuple[int, int]:
    """Return the tokens written to the cache for five minutes and for an hour."""
    total, split = counts.cache_creation_input_tokens, counts.cache_creation
    if split is None:
        return total or 0, 0
    five_minutes, hour = split.ephemeral_5m_input_tokens or 0, split.ephemeral_1h_input_tokens or 0
    if total is None or total == five_minutes + hour:
        return five_minutes, hour
    # Only message_start has the split; if the total grew since, it can be split only if one kind is used.
    if not hour:
        return total, 0
    if not five_minutes:
        return 0, total
    raise BadUsageError("the cache write counts do not add up to their total")


def write_usage(usage: Usage) -> dict[str, object]:
    """Return the usage in this dialect's shape. Audio has no field and counts as input or output; service tier and
    region are unknown for other vendors.
    """
    return {
        "input_tokens": usage.input + usage.audio_in + usage.image_in,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output + usage.reasoning + usage.audio_out,
        "output_tokens_details": {"thinking_tokens": usage.reasoning} if usage.reasoning else None,
        "server_tool_use": (
            {"web_search_requests": usage.web_searches, "web_fetch_requests": 0} if usage.web_searches else None
        ),
        "service_tier": None,
        "inference_geo": None,
    }
