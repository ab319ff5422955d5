"""Cashback of charges, as a pure function of the line.

Invariant: the total of each day is the same however often, when and by whom it is computed. A charge is an interval of
the line, and the line below `spent` never changes. So the cashback of a charge can be computed at any later time from
its interval, its day and the lots under it, by a credit, a balance or a job. They need only a mark of how far it is
done. One input is not on the line: the share of a top-up that disputes have taken by the time when its charge is
processed. That share earns nothing, even if the dispute is won later.

Amounts are exact: a nano-dollar at a rate in basis points is a whole number of ten-thousandths of a nano-dollar
(`Parts`). Caps are compared in these, and the sum of a day is rounded down once, when it is granted.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from tokenharbor.editions.policy import CashbackPolicy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import NANO_PER_USD, ZERO, Usd, round_down
from tokenharbor.ledger.line import Line, Lot
from tokenharbor.ledger.types import Pool

PARTS: Final = 10_000
"""Parts in a nano-dollar."""
Parts = int

TOP_UP: Final = "top-up"
"""The origin of lots that were bought by a top-up."""


@dataclass(frozen=True, slots=True)
class DayCharge:
    """A charge that took `[start, end)` of the line on a UTC day."""

    seq: int
    start: int
    end: int
    day: date


@dataclass(slots=True)
class CashbackTally:
    """Cashback earned so far, and what the caps leave. `days` is what each day has earned, `trial` what trial credit
    has, `life_left` the rest of the lifetime cap on all rewards. `sources` is what each top-up's lot has earned since
    the tally was begun. `disputed` is what disputes have taken of each top-up, from which requests that were open then
    may still draw.
    """

    trial: Parts
    life_left: Parts
    days: dict[date, Parts] = field(default_factory=dict)
    disputed: Mapping[UUID, Usd] = field(default_factory=dict)
    sources: dict[UUID, Parts] = field(default_factory=dict)


def rate_bp(policy: CashbackPolicy, spent: int) -> int:
    """Return the rate of a charge in basis points, by what was `spent` of top-ups before it in the account's life."""
    return min(policy.base_bp + policy.step_bp * (spent // NANO_PER_USD), policy.max_bp)


def accrue(
    policy: CashbackPolicy, charges: Sequence[DayCharge], line: Line, lots: Mapping[UUID, Lot], tally: CashbackTally
) -> None:
    """Add to the tally what the charges earn, in order."""
    spending = _Spending(line, lots)
    for charge in charges:
        rate = rate_bp(policy, spending.paid_before(charge.start))
        for lot, amount in spending.drawn(charge):
            left = lot.amount - tally.disputed.get(lot.id, ZERO)
            _earn(policy, tally, charge.day, lot, amount * rate * left // lot.amount)


def due_of(earned: Parts, granted: Usd) -> Usd:
    """Return what a day has earned beyond what was granted for it."""
    return round_down(earned, PARTS) - granted


def to_reverse(earned: Parts, amount: Usd, returned: Usd, reversed_before: Usd) -> Usd:
    """Return the cashback of a top-up that must be taken back now that `returned` of its `amount` has gone back in all.

    The cashback that the account keeps is rounded down.
    """
    kept = earned * (amount - returned) // (amount * PARTS)
    return Usd(max(earned // PARTS - kept - reversed_before, 0))


def _earn(policy: CashbackPolicy, tally: CashbackTally, day: date, lot: Lot, parts: Parts) -> None:
    """Add earnings to the tally, up to every cap."""
    before = tally.days.get(day, 0)
    parts = min(parts, policy.day * PARTS - before, tally.life_left)
    if lot.pool is Pool.TRIAL:
        parts = min(parts, policy.trial_life * PARTS - tally.trial)
    if parts <= 0:
        return
    tally.days[day] = before + parts
    tally.life_left -= parts
    if lot.pool is Pool.TRIAL:
        tally.trial += parts
    else:
        tally.sources[lot.id] = tally.sources.get(lot.id, 0) + parts


class _Spending:
    """A line with sums of the top-ups spent, to query by interval."""

    def __init__(self, line: Line, lots: Mapping[UUID, Lot]) -> None:
        self._line = line
        self._lots = lots
        self._ends = [segment.end for segment in line]
        self._paid = [0]  # the credit of top-ups before each segment
        for segment in line:
            paid = segment.end - segment.start if is_top_up(lots[segment.lot_id]) else 0
            self._paid.append(self._paid[-1] + paid)

    def paid_before(self, position: int) -> int:
        """Return how much of the line before a position came from top-ups."""
        place = bisect_right(self._ends, position)
        if place == len(self._line):
            return self._paid[place]
        segment = self._line[place]
        part = position - segment.start if is_top_up(self._lots[segment.lot_id]) else 0
        return self._paid[place] + part

    def drawn(self, charge: DayCharge) -> Iterator[tuple[Lot, int]]:
        """Yield the amounts that a charge drew from lots that earn cashback."""
        for place in range(bisect_right(self._ends, charge.start), len(self._line)):
            segment = self._line[place]
            if segment.start >= charge.end:
                return
            lot = self._lots[segment.lot_id]
            if is_top_up(lot) or lot.pool is Pool.TRIAL:
                yield lot, min(segment.end, charge.end) - max(segment.start, charge.start)


def is_top_up(lot: Lot) -> bool:
    return lot.origin == TOP_UP and lot.pool is Pool.PAID
