"""Entries: what was written to the books and is never changed."""

from datetime import datetime
from typing import Literal

import msgspec

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd

EntryType = Literal["usage", "loss", "credit", "expiry", "claw", "unlock", "payout", "paid_out", "restore"]
"""What an entry does. `payout` sets credit aside to be paid out, `paid_out` says that it has left, `restore` brings
back what was set aside, or what was taken before.
"""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """Usage takes `[pos, pos + amount)` of the account's line, of which the last `fee` is the service fee; it has its
    request's id. Every other type consists of its postings.

    `detail_digest` is sha256(salt ‖ detail) of a request, and the digest of the postings elsewhere.
    """

    id: UUID
    account_id: UUID
    at: datetime
    type: EntryType
    detail_digest: bytes
    seq: int = 0  # in the account's order, from 1
    pos: int = 0
    step: int = 0
    ordinal: int = 0  # within the step
    amount: Usd = ZERO
    fee: Usd = ZERO
    vendor_cost: Usd = ZERO
    over: Usd = ZERO
    provider: str = ""
    price_version: bytes = b""
    reference: str = ""
