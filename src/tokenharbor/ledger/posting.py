"""Postings: amounts that move from a source address to a destination, so that an entry balances by construction."""

import msgspec

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger import address
from tokenharbor.ledger.types import Credit, Pool


class Posting(msgspec.Struct, frozen=True):
    """An amount on its way; `lot_id` is the lot that gives or takes it."""

    amount: Usd
    source: str
    destination: str
    lot_id: UUID | None = None


def credit_postings(credit: Credit, debt: Usd) -> tuple[Posting, ...]:
    """A credit lands in its pool; what the account owes is paid from there at once."""
    pool = address.account(credit.account_id, credit.pool)
    landed = Posting(credit.amount, credit_source(credit), pool, credit.lot_id)
    if not debt:
        return (landed,)
    paid = Usd(min(debt, credit.amount))
    return landed, Posting(paid, pool, address.debt(credit.account_id), credit.lot_id)


def credit_source(credit: Credit) -> str:
    """Where a credit comes from, unless it says so itself: a payment that somebody else took, or our own expense."""
    if credit.source is not None:
        return credit.source
    if credit.origin == "cashback":
        return address.CASHBACK
    return address.clearing("manual", "usd") if credit.origin == "top-up" else address.PROMOTION


def expiry_destination(pool: Pool) -> str:
    """What was paid for and not used is income; a grant that expires was no expense."""
    return address.BREAKAGE if pool is Pool.PAID else address.PROMOTION
