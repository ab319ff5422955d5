"""The credit of one account at a moment, and the entry that is to change it; as values."""

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property

import msgspec

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger.entry import EntryType
from tokenharbor.ledger.line import Line, Lot, LotAmount, drawn, line_end, tail
from tokenharbor.ledger.posting import Posting
from tokenharbor.ledger.types import Restriction


class CreditEntry(msgspec.Struct, frozen=True):
    """An entry that moves credit. Its postings decide what it does; `lots` are the lots that it grants. It is written
    once by its id and, if it has one, by its `reference`. `note` is free text that no digest covers.
    """

    id: UUID
    account_id: UUID
    type: EntryType
    at: datetime
    postings: tuple[Posting, ...]
    lots: tuple[Lot, ...] = ()
    reference: str | None = None
    note: str = ""

    @property
    def amount(self) -> Usd:
        """The amount moved; an amount that passes through an address on its way is counted once."""
        reached = {posting.destination for posting in self.postings}
        return sum([posting.amount for posting in self.postings if posting.source not in reached], ZERO)


class CreditState(msgspec.Struct, frozen=True, dict=True):
    """An account's credit while its wallet is locked, after due expiries. `lots` has every lot it was ever granted, and
    `restricted` the amount of each lot that is locked or being paid out.
    """

    account_id: UUID
    spent: int
    held: int
    debt: Usd
    line: Line
    lots: Mapping[UUID, Lot]
    restricted: Mapping[tuple[UUID, Restriction], Usd]

    @property
    def cut(self) -> int:
        """The position where the free part of the line begins, which is neither spent nor held."""
        return self.spent + self.held

    @property
    def available(self) -> Usd:
        return Usd(line_end(self.line) - self.cut)

    @cached_property
    def tail(self) -> tuple[LotAmount, ...]:
        """The free credit on the line, by lot, in spending order."""
        return tuple(tail(self.line, self.lots, self.cut))

    def unspent(self, lot_id: UUID) -> Usd:
        """Return the amount of a lot that is on the line and neither spent nor held."""
        return next((piece.amount for piece in self.tail if piece.lot.id == lot_id), ZERO)

    def drawn(self, lot_id: UUID) -> Usd:
        """Return the amount of a lot that is spent."""
        return self._below_spent.get(lot_id, ZERO)

    def laid(self, lot_id: UUID) -> Usd:
        """Return the amount of a lot on the line: spent, held or free."""
        return self._laid.get(lot_id, ZERO)

    def remaining(self, lot_id: UUID) -> Usd:
        """Return the amount of a lot that is held or free."""
        return self.laid(lot_id) - self.drawn(lot_id)

    def locked(self, lot_id: UUID) -> Usd:
        return self.restricted.get((lot_id, Restriction.LOCKED), ZERO)

    def in_payout(self, lot_id: UUID) -> Usd:
        """Return the amount of a lot that is being paid out."""
        return self.restricted.get((lot_id, Restriction.PAYOUT), ZERO)

    def gone(self, lot_id: UUID) -> Usd:
        """Return the amount of a lot that left the account without being spent: expired, taken back, paid out, or taken
        for debt.
        """
        return self.lots[lot_id].amount - self.laid(lot_id) - self.locked(lot_id) - self.in_payout(lot_id)

    @cached_property
    def _below_spent(self) -> Mapping[UUID, Usd]:
        return _by_lot(self.line, self.spent)

    @cached_property
    def _laid(self) -> Mapping[UUID, Usd]:
        return _by_lot(self.line, line_end(self.line))


def _by_lot(line: Line, upto: int) -> Mapping[UUID, Usd]:
    amounts: dict[UUID, Usd] = {}
    for lot_id, amount in drawn(line, 0, upto):
        amounts[lot_id] = amounts.get(lot_id, ZERO) + amount
    return amounts
