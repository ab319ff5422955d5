"""Holds: a request's reservation in the books, capped where the caller left the maximum open."""

from collections.abc import Sequence

from tokenharbor.billing.meter import Meter, MeterState
from tokenharbor.billing.quote import Offer, Quote, Spendable, cap
from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.errors import (
    BooksError,
    InsufficientQuota,
    RateLimited,
    Refusal,
    TooLargeForRate,
    Unavailable,
)
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.world import World
from tokenharbor.ledger.batcher import Batcher
from tokenharbor.ledger.types import Hold, HoldRefusal, PlacedHold, RefusedHold
from tokenharbor.wire.neutral.request import Request


class Holds:
    """Places holds and says in words why one does not fit."""

    def __init__(self, batcher: Batcher[Hold, PlacedHold | RefusedHold], world: World) -> None:
        self._batcher = batcher
        self._world = world

    async def place(
        self, meter: Meter, request: Request, offers: Sequence[Offer], policy: Policy, whole: Quote
    ) -> None:
        """Hold the quote, or a capped one. Raises InsufficientQuota, RateLimited, Unavailable. If this is cancelled
        meanwhile, the meter says that a hold may come to stand.
        """
        quote = whole
        while True:
            meter.state = MeterState.ASKED
            bound = quote.bound
            tokens = bound.input + bound.output
            hold = Hold(meter.request_id, meter.payer, quote.amount, self._world.clock.now(), tokens)
            try:
                outcome = await self._batcher.submit(hold)
            except BooksError as error:
                raise Unavailable("Database unavailable. Nothing was charged; try again shortly.") from error
            if isinstance(outcome, PlacedHold):
                meter.held(quote)
                return
            meter.state = MeterState.OPEN
            left = _left(outcome) if quote is whole else None
            if left is not None:
                spendable = Spendable(left, meter.started_at, outcome.tokens_left)
                smaller = cap(request, offers, whole, policy, spendable)
                if smaller is not None:
                    quote = smaller
                    continue
            raise _refusal(outcome, quote.amount)


_LIMITS = {
    HoldRefusal.QUOTA: "the key's quota",
    HoldRefusal.DAILY: "the key's daily budget",
    HoldRefusal.MONTHLY: "the key's monthly budget",
    HoldRefusal.ACCOUNT_DAILY: "the account's daily budget",
    HoldRefusal.ACCOUNT_MONTHLY: "the account's monthly budget",
}

_RATES = {
    HoldRefusal.KEY_RPM: "the key's requests a minute",
    HoldRefusal.KEY_TPM: "the key's tokens a minute",
    HoldRefusal.KEY_CONCURRENCY: "the key's requests open at once",
    HoldRefusal.ACCOUNT_RPM: "the account's requests a minute",
    HoldRefusal.ACCOUNT_TPM: "the account's tokens a minute",
    HoldRefusal.ACCOUNT_CONCURRENCY: "the account's requests open at once",
    HoldRefusal.FREE: "the account's requests to free models",
}

_BY_AMOUNT = {*_LIMITS, HoldRefusal.KEY_TPM, HoldRefusal.ACCOUNT_TPM}
"""Refusals that a smaller hold may not meet, beside that of the balance."""


def _left(outcome: RefusedHold) -> Usd | None:
    """What a smaller hold could take; None where the amount was not the reason."""
    if outcome.why is HoldRefusal.BALANCE:
        return outcome.available
    return min(outcome.available, outcome.limit_left) if outcome.why in _BY_AMOUNT else None


def _refusal(outcome: RefusedHold, needed: Usd) -> Refusal:
    if outcome.why in _RATES:
        return _rate_refusal(_RATES[outcome.why], outcome.retry_ms)
    state = f"balance ${outcome.available.brief_down()}, held ${outcome.held.brief_up()}, needed ${needed.brief_up()}"
    if outcome.why is HoldRefusal.DEBT:
        return InsufficientQuota(f"The account has a debt and is frozen: {state}. Top up to cover the debt.")
    if outcome.why in _LIMITS:
        limit = _LIMITS[outcome.why]
        return InsufficientQuota(
            f"The request may cost more than {limit} still allows: ${outcome.limit_left.brief_down()} left; {state}. "
            "Raise the limit, or set a smaller max_tokens."
        )
    return InsufficientQuota(
        f"The request may cost more than the balance covers: {state}. Top up, or set a smaller max_tokens."
    )


def _rate_refusal(limit: str, retry_ms: int) -> Refusal:
    if not retry_ms:
        return TooLargeForRate(f"The request may take more than {limit} allow at all. Set a smaller max_tokens.")
    seconds = -(-retry_ms // 1000)
    return RateLimited(f"The limit of {limit} is reached. Try again in {seconds} s.", retry_after=seconds)
