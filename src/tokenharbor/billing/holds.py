"""Holds: a request's reservation in the books, capped where the caller left the maximum open."""

from collections.abc import Awaitable, Sequence
from typing import Protocol

from tokenharbor.billing.meter import Meter, MeterState
from tokenharbor.billing.quote import Offer, Quote, Spendable, cap
from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.errors import BooksError, InsufficientQuota, Unavailable
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.world import World
from tokenharbor.ledger.types import Hold, HoldRefusal, PlacedHold, RefusedHold
from tokenharbor.wire.neutral.request import Request


class HoldPlacer(Protocol):
    """Whatever places one hold: the books, with many requests' holds gathered into one call. A caller that is
    cancelled while it waits leaves no hold behind.
    """

    def place(self, hold: Hold) -> Awaitable[PlacedHold | RefusedHold]: ...


class Holds:
    """Places holds and says in words why one does not fit."""

    def __init__(self, books: HoldPlacer, world: World) -> None:
        self._books = books
        self._world = world

    async def place(
        self, meter: Meter, request: Request, offers: Sequence[Offer], policy: Policy, whole: Quote
    ) -> None:
        """Hold the quote, or a capped one. Raises InsufficientQuota, Unavailable."""
        outcome = await self._try(meter, whole)
        if isinstance(outcome, PlacedHold):
            return
        smaller = None
        if outcome.why in (HoldRefusal.BALANCE, HoldRefusal.QUOTA, HoldRefusal.DAILY, HoldRefusal.MONTHLY):
            left = (
                outcome.available if outcome.why is HoldRefusal.BALANCE else min(outcome.available, outcome.limit_left)
            )
            smaller = cap(request, offers, whole, policy, Spendable(Usd(left), meter.started_at))
        if smaller is None:
            raise _refusal(outcome, whole.amount)
        outcome = await self._try(meter, smaller)
        if isinstance(outcome, RefusedHold):
            raise _refusal(outcome, smaller.amount)
        meter.capped = smaller.capped

    async def _try(self, meter: Meter, quote: Quote) -> PlacedHold | RefusedHold:
        hold = Hold(meter.request_id, meter.payer, quote.amount, self._world.clock.now())
        meter.state = MeterState.ASKED
        try:
            outcome = await self._books.place(hold)
        except BooksError as error:
            raise Unavailable("Database unavailable. Nothing was charged; try again shortly.") from error
        if isinstance(outcome, PlacedHold):
            meter.held(quote)
        else:
            meter.state = MeterState.OPEN
        return outcome


_LIMITS = {
    HoldRefusal.QUOTA: "the key's quota",
    HoldRefusal.DAILY: "the key's daily budget",
    HoldRefusal.MONTHLY: "the key's monthly budget",
}


def _refusal(outcome: RefusedHold, needed: Usd) -> InsufficientQuota:
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
