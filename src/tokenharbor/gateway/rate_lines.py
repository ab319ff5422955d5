"""The `x-ratelimit-*` lines of answers, in OpenAI's form (platform.openai.com/docs/guides/rate-limits)."""

from math import ceil

import msgspec

_REQUESTS = (
    b"x-ratelimit-limit-requests: %d\r\nx-ratelimit-remaining-requests: %d\r\nx-ratelimit-reset-requests: %b\r\n"
)
_TOKENS = _REQUESTS.replace(b"requests", b"tokens")
_BOTH = _REQUESTS + _TOKENS


class RateStatus(msgspec.Struct, frozen=True, gc=False):
    """A limit, its remainder, and the seconds until it is reset."""

    limit: int
    remaining: int
    reset_seconds: float


def narrower(one: RateStatus | None, other: RateStatus | None) -> RateStatus | None:
    """Return the limit with less left; of equals, the one that is reset later."""
    if one is None or other is None:
        return one or other
    if one.remaining == other.remaining:
        return one if one.reset_seconds >= other.reset_seconds else other
    return one if one.remaining < other.remaining else other


def write_rate_lines(requests: RateStatus | None, tokens: RateStatus | None) -> bytes:
    """Return the lines for requests and tokens a minute, without those for which there is no limit."""
    if requests is None or tokens is None:
        return _lines(_REQUESTS, requests) + _lines(_TOKENS, tokens)
    return _BOTH % (
        requests.limit,
        requests.remaining,
        _reset(requests.reset_seconds),
        tokens.limit,
        tokens.remaining,
        _reset(tokens.reset_seconds),
    )


def write_duration(seconds: int) -> str:
    """Return a duration as `12s`, `6m0s` or `5h0m0s`."""
    minutes, rest = divmod(seconds, 60)
    if not minutes:
        return f"{rest}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s"


_DURATIONS = tuple([write_duration(seconds).encode("ascii") for seconds in range(61)])  # those of a window


def _reset(seconds: float) -> bytes:
    whole = ceil(seconds)
    return _DURATIONS[whole] if whole < len(_DURATIONS) else write_duration(whole).encode("ascii")


def _lines(form: bytes, rate: RateStatus | None) -> bytes:
    return b"" if rate is None else form % (rate.limit, rate.remaining, _reset(rate.reset_seconds))
