"""Checks of the input to the books, which raise BooksRefused. PostgreSQL has the same rules as constraints."""

from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.ledger.credit_state import CreditEntry
from tokenharbor.ledger.types import Clawback, Credit, Pool, Release, Settlement


def check_settlement(settlement: Settlement) -> None:
    if not 0 <= settlement.fee <= settlement.cost or min(settlement.vendor_cost, settlement.bound) < 0:
        raise BooksRefused("a cost and its bound must not be negative, and the fee must not exceed the cost")


def check_release(release: Release) -> None:
    if release.loss < 0:
        raise BooksRefused("a loss must not be negative")


def check_credit(credit: Credit) -> None:
    if credit.amount <= 0:
        raise BooksRefused("a credit must be positive")
    if credit.tax < 0:
        raise BooksRefused("a tax must not be negative")
    if credit.pool is Pool.LOCKED:
        raise BooksRefused("only a match can be locked")
    if credit.expires_at is not None and credit.expires_at <= credit.at:
        raise BooksRefused("the credit would already be expired")


def check_match(credit: Credit) -> None:
    check_credit(credit)
    if credit.pool is not Pool.MATCH:
        raise BooksRefused("only a match can be locked")


def check_clawback(clawback: Clawback) -> None:
    if clawback.amount <= 0:
        raise BooksRefused("a clawback must be positive")


def check_entry(entry: CreditEntry) -> None:
    """Check an entry's form. Whether the account's credit covers it is checked when it is written."""
    if entry.type in ("usage", "loss", "expiry"):
        raise BooksRefused(f"an entry of type {entry.type} cannot be posted")
    if (entry.type == "credit") != bool(entry.lots):
        raise BooksRefused("a credit must grant lots, and no other entry may")
    if not entry.postings or any(posting.amount <= 0 for posting in entry.postings):
        raise BooksRefused("an entry needs postings, each of a positive amount")
    if any(posting.source == posting.destination for posting in entry.postings):
        raise BooksRefused("a posting must have two different addresses")
    named = [*dict.fromkeys(posting.lot_id for posting in entry.postings)]
    if [lot_id for lot_id in named if lot_id in {lot.id for lot in entry.lots}] != [lot.id for lot in entry.lots]:
        raise BooksRefused("the lots of an entry must be those that its postings name, in the same order")
