"""The line's arithmetic: inserting, taking and expiring lose no credit and never move anything before the cut."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.line import (
    Line,
    LineSegment,
    Lot,
    LotAmount,
    drawn,
    insert,
    is_whole,
    lay,
    line_end,
    next_expiry,
    spending_order,
    split_expired,
    tail,
    take,
)
from tokenharbor.ledger.types import Pool

NOW = datetime(2026, 11, 25, tzinfo=UTC)
HOUR = timedelta(hours=1)

lots = st.lists(
    st.builds(
        Lot,
        id=st.builds(UUID, int=st.integers(1, 2**128 - 1)),
        pool=st.sampled_from([Pool.PAID, Pool.TRIAL, Pool.MATCH, Pool.PROMO]),
        origin=st.just("operator"),
        amount=st.integers(1, 100).map(Usd),
        granted_at=st.integers(0, 5).map(lambda hours: NOW - hours * HOUR),
        expires_at=st.none() | st.integers(-3, 3).map(lambda hours: NOW + hours * HOUR),
    ),
    max_size=6,
    unique_by=lambda lot: lot.id,
)
cuts = st.lists(st.integers(0, 400), min_size=6, max_size=6)


def _build(granted: list[Lot], at: list[int]) -> tuple[Line, dict[UUID, Lot]]:
    """A line on which each lot was granted while another part of it was spent or held."""
    line: Line = ()
    known: dict[UUID, Lot] = {}
    for lot, cut in zip(granted, at, strict=False):
        known[lot.id] = lot
        line = insert(line, known, min(cut, line_end(line)), LotAmount(lot, lot.amount))
    return line, known


def _amounts(line: Line, start: int, end: int) -> dict[UUID, int]:
    amounts: dict[UUID, int] = {}
    for lot_id, amount in drawn(line, start, end):
        amounts[lot_id] = amounts.get(lot_id, 0) + amount
    return amounts


@given(lots, cuts)
def test_grants_lie_whole_and_in_full_wherever_the_cut_was(granted: list[Lot], at: list[int]) -> None:
    line, known = _build(granted, at)
    assert is_whole(line)
    assert _amounts(line, 0, line_end(line)) == {lot.id: lot.amount for lot in known.values()}
    assert all(before.lot_id != after.lot_id for before, after in pairwise(line))


@given(lots, cuts, st.integers(0, 400))
def test_a_grant_changes_nothing_before_the_cut_and_orders_what_lies_beyond(
    granted: list[Lot], at: list[int], cut: int
) -> None:
    line, known = _build(granted[:-1], at)
    cut = min(cut, line_end(line))
    for lot in granted[-1:]:
        known[lot.id] = lot
        longer = insert(line, known, cut, LotAmount(lot, lot.amount))
        assert drawn(longer, 0, cut) == drawn(line, 0, cut)
        beyond = [known[lot_id] for lot_id, _ in drawn(longer, cut, line_end(longer))]
        assert beyond == sorted(beyond, key=spending_order)


@given(lots, cuts, st.integers(0, 400))
def test_what_expires_is_all_that_is_over_beyond_the_cut(granted: list[Lot], at: list[int], cut: int) -> None:
    line, known = _build(granted, at)
    cut = min(cut, line_end(line))
    left, gone = split_expired(line, known, cut, NOW)
    assert is_whole(left)
    assert drawn(left, 0, cut) == drawn(line, 0, cut)
    assert all(piece.lot.expires_at is not None and piece.lot.expires_at <= NOW for piece in gone)
    assert next_expiry(left, known, cut) > NOW
    assert line_end(left) + sum(piece.amount for piece in gone) == line_end(line)


@given(lots, cuts, st.integers(0, 400), st.data())
def test_taking_from_a_lot_leaves_the_others(granted: list[Lot], at: list[int], cut: int, data: st.DataObject) -> None:
    line, known = _build(granted, at)
    cut = min(cut, line_end(line))
    for piece in tail(line, known, cut)[:1]:
        amount = Usd(data.draw(st.integers(0, piece.amount)))
        shorter = take(line, known, cut, LotAmount(piece.lot, amount))
        before, after = _amounts(line, cut, line_end(line)), _amounts(shorter, cut, line_end(shorter))
        before[piece.lot.id] -= amount
        assert after == {lot_id: left for lot_id, left in before.items() if left}


def test_neighbours_of_one_lot_become_one_segment() -> None:
    a, b = (Lot(UUID(int=n), Pool.PAID, "operator", Usd(10), NOW) for n in (1, 2))
    line = (LineSegment(0, 5, a.id), LineSegment(5, 8, b.id), LineSegment(8, 13, a.id))
    assert lay(line, 5, [LotAmount(a, Usd(5))]) == (LineSegment(0, 10, a.id),)


def test_a_line_with_a_gap_an_overlap_or_a_late_start_is_not_whole() -> None:
    lot = UUID(int=1)
    assert is_whole(())
    assert not is_whole((LineSegment(1, 2, lot),))
    assert not is_whole((LineSegment(0, 2, lot), LineSegment(3, 4, lot)))
    assert not is_whole((LineSegment(0, 2, lot), LineSegment(1, 4, lot)))
