"""The `x-ratelimit-*` lines of answers, in OpenAI's form (platform.openai.com/docs/guides/rate-limits)."""

from collections.abc import Iterable
from math import ceil

import msgspec


class RateShown(msgspec.Struct, frozen=True):
    """A limit, what is left of it, and the seconds until all of it is there again."""

    limit: int
    remaining: int
    reset_seconds: float


def narrowest(rates: Iterable[RateShown]) -> RateShown | None:
    """The one that allows least; of equals, the one that lasts longest."""
    return min(rates, key=lambda each: (each.remaining, -each.reset_seconds), default=None)


def write_rate_lines(requests: RateShown | None, tokens: RateShown | None) -> bytes:
    """Of requests and of tokens a minute; nothing where there is no limit."""
    return _lines("requests", requests) + _lines("tokens", tokens)


def write_duration(seconds: int) -> str:
    """`12s`, `6m0s`, `5h0m0s`."""
    minutes, rest = divmod(seconds, 60)
    if not minutes:
        return f"{rest}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s"


def _lines(of: str, rate: RateShown | None) -> bytes:
    if rate is None:
        return b""
    reset = write_duration(ceil(rate.reset_seconds))
    return (
        f"x-ratelimit-limit-{of}: {rate.limit}\r\nx-ratelimit-remaining-{of}: {rate.remaining}\r\n"
        f"x-ratelimit-reset-{of}: {reset}\r\n"
    ).encode("ascii")
