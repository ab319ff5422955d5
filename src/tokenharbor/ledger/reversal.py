"""Reversals: the value that asks to undo a credit, and the history of the credit's lot until then."""

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
    """The undoing of the credit whose entry is `reverses`. The free rest of its lot returns to the credit's source; the
    part that was spent or is held becomes debt. Credit that was taken back before, or that expired as a grant, has
    already returned. Expired paid credit became income and is taken from that income, so that nobody owes for credit
    that was never used. A credit is reversed once: the reversal's entry id derives from the credit's.
    """

    reverses: UUID
    at: datetime
    reason: str = ""

    @property
    def entry_id(self) -> UUID:
        return own_id(ids.made_at(self.reverses), self.reverses, 0)


class LotHistory(msgspec.Struct, frozen=True):
    """The posting that granted a lot, and the postings of other entries that name the lot."""

    account_id: UUID
    credit: Posting
    others: Sequence[Posting]

    @property
    def lot_id(self) -> UUID:
        assert self.credit.lot_id is not None, "a credit grants a lot"  # noqa: S101  for mypy
        return self.credit.lot_id

    @property
    def breakage(self) -> Usd:
        """The amount of the lot that expired and became income."""
        became = [posting.amount for posting in self.others if posting.destination == address.BREAKAGE]
        undone = [posting.amount for posting in self.others if posting.source == address.BREAKAGE]
        return sum(became, ZERO) - sum(undone, ZERO)

    @property
    def left(self) -> Usd:
        """The amount that has not returned to the credit's source. Expired credit that became income has not."""
        own = address.account_prefix(self.account_id)
        left = self.credit.amount
        for posting in self.others:
            if posting.destination.startswith(own):
                left += ZERO if posting.source.startswith(own) else posting.amount
            elif posting.destination != address.BREAKAGE:
                left -= posting.amount
        return left
