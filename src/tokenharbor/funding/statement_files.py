"""Statements as CSV and as printed documents."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from tokenharbor.funding.printed import Issuer, PrintedDocument, PrintedTable
from tokenharbor.funding.statements import Statement
from tokenharbor.kernel import ids
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger.export import csv_line, csv_text
from tokenharbor.ledger.types import Pool

HEADER: Final = ("Section", "Date (UTC)", "Item", "Source pool", "Requests", "Amount USD", "Service fee USD")

_NAMES: Final = {
    "recharge": "Top-ups",
    "usage": "Usage",
    "expiry": "Expired",
    "payout": "Refunds and withdrawals",
    "restore": "Returned",
    "claw": "Taken back",
    "unlock": "Match unlocked",
}
"""The names of kinds of entries in print; grants are named by their origin."""


def statement_lines(statement: Statement) -> Iterator[str]:
    """The lines of the CSV: opening balance, movements, charges by day and model, payments, closing balance."""
    yield csv_line(HEADER)
    since, until = (_show(each) for each in (statement.span.since, statement.span.until))
    for pool, amount in statement.opening.items():
        yield csv_line(("opening balance", since, "", pool, "", amount, ""))
    for each in statement.movements:
        yield csv_line(("movement", "", each.kind, each.pool, "", each.amount, ""))
    for pool, amount in statement.closing.items():
        yield csv_line(("closing balance", until, "", pool, "", amount, ""))
    for charge in statement.charges:
        cells = ("usage", charge.day, csv_text(charge.model), "", charge.requests, charge.cost, charge.fee)
        yield csv_line(cells)
    for paid in statement.payments:
        item = csv_text(f"{paid.order_id} {paid.processor} {paid.capture_id} {paid.paid}")
        yield csv_line(("payment", _show(paid.at), item, Pool.PAID, "", paid.credited, ""))


def printed_statement(statement: Statement, issuer: Issuer, made_at: datetime) -> PrintedDocument:
    account = statement.account
    facts = [
        ("Account", " ".join([account.name, ids.show("acct", account.id)]).strip()),
        ("E-mail", ", ".join(account.emails)),
        ("From", f"{_show(statement.span.since)}, inclusive"),
        ("To", f"{_show(statement.span.until)}, exclusive"),
        ("Made at", _show(made_at)),
    ]
    payments = [
        (_show(each.at), each.order_id, f"{each.processor} {each.capture_id}", each.paid, each.credited)
        for each in statement.payments
    ]
    charges = [(each.day, each.model, each.requests, each.cost, each.fee) for each in statement.charges]
    tables = (
        PrintedTable("Balance (USD)", ("", *statement.opening, "total"), list(_balance(statement)), 5),
        PrintedTable("Top-ups", ("Time (UTC)", "Order", "Payment", "Paid", "Credit USD"), payments, 2),
        PrintedTable(
            f"Usage: {_total(statement)} USD, of which service fee {statement.fees} USD",
            ("Day (UTC)", "Model", "Requests", "Cost USD", "Service fee USD"),
            charges,
            3,
        ),
    )
    notes = ("Balances include held amounts.", "This statement is not a tax invoice.")
    return PrintedDocument("Statement of account", issuer, facts, tables, notes)


def _balance(statement: Statement) -> Iterator[tuple[object, ...]]:
    """Opening balance, a row for each kind of movement, closing balance."""
    yield ("Opening balance", *_by_pool(statement, statement.opening))
    for kind, movements in groupby(statement.movements, key=lambda each: each.kind):
        amounts = {each.pool: each.amount for each in movements}
        yield (_NAMES.get(kind, f"Granted: {kind}"), *_by_pool(statement, amounts))
    yield ("Closing balance", *_by_pool(statement, statement.closing))


def _by_pool(statement: Statement, amounts: Mapping[Pool, Usd]) -> tuple[Usd, ...]:
    return (*(amounts.get(pool, ZERO) for pool in statement.opening), sum(amounts.values(), ZERO))


def _total(statement: Statement) -> Usd:
    return sum((each.cost for each in statement.charges), ZERO)


def _show(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
