"""Holds: reserves a request's quote in the books, or a smaller one if the caller set no maximum."""

from collections.abc import Sequence
from typing import Final

from tokenharbor.billing.due_credit import DueCredit, RunDue
from tokenharbor.billing.hold_refusals import BUDGETS, TPM_LIMITS, lower_tpm, refusal_of
from tokenharbor.billing.meter import Meter, MeterState
from tokenharbor.billing.quote import Offer, Quote, Spendable, cap
from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.errors import BooksError, Overloaded, QueueFull, Unavailable
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.world import World
from tokenharbor.ledger.batcher import Batcher
from tokenharbor.ledger.types import Hold, HoldRefusal, PlacedHold, RefusedHold
from tokenharbor.wire.neutral.request import Request

_UNAVAILABLE: Final = "Database unavailable. Nothing was charged; try again shortly."


class Holds:
    """Places holds. If the quote is not covered, it caps the output and places a smaller hold."""

    def __init__(self, batcher: Batcher[Hold, PlacedHold | RefusedHold], world: World, run_due: RunDue) -> None:
        self._batcher = batcher
        self._world = world
        self._due = DueCredit(run_due)

    async def place(
        self, meter: Meter, request: Request, offers: Sequence[Offer], policy: Policy, quoted: Quote
    ) -> None:
        """Hold the quote, or a capped one. Raises InsufficientQuota, RateLimited, Unavailable, Overloaded. If this is
        cancelled, the meter's state PLACING says that the hold may still be placed.
        """
        quote, lane = quoted, meter.lane
        while True:
            meter.state = MeterState.PLACING
            bound = quote.bound
            hold = Hold(
                meter.request_id,
                meter.payer,
                quote.amount,
                self._world.clock.now(),
                bound.input + bound.output,
                lane.free_limit,
            )
            try:
                outcome = await self._batcher.submit(hold)
            except QueueFull as error:
                meter.state = MeterState.OPEN
                raise Overloaded from error
            except BooksError as error:
                raise Unavailable(_UNAVAILABLE) from error
            if lane.rates is not None:
                lane.rates.note(outcome, meter.started)
            if isinstance(outcome, PlacedHold):
                meter.note_hold(quote)
                return
            meter.state = MeterState.OPEN
            affordable = _affordable(outcome) if quote is quoted and meter.hit is None else None
            if affordable is None:
                if await self._grant_due(meter, outcome):
                    quote = quoted
                    continue
                raise refusal_of(hold, outcome, policy)
            spendable = Spendable(affordable, meter.started_at, outcome.tokens_left)
            smaller = cap(request, offers, quoted, policy, spendable)
            if smaller is None:
                if await self._grant_due(meter, outcome):
                    continue
                empty_window = Spendable(affordable, meter.started_at, lower_tpm(meter.payer))
                fits_later = (
                    outcome.reason in TPM_LIMITS and cap(request, offers, quoted, policy, empty_window) is not None
                )
                raise refusal_of(hold, outcome, policy, fits_later=fits_later)
            quote = smaller

    async def _grant_due(self, meter: Meter, refused: RefusedHold) -> bool:
        """Grant due credit before a refusal. Return whether any was granted. Raises Unavailable."""
        try:
            return await self._due.grant(meter.payer.account_id, refused)
        except BooksError as error:
            raise Unavailable(_UNAVAILABLE) from error


def _affordable(outcome: RefusedHold) -> Usd | None:
    """Return the amount that a smaller hold could take, or None if the amount was not the reason of the refusal."""
    if outcome.reason is HoldRefusal.BALANCE:
        return outcome.available
    by_amount = outcome.reason in BUDGETS or outcome.reason in TPM_LIMITS
    return min(outcome.available, outcome.limit_left) if by_amount else None
