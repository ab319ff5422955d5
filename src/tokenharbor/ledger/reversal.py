"""Reversals: an entry that is undone by another, as a value."""

from datetime import datetime

import msgspec

from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger.chain import own_id
from tokenharbor.ledger.posting import Posting
from tokenharbor.ledger.types import Clawback


class Reversal(msgspec.Struct, frozen=True):
    """Undoes the credit whose entry is `reverses`: what is there of its lot goes back where it came from; what of it
    was spent or is held becomes debt. What was taken back before or has expired went back already. A credit is reversed
    once: the id of the entry that undoes it follows from its own.
    """

    reverses: UUID
    at: datetime
    reason: str = ""

    @property
    def entry_id(self) -> UUID:
        return own_id(ids.made_at(self.reverses), self.reverses, 0)

    def undo(self, account_id: UUID, credit: Posting, returned: Usd) -> Clawback | None:
        """What is to be written, given the credit's first posting and how much of its lot went back already; None if
        that was all.
        """
        assert credit.lot_id is not None, "a credit grants a lot"  # noqa: S101  for mypy
        left = credit.amount - returned
        if left <= ZERO:
            return None
        return Clawback(self.entry_id, account_id, credit.lot_id, left, self.at, credit.source, reason=self.reason)
