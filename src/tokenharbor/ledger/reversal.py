"""Reversals: a credit that is undone by another entry, as a value; and what became of its lot until then."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger import address
from tokenharbor.ledger.chain import own_id
from tokenharbor.ledger.posting import Posting


class Reversal(msgspec.Struct, frozen=True):
    """Undoes the credit whose entry is `reverses`: what is there of its lot goes back where it came from; what of it
    was spent or is held becomes debt. What was taken back before, or has expired and was no expense, went back already.
    What has expired and was income is taken from that income: nobody owes for credit that was never used. A credit is
    reversed once: the id of the entry that undoes it follows from its own.
    """

    reverses: UUID
    at: datetime
    reason: str = ""

    @property
    def entry_id(self) -> UUID:
        return own_id(ids.made_at(self.reverses), self.reverses, 0)


class LotHistory(msgspec.Struct, frozen=True):
    """The posting that granted a lot, and those of other entries that name it."""

    account_id: UUID
    credit: Posting
    others: Sequence[Posting]

    @property
    def lot_id(self) -> UUID:
        assert self.credit.lot_id is not None, "a credit grants a lot"  # noqa: S101  for mypy
        return self.credit.lot_id

    @property
    def breakage(self) -> Usd:
        """What of the lot has expired and is income."""
        became = [posting.amount for posting in self.others if posting.destination == address.BREAKAGE]
        undone = [posting.amount for posting in self.others if posting.source == address.BREAKAGE]
        return sum(became, ZERO) - sum(undone, ZERO)

    @property
    def left(self) -> Usd:
        """What has not gone back: income of what has expired is not back where the credit came from."""
        own = address.own(self.account_id)
        left = self.credit.amount
        for posting in self.others:
            if posting.destination.startswith(own):
                left += ZERO if posting.source.startswith(own) else posting.amount
            elif posting.destination != address.BREAKAGE:
                left -= posting.amount
        return left
