"""Checks: what no store of the books accepts. PostgreSQL has the same rules as constraints."""

from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.ledger.types import Clawback, Credit, Pool, Release, Settlement


def check_settlement(settlement: Settlement) -> None:
    if not 0 <= settlement.fee <= settlement.cost or min(settlement.vendor_cost, settlement.bound) < 0:
        raise BooksRefused("a cost and its bound are not negative and its fee a part of it")


def check_release(release: Release) -> None:
    if release.loss < 0:
        raise BooksRefused("a loss is not negative")


def check_credit(credit: Credit) -> None:
    if credit.amount <= 0:
        raise BooksRefused("a credit is more than nothing")
    if credit.pool is Pool.LOCKED:
        raise BooksRefused("locked credit comes with a match only")
    if credit.expires_at is not None and credit.expires_at <= credit.at:
        raise BooksRefused("a credit that has expired already")


def check_clawback(clawback: Clawback) -> None:
    if clawback.amount <= 0:
        raise BooksRefused("a clawback is more than nothing")
