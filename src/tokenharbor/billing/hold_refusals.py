"""Errors for refused holds: which limit was reached, the figures, and when to retry."""

from collections.abc import Mapping

import msgspec

from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.errors import InsufficientQuota, RateLimited, Refusal, TooLargeForRate
from tokenharbor.kernel.payer import Payer, RateLimits
from tokenharbor.ledger.types import Hold, HoldRefusal, RefusedHold, WindowUse

BUDGETS: Mapping[HoldRefusal, str] = {
    HoldRefusal.QUOTA: "the key's quota",
    HoldRefusal.DAILY: "the key's daily budget",
    HoldRefusal.MONTHLY: "the key's monthly budget",
    HoldRefusal.ACCOUNT_DAILY: "the account's daily budget",
    HoldRefusal.ACCOUNT_MONTHLY: "the account's monthly budget",
}
BY_REQUESTS = frozenset({HoldRefusal.KEY_RPM, HoldRefusal.ACCOUNT_RPM})
"""Refusals that last until the window ends."""

BY_TOKENS = frozenset({HoldRefusal.KEY_TPM, HoldRefusal.ACCOUNT_TPM})
_BY_PLACES = frozenset({HoldRefusal.KEY_CONCURRENCY, HoldRefusal.ACCOUNT_CONCURRENCY})
_OF_KEYS = frozenset({HoldRefusal.KEY_RPM, HoldRefusal.KEY_TPM, HoldRefusal.KEY_CONCURRENCY})

_NO_LIMIT = 1 << 63


class _MetLimit(msgspec.Struct, frozen=True):
    """The limit that refused a hold. `shown` is the limit in words: amount, unit, key or account, and origin."""

    most: int
    shown: str
    window: WindowUse | None  # None if the database did not state it


def refusal_of(hold: Hold, outcome: RefusedHold, policy: Policy, *, fits_later: bool = False) -> Refusal:
    """Return the error for the caller. `fits_later`: the hold is too large now, but capped it fits into an empty
    window.
    """
    if outcome.why in BY_REQUESTS:
        return requests_refusal(hold.payer, outcome, whole_seconds(rest_ms(hold.payer, outcome)))
    if outcome.why in BY_TOKENS:
        return _tokens_refusal(hold, outcome, fits_later=fits_later)
    if outcome.why in _BY_PLACES:
        met = _met(hold.payer, outcome)
        opened = met.most if met.window is None else met.window.open
        return RateLimited(
            f"Rate limit: {met.shown}, {opened} open. Try again when one of them has ended.",
            retry_after=whole_seconds(rest_ms(hold.payer, outcome)),
        )
    if outcome.why is HoldRefusal.FREE:
        return _free_refusal(hold, outcome, policy)
    return _money_refusal(hold, outcome)


def requests_refusal(payer: Payer, outcome: RefusedHold, seconds: int) -> RateLimited:
    """Return the error for a limit of requests a minute, `seconds` before the window ends."""
    met = _met(payer, outcome)
    used = met.most if met.window is None else met.window.requests
    return RateLimited(f"Rate limit: {met.shown}, {used} used. Try again in {seconds} s.", retry_after=seconds)


def rest_ms(payer: Payer, outcome: RefusedHold) -> int:
    """Return the milliseconds until a retry may pass the limit that refused, and each limit of requests a minute."""
    rests = [outcome.retry_ms]
    if outcome.rates is not None:
        windows = (payer.key_limits, outcome.rates.key), (payer.account_limits, outcome.rates.account)
        rests += [window.ends_in_ms for limits, window in windows if window.requests >= (limits.rpm or _NO_LIMIT)]
    return max(rests)


def whole_seconds(ms: int) -> int:
    """Return seconds, rounded up, at least 1."""
    return max(1, -(-ms // 1000))


def least_tokens_a_minute(payer: Payer) -> int | None:
    """Return the lower limit of tokens a minute of key and account, or None if neither has one."""
    limits = [limit for limit in (payer.key_limits.tpm, payer.account_limits.tpm) if limit is not None]
    return min(limits, default=None)


def _tokens_refusal(hold: Hold, outcome: RefusedHold, *, fits_later: bool) -> Refusal:
    met = _met(hold.payer, outcome)
    retry_ms = outcome.retry_ms
    if fits_later and met.window is not None:
        retry_ms = max(retry_ms, met.window.ends_in_ms)
    if not retry_ms:
        return TooLargeForRate(
            f"The request may use {hold.tokens} tokens, more than its limit ever allows: {met.shown}. "
            "Send a shorter request, or set a smaller max_tokens."
        )
    retry_ms = max(retry_ms, rest_ms(hold.payer, outcome))
    seconds, used = whole_seconds(retry_ms), met.most if met.window is None else met.window.tokens
    return RateLimited(
        f"Rate limit: {met.shown}, {used} used or reserved, {hold.tokens} needed. "
        f"Try again in {seconds} s, or set a smaller max_tokens.",
        retry_after=seconds,
    )


def _free_refusal(hold: Hold, outcome: RefusedHold, policy: Policy) -> Refusal:
    seconds, most, hours = whole_seconds(outcome.retry_ms), hold.free_limit, policy.free.window_hours
    return RateLimited(
        f"Rate limit: {most} requests to free models in {hours} hours for the account (limit of edition {policy.name}),"
        f" {most} used. Try again in {seconds} s, or use a model that is not free.",
        retry_after=seconds,
    )


def _money_refusal(hold: Hold, outcome: RefusedHold) -> InsufficientQuota:
    needed, available, held = hold.amount, outcome.available, outcome.held
    state = f"balance ${available.brief_down()}, held ${held.brief_up()}, needed ${needed.brief_up()}"
    if outcome.why is HoldRefusal.DEBT:
        return InsufficientQuota(f"The account has a debt and is frozen: {state}. Top up to cover the debt.")
    if outcome.why in BUDGETS:
        return InsufficientQuota(
            f"The request may cost more than {BUDGETS[outcome.why]} still allows: "
            f"${outcome.limit_left.brief_down()} left; {state}. Raise the limit, or set a smaller max_tokens."
        )
    return InsufficientQuota(
        f"The request may cost more than the balance covers: {state}. Top up, or set a smaller max_tokens."
    )


def _met(payer: Payer, outcome: RefusedHold) -> _MetLimit:
    of_key = outcome.why in _OF_KEYS
    owner, limits = ("key", payer.key_limits) if of_key else ("account", payer.account_limits)
    most, unit, origin = _limit(limits, outcome.why)
    window = None if outcome.rates is None else (outcome.rates.key if of_key else outcome.rates.account)
    return _MetLimit(most, f"{most} {unit} for the {owner} (limit of {origin})", window)


def _limit(limits: RateLimits, why: HoldRefusal) -> tuple[int, str, str]:
    """Return a limit, its unit and its origin."""
    requests, tokens, places = limits.origins
    if why in BY_REQUESTS:
        return limits.rpm or 0, "requests a minute", requests
    if why in BY_TOKENS:
        return limits.tpm or 0, "tokens a minute", tokens
    return limits.concurrency or 0, "requests open at once", places
