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
RPM_LIMITS = frozenset({HoldRefusal.KEY_RPM, HoldRefusal.ACCOUNT_RPM})
"""Refusals that last until the window ends."""

TPM_LIMITS = frozenset({HoldRefusal.KEY_TPM, HoldRefusal.ACCOUNT_TPM})
_CONCURRENCY_LIMITS = frozenset({HoldRefusal.KEY_CONCURRENCY, HoldRefusal.ACCOUNT_CONCURRENCY})
_KEY_LIMITS = frozenset({HoldRefusal.KEY_RPM, HoldRefusal.KEY_TPM, HoldRefusal.KEY_CONCURRENCY})

_NO_LIMIT = 1 << 63


class _ReachedLimit(msgspec.Struct, frozen=True):
    """The limit that refused a hold. `description` is the limit in words: amount, unit, key or account, and origin."""

    limit: int
    description: str
    window: WindowUse | None  # None if the database did not state it


def refusal_of(hold: Hold, outcome: RefusedHold, policy: Policy, *, fits_later: bool = False) -> Refusal:
    """Return the error for the caller. `fits_later`: the hold is too large now, but capped it fits into an empty
    window.
    """
    if outcome.reason in RPM_LIMITS:
        return requests_refusal(hold.payer, outcome, whole_seconds(retry_after_ms(hold.payer, outcome)))
    if outcome.reason in TPM_LIMITS:
        return _tokens_refusal(hold, outcome, fits_later=fits_later)
    if outcome.reason in _CONCURRENCY_LIMITS:
        reached = _reached(hold.payer, outcome)
        opened = reached.limit if reached.window is None else reached.window.open
        return RateLimited(
            f"Rate limit: {reached.description}, {opened} open. Try again when one of them has ended.",
            retry_after=whole_seconds(retry_after_ms(hold.payer, outcome)),
        )
    if outcome.reason is HoldRefusal.FREE:
        return _free_refusal(hold, outcome, policy)
    return _money_refusal(hold, outcome)


def requests_refusal(payer: Payer, outcome: RefusedHold, seconds: int) -> RateLimited:
    """Return the error for a limit of requests a minute, `seconds` before the window ends."""
    reached = _reached(payer, outcome)
    used = reached.limit if reached.window is None else reached.window.requests
    return RateLimited(
        f"Rate limit: {reached.description}, {used} used. Try again in {seconds} s.", retry_after=seconds
    )


def retry_after_ms(payer: Payer, outcome: RefusedHold) -> int:
    """Return the milliseconds until a retry may pass the limit that refused, and each limit of requests a minute."""
    waits_ms = [outcome.retry_ms]
    if outcome.rates is not None:
        windows = (payer.key_limits, outcome.rates.key), (payer.account_limits, outcome.rates.account)
        waits_ms += [window.ends_in_ms for limits, window in windows if window.requests >= (limits.rpm or _NO_LIMIT)]
    return max(waits_ms)


def whole_seconds(ms: int) -> int:
    """Return seconds, rounded up, at least 1."""
    return max(1, -(-ms // 1000))


def lower_tpm(payer: Payer) -> int | None:
    """Return the lower limit of tokens a minute of key and account, or None if neither has one."""
    limits = [limit for limit in (payer.key_limits.tpm, payer.account_limits.tpm) if limit is not None]
    return min(limits, default=None)


def _tokens_refusal(hold: Hold, outcome: RefusedHold, *, fits_later: bool) -> Refusal:
    reached = _reached(hold.payer, outcome)
    retry_ms = outcome.retry_ms
    if fits_later and reached.window is not None:
        retry_ms = max(retry_ms, reached.window.ends_in_ms)
    if not retry_ms:
        return TooLargeForRate(
            f"The request may use {hold.tokens} tokens, more than its limit ever allows: {reached.description}. "
            "Send a shorter request, or set a smaller max_tokens."
        )
    retry_ms = max(retry_ms, retry_after_ms(hold.payer, outcome))
    seconds, used = whole_seconds(retry_ms), reached.limit if reached.window is None else reached.window.tokens
    return RateLimited(
        f"Rate limit: {reached.description}, {used} used or reserved, {hold.tokens} needed. "
        f"Try again in {seconds} s, or set a smaller max_tokens.",
        retry_after=seconds,
    )


def _free_refusal(hold: Hold, outcome: RefusedHold, policy: Policy) -> Refusal:
    seconds, limit, hours = whole_seconds(outcome.retry_ms), hold.free_limit, policy.free.window_hours
    return RateLimited(
        f"Rate limit: {limit} requests to free models in {hours} hours for the account (limit of edition {policy.name})"
        f", {limit} used. Try again in {seconds} s, or use a model that is not free.",
        retry_after=seconds,
    )


def _money_refusal(hold: Hold, outcome: RefusedHold) -> InsufficientQuota:
    needed, available, held = hold.amount, outcome.available, outcome.held
    state = f"balance ${available.brief_down()}, held ${held.brief_up()}, needed ${needed.brief_up()}"
    if outcome.reason is HoldRefusal.DEBT:
        return InsufficientQuota(f"The account has a debt and is frozen: {state}. Top up to cover the debt.")
    if outcome.reason in BUDGETS:
        return InsufficientQuota(
            f"The request may cost more than {BUDGETS[outcome.reason]} still allows: "
            f"${outcome.limit_left.brief_down()} left; {state}. Raise the limit, or set a smaller max_tokens."
        )
    return InsufficientQuota(
        f"The request may cost more than the balance covers: {state}. Top up, or set a smaller max_tokens."
    )


def _reached(payer: Payer, outcome: RefusedHold) -> _ReachedLimit:
    of_key = outcome.reason in _KEY_LIMITS
    owner, limits = ("key", payer.key_limits) if of_key else ("account", payer.account_limits)
    limit, unit, origin = _limit(limits, outcome.reason)
    window = None if outcome.rates is None else (outcome.rates.key if of_key else outcome.rates.account)
    return _ReachedLimit(limit, f"{limit} {unit} for the {owner} (limit of {origin})", window)


def _limit(limits: RateLimits, reason: HoldRefusal) -> tuple[int, str, str]:
    """Return a limit, its unit and its origin."""
    requests, tokens, concurrency = limits.origins
    if reason in RPM_LIMITS:
        return limits.rpm or 0, "requests a minute", requests
    if reason in TPM_LIMITS:
        return limits.tpm or 0, "tokens a minute", tokens
    return limits.concurrency or 0, "requests open at once", concurrency
