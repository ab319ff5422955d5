"""How Converse counts, mapped to the disjoint vector."""

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.usage import BadUsageError, check_range

# `inputTokens` excludes what was read from and written to the cache; `outputTokens` includes reasoning, which is not
# counted apart. `totalTokens` has the cached tokens in it for some models and not for others.


class _Detail(msgspec.Struct, frozen=True, gc=False):
    """What was written to the cache for one lifetime."""

    ttl: str = ""
    inputTokens: int = 0  # noqa: N815  the vendor's names, here and below


class _Counts(msgspec.Struct, frozen=True, gc=False):
    inputTokens: int | None = None  # noqa: N815
    outputTokens: int | None = None  # noqa: N815
    totalTokens: int | None = None  # noqa: N815
    cacheReadInputTokens: int | None = None  # noqa: N815
    cacheWriteInputTokens: int | None = None  # noqa: N815
    cacheDetails: list[_Detail] | None = None  # noqa: N815


_decode = msgspec.json.Decoder(_Counts).decode


def read_usage(raw: bytes | msgspec.Raw) -> Usage:
    """The vector; raises BadUsageError."""
    try:
        counts = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadUsageError("not whole numbers where they belong") from None
    if counts.inputTokens is None or counts.outputTokens is None:
        raise BadUsageError("no input or output count")
    five_minutes, hour = _written(counts)
    usage = Usage(
        input=counts.inputTokens,
        cache_read=counts.cacheReadInputTokens or 0,
        cache_write_5m=five_minutes,
        cache_write_1h=hour,
        output=counts.outputTokens,
    )
    cached = usage.cache_read + five_minutes + hour
    parts = usage.input | usage.cache_read | five_minutes | hour | usage.output
    check_range(usage.input + cached, usage.output, parts)
    plain = usage.input + usage.output
    if counts.totalTokens is not None and not plain <= counts.totalTokens <= plain + cached:
        raise BadUsageError("the parts are not the total")
    return usage


def _written(counts: _Counts) -> tuple[int, int]:
    """Tokens written to the cache for five minutes and for an hour."""
    details = counts.cacheDetails or []
    hour = sum(detail.inputTokens for detail in details if detail.ttl == "1h")
    five_minutes = sum(detail.inputTokens for detail in details) - hour
    total = counts.cacheWriteInputTokens
    if total is None or total == five_minutes + hour:
        return five_minutes, hour
    if not hour:
        return total, 0
    raise BadUsageError("the parts of what was written to the cache are not its total")
