"""Postings: amounts that move from a source address to a destination, so that an entry balances by construction."""

import msgspec

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd


class Posting(msgspec.Struct, frozen=True):
    """An amount that moves; `lot_id` is the lot that it leaves or enters."""

    amount: Usd
    source: str
    destination: str
    lot_id: UUID | None = None
