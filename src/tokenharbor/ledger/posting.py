"""Postings: amounts that move from a source address to a destination, so that an entry balances by construction."""

from collections.abc import Sequence

import msgspec

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger import address
from tokenharbor.ledger.line import LotAmount
from tokenharbor.ledger.types import Clawback, Credit, Pool


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


def claw_postings(clawback: Clawback, pool: Pool, taken: Usd) -> tuple[Posting, ...]:
    """What was there comes from the lot's pool, the rest from debt."""
    sources = (
        (taken, address.account(clawback.account_id, pool)),
        (clawback.amount - taken, address.debt(clawback.account_id)),
    )
    return tuple(Posting(amount, source, clawback.destination, clawback.lot_id) for amount, source in sources if amount)


def expiry_postings(account_id: UUID, gone: Sequence[LotAmount]) -> tuple[Posting, ...]:
    """What was paid for and not used is income; a grant that expires was no expense."""
    return tuple(
        Posting(
            piece.amount,
            address.account(account_id, piece.lot.pool),
            address.BREAKAGE if piece.lot.pool is Pool.PAID else address.PROMOTION,
            piece.lot.id,
        )
        for piece in gone
    )
