"""The rules of credit: how an entry changes an account's credit, and what it must not do. As `post_entry` in SQL."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger import address
from tokenharbor.ledger.credit_state import CreditEntry, CreditState
from tokenharbor.ledger.line import Line, Lot, LotAmount, lay, spending_order
from tokenharbor.ledger.posting import Posting
from tokenharbor.ledger.types import Pool, Restriction

_DEBT = "debt"
_RESTRICTIONS = frozenset(Restriction)


class AccountFlow(msgspec.Struct, frozen=True):
    """The amount that a posting brings to a place of an account; negative if it takes it from there."""

    lot_id: UUID | None
    place: str
    amount: int


def flows(account_id: UUID, postings: Sequence[Posting]) -> Iterator[AccountFlow]:
    """Yield the flows of postings at an account's addresses. Raises BooksRefused if one touches another account."""
    own = address.account_prefix(account_id)
    for posting in postings:
        for where, amount in ((posting.destination, posting.amount), (posting.source, -posting.amount)):
            if where.startswith(own):
                yield AccountFlow(posting.lot_id, where.removeprefix(own), amount)
            elif where.startswith("account/"):
                raise BooksRefused(f"a posting uses {where}, which belongs to another account")


def after(state: CreditState, entry: CreditEntry) -> CreditState:
    """Return the account's credit after an entry. Raises BooksRefused if the rules forbid it."""
    lots = {**state.lots, **{lot.id: lot for lot in entry.lots}}
    _check_named(entry.postings, lots)
    moved: Counter[tuple[UUID | None, str]] = Counter()
    for flow in flows(entry.account_id, entry.postings):
        _check_place(flow, lots)
        moved[flow.lot_id, flow.place] += flow.amount
    _check_grants(entry)
    debt = state.debt - sum(amount for (_, place), amount in moved.items() if place == _DEBT)
    if debt < 0:
        raise BooksRefused("the entry would pay more than the debt")
    then = msgspec.structs.replace(
        state, lots=lots, debt=debt, restricted=_restricted(state, moved), line=_line(state, lots, moved)
    )
    for lot_id in lots.keys() & {posting.lot_id for posting in entry.postings}:
        if then.gone(lot_id) < 0:
            raise BooksRefused(f"more than the lot {lot_id} was granted")
    return then


def _check_named(postings: Sequence[Posting], lots: Mapping[UUID, Lot]) -> None:
    for posting in postings:
        if posting.lot_id is not None and posting.lot_id not in lots:
            raise BooksRefused(f"no such lot or address for a posting: {posting.lot_id} {posting.destination}")


def _check_place(flow: AccountFlow, lots: Mapping[UUID, Lot]) -> None:
    if flow.place == _DEBT:
        return
    lot = None if flow.lot_id is None else lots.get(flow.lot_id)
    if lot is None or not (flow.place in _RESTRICTIONS or lot.pool == flow.place):
        raise BooksRefused(f"no such lot or address for a posting: {flow.lot_id} {flow.place}")


def _check_grants(entry: CreditEntry) -> None:
    """Check that new lots come from outside in full, and that only a `restore` returns credit to an existing lot."""
    own = address.account_prefix(entry.account_id)
    granted: Counter[UUID | None] = Counter()
    for posting in entry.postings:
        if posting.destination.startswith(own) and not posting.source.startswith(own):
            granted[posting.lot_id] += posting.amount
    new: dict[UUID | None, Usd] = {lot.id: lot.amount for lot in entry.lots}
    for lot_id, amount in granted.items():
        if amount != new[lot_id] if lot_id in new else entry.type != "restore":
            raise BooksRefused(f"not what the lot {lot_id} was granted")


def _restricted(
    state: CreditState, moved: Mapping[tuple[UUID | None, str], int]
) -> Mapping[tuple[UUID, Restriction], Usd]:
    restricted = dict(state.restricted)
    for (lot_id, place), amount in moved.items():
        if place in _RESTRICTIONS and lot_id is not None:
            where = lot_id, Restriction(place)
            left = restricted.pop(where, Usd(0)) + amount
            if left < 0:
                raise BooksRefused(f"less than {Usd(-amount)} of the lot {lot_id} is {place}")
            if left:
                restricted[where] = left
    return restricted


def _line(state: CreditState, lots: Mapping[UUID, Lot], moved: Mapping[tuple[UUID | None, str], int]) -> Line:
    amounts: Counter[UUID] = Counter({piece.lot.id: int(piece.amount) for piece in state.tail})
    for (lot_id, place), amount in moved.items():
        if place in _POOLS and lot_id is not None:
            amounts[lot_id] += amount
    if any(amount < 0 for amount in amounts.values()):
        raise BooksRefused("less than that of a lot is neither spent nor held")
    pieces = [LotAmount(lots[lot_id], Usd(amount)) for lot_id, amount in amounts.items()]
    return lay(state.line, state.cut, sorted(pieces, key=lambda piece: spending_order(piece.lot)))


_POOLS = frozenset(Pool) - {Pool.LOCKED}
