"""The usage counts of Converse, mapped to `Usage`."""

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.usage import BadUsageError, check_range

# `inputTokens` excludes tokens read from and written to the cache; `outputTokens` includes reasoning, which has no
# separate count. `totalTokens` includes the cached tokens for some models only.


class _Detail(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The tokens written to the cache for one lifetime."""

    ttl: str = ""
    input_tokens: int = 0


class _Counts(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    cache_details: list[_Detail] | None = None


_decode = msgspec.json.Decoder(_Counts).decode


def read_usage(raw: bytes | msgspec.Raw) -> Usage:
    """Return the usage. Raises BadUsageError."""
    try:
        counts = _decode(raw)
    except UNREADABLE:
        raise BadUsageError("a count is not an integer") from None
    if counts.input_tokens is None or counts.output_tokens is None:
        raise BadUsageError("the input or output count is missing")
    five_minutes, hour = _written(counts)
    usage = Usage(
        input=counts.input_tokens,
        cache_read=counts.cache_read_input_tokens or 0,
        cache_write_5m=five_minutes,
        cache_write_1h=hour,
        output=counts.output_tokens,
    )
    cached = usage.cache_read + five_minutes + hour
    parts = usage.input | usage.cache_read | five_minutes | hour | usage.output
    check_range(usage.input + cached, usage.output, parts)
    plain = usage.input + usage.output
    if counts.total_tokens is not None and not plain <= counts.total_tokens <= plain + cached:
        raise BadUsageError("the counts do not add up to the total")
    return usage


def _written(counts: _Counts) -> tuple[int, int]:
    """Return the tokens written to the cache for five minutes and for an hour."""
    details = counts.cache_details or []
    hour = sum(detail.input_tokens for detail in details if detail.ttl == "1h")
    five_minutes = sum(detail.input_tokens for detail in details) - hour
    total = counts.cache_write_input_tokens
    if total is None or total == five_minutes + hour:
        return five_minutes, hour
    if not hour:
        return total, 0
    raise BadUsageError("the cache write counts do not add up to their total")
