"""Reversals: an entry that is undone by another, as a value."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.chain import own_id
from tokenharbor.ledger.posting import Posting
from tokenharbor.ledger.types import Clawback


class Reversal(msgspec.Struct, frozen=True):
    """Undoes the credit whose entry is `reverses`: what is there of its lot goes back where it came from, the rest
    becomes debt. A credit is reversed once: the id of the entry that undoes it follows from its own.
    """

    reverses: UUID
    at: datetime
    reason: str = ""

    @property
    def entry_id(self) -> UUID:
        return own_id(ids.made_at(self.reverses), self.reverses, 0)

    def undo(self, account_id: UUID, postings: Sequence[Posting]) -> Clawback:
        """What is to be written, given what the credit's entry consists of."""
        landed = postings[0]
        assert landed.lot_id is not None, "a credit grants a lot"  # noqa: S101  for mypy
        return Clawback(
            self.entry_id, account_id, landed.lot_id, landed.amount, self.at, landed.source, reason=self.reason
        )
