"""Cashback as a function of the line: however often and whenever it is run, a day's total is the same."""

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tokenharbor.editions.load import load_edition
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.line import LineSegment, Lot
from tokenharbor.ledger.types import Pool
from tokenharbor.rewards.cashback import PARTS, CashbackTally, DayCharge, accrue, due_of, rate_bp, to_reverse

POLICY = load_edition("token-harbor").cashback
LIFE = Usd.parse("500")
KINDS = [
    (Pool.PAID, "top-up"),
    (Pool.TRIAL, "welcome"),
    (Pool.PROMO, "code"),
    (Pool.PAID, "cashback"),
    (Pool.MATCH, "match"),
]
LOTS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 400 * 10**9)), min_size=1, max_size=6)
CHARGES = st.lists(st.tuples(st.integers(1, 300 * 10**9), st.integers(0, 1)), max_size=12)


def lay(kinds: Sequence[tuple[tuple[Pool, str], int]]) -> tuple[tuple[LineSegment, ...], dict[UUID, Lot]]:
    here, line, lots = 0, [], {}
    for number, ((pool, origin), amount) in enumerate(kinds):
        lot = Lot(UUID(int=number + 1), pool, origin, Usd(amount), datetime(2026, 3, 1, tzinfo=UTC))
        lots[lot.id] = lot
        line.append(LineSegment(here, here + amount, lot.id))
        here += amount
    return tuple(line), lots


def charges_of(drawn: Sequence[tuple[int, int]], end: int) -> list[DayCharge]:
    charges, here, day = [], 0, date(2026, 3, 1)
    for number, (amount, days) in enumerate(drawn):
        day += timedelta(days=days)
        charges.append(DayCharge(number + 1, here, min(here + amount, end), day))
        here = charges[-1].end
    return charges


def test_the_rate_rises_with_each_whole_dollar_up_to_the_most() -> None:
    for spent, rate in (("0", 1000), ("0.999999999", 1000), ("1", 1010), ("99.5", 1990), ("100", 2000), ("9999", 2000)):
        assert rate_bp(POLICY, Usd.parse(spent)) == rate, spent


@settings(max_examples=500, deadline=None)
@given(LOTS, CHARGES, st.sets(st.integers(0, 12)))
def test_TH_B8_any_partition_of_runs_gives_the_same_totals_per_day_within_every_cap(
    kinds: Sequence[tuple[tuple[Pool, str], int]], drawn: Sequence[tuple[int, int]], cuts: set[int]
) -> None:
    line, lots = lay(kinds)
    charges = charges_of(drawn, line[-1].end)
    whole = CashbackTally(0, LIFE * PARTS)
    accrue(POLICY, charges, line, lots, whole)
    parts, granted, paid = CashbackTally(0, LIFE * PARTS), dict[date, Usd](), Usd(0)
    places = [0, *sorted(cut for cut in cuts if cut < len(charges)), len(charges)]
    for start, end in itertools.pairwise(places):
        accrue(POLICY, charges[start:end], line, lots, parts)
        for day, earned in parts.days.items():
            due = due_of(earned, granted.get(day, Usd(0)))
            granted[day], paid = granted.get(day, Usd(0)) + due, paid + due
    assert (parts.days, parts.sources, parts.trial) == (whole.days, whole.sources, whole.trial)
    assert granted == {day: Usd(earned // PARTS) for day, earned in whole.days.items()}
    assert all(amount <= POLICY.day for amount in granted.values())
    assert whole.trial <= POLICY.trial_life * PARTS
    assert paid <= LIFE
    assert sum(whole.sources.values()) + whole.trial == sum(whole.days.values())
    assert all(lots[lot_id].origin == "top-up" for lot_id in whole.sources)


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 10**13), st.integers(1, 10**11), st.lists(st.integers(1, 10**10), max_size=6))
def test_what_is_reversed_is_in_all_the_part_that_went_back(earned: int, amount: int, steps: Sequence[int]) -> None:
    returned, reversed_before = Usd(0), Usd(0)
    for step in steps:
        returned = Usd(min(returned + step, amount))
        reversed_before += to_reverse(earned, Usd(amount), returned, reversed_before)
        assert reversed_before == earned // PARTS - earned * (amount - returned) // (amount * PARTS)
    if returned == amount:
        assert reversed_before == earned // PARTS
