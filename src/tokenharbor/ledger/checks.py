"""Checks: what no store of the books accepts. PostgreSQL has the same rules as constraints."""

from tokenharbor.kernel.errors import BooksRefused
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
    if credit.pool is Pool.LOCKED:
        raise BooksRefused("locked credit is granted only with a match")
    if credit.expires_at is not None and credit.expires_at <= credit.at:
        raise BooksRefused("the credit would already be expired")


def check_clawback(clawback: Clawback) -> None:
    if clawback.amount <= 0:
        raise BooksRefused("a clawback must be positive")
