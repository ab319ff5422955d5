"""The line: an account's lots laid end to end, with one position on it, `spent`. Pure arithmetic.

Idea: a charge only advances `spent`. Which lots paid for it follows from the segments between the old and the new
position, so no lot is updated when a request is charged.

The invariant: nothing before `cut = spent + held` ever changes; beyond it, lots lie in spending order. A new credit, an
expiry or a clawback lays only the part beyond it anew, so past charges keep their lots, and open holds their cover.

Rejected: recomputing the lots of a charge from the spending order. It depends on the amount held at the time, which is
not recorded (decision 15).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import msgspec

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.types import Pool

_RANK = {Pool.TRIAL: 0, Pool.PROMO: 1, Pool.MATCH: 2, Pool.PAID: 3}
NEVER = datetime.max.replace(tzinfo=UTC)
"""The expiry of a lot that does not expire."""


class Lot(msgspec.Struct, frozen=True):
    """A credit as granted."""

    id: UUID
    pool: Pool
    origin: str
    amount: Usd
    granted_at: datetime
    expires_at: datetime | None = None
    refundable_until: datetime | None = None
    withdrawable_from: datetime | None = None


class LineSegment(msgspec.Struct, frozen=True):
    """A piece of the line, `[start, end)`, that belongs to one lot."""

    start: int
    end: int
    lot_id: UUID


class LotAmount(msgspec.Struct, frozen=True):
    """A lot and an amount of it."""

    lot: Lot
    amount: Usd


Line = tuple[LineSegment, ...]


def spending_order(lot: Lot) -> tuple[datetime, int, datetime, int]:
    """Return the sort key of spending: soonest expiry first; then trial, promo, match, paid; then oldest first."""
    return lot.expires_at or NEVER, _RANK[lot.pool], lot.granted_at, lot.id.int


def tail(line: Line, lots: Mapping[UUID, Lot], cut: int) -> Sequence[LotAmount]:
    """Return the amounts beyond the cut by lot, in spending order."""
    amounts: dict[UUID, int] = {}
    for segment in line:
        if segment.end > cut:
            amounts[segment.lot_id] = amounts.get(segment.lot_id, 0) + segment.end - max(segment.start, cut)
    pieces = [LotAmount(lots[lot_id], Usd(amount)) for lot_id, amount in amounts.items()]
    return sorted(pieces, key=lambda piece: spending_order(piece.lot))


def lay(line: Line, cut: int, pieces: Sequence[LotAmount]) -> Line:
    """Return the line with everything beyond the cut replaced. Adjacent pieces of one lot become one segment."""
    laid = [LineSegment(s.start, min(s.end, cut), s.lot_id) for s in line if s.start < cut]
    here = cut
    for piece in pieces:
        if not piece.amount:
            continue
        start = here
        here += piece.amount
        if laid and laid[-1].lot_id == piece.lot.id:
            start = laid.pop().start
        laid.append(LineSegment(start, here, piece.lot.id))
    return tuple(laid)


def insert(line: Line, lots: Mapping[UUID, Lot], cut: int, new: LotAmount) -> Line:
    """Return the line with an amount of a lot added beyond the cut, at its place in the spending order."""
    pieces = [*tail(line, lots, cut), new]
    return lay(line, cut, sorted(pieces, key=lambda piece: spending_order(piece.lot)))


def take(line: Line, lots: Mapping[UUID, Lot], cut: int, taken: LotAmount) -> Line:
    """Return the line with an amount of a lot removed from beyond the cut."""
    return lay(
        line,
        cut,
        [
            LotAmount(piece.lot, piece.amount - taken.amount) if piece.lot.id == taken.lot.id else piece
            for piece in tail(line, lots, cut)
        ],
    )


def split_expired(line: Line, lots: Mapping[UUID, Lot], cut: int, at: datetime) -> tuple[Line, Sequence[LotAmount]]:
    """Return the line without the credit beyond the cut that has expired at `at`, and that credit by lot."""
    pieces = tail(line, lots, cut)
    gone = [piece for piece in pieces if piece.lot.expires_at is not None and piece.lot.expires_at <= at]
    return lay(line, cut, [piece for piece in pieces if piece not in gone]), gone


def drawn(line: Line, start: int, end: int) -> Sequence[tuple[UUID, Usd]]:
    """Return the amount that a charge of `[start, end)` drew from each lot."""
    return [(s.lot_id, Usd(min(s.end, end) - max(s.start, start))) for s in line if s.start < end and s.end > start]


def next_expiry(line: Line, lots: Mapping[UUID, Lot], spent: int, locked: Iterable[UUID] = ()) -> datetime:
    """Return the earliest expiry of unspent credit, on the line or in `locked` lots; NEVER if none expires."""
    times = [lots[lot_id].expires_at for lot_id in (*(s.lot_id for s in line if s.end > spent), *locked)]
    return min([at for at in times if at is not None], default=NEVER)


def line_end(line: Line) -> int:
    return line[-1].end if line else 0


def is_whole(line: Line) -> bool:
    """Whether the line begins at 0 and has no gap, no overlap and no empty segment."""
    ends = all(before.end == after.start for before, after in pairwise(line))
    return ends and all(s.start < s.end for s in line) and (not line or line[0].start == 0)
