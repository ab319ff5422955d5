"""Entries: the records of the books, which never change."""

from datetime import datetime
from typing import Literal

import msgspec

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd

EntryType = Literal["usage", "loss", "credit", "expiry", "claw", "unlock", "payout", "paid_out", "restore"]
"""The types of entries. `payout` sets credit aside for a withdrawal, `paid_out` records that it was paid, `restore`
returns credit that was set aside or taken back before.
"""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One change of an account's money. A `usage` entry spends `[pos, pos + amount)` of the account's line, the last
    `fee` of it as the service fee, and has its request's id. Every other type consists of postings.

    `detail_digest` is sha256(salt ‖ detail) for a request's entry, and the digest of the postings for all others.
    """

    id: UUID
    account_id: UUID
    at: datetime
    type: EntryType
    detail_digest: bytes
    seq: int = 0  # number in the account, from 1
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
