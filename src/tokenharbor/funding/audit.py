"""Checks of payments for `ledger verify`: each credit of a top-up has its capture, each capture its credit, once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.kernel import ids


@dataclass(frozen=True, slots=True)
class CaptureAuditQueries:
    """The SQL of audit.sql."""

    lots_without_capture: str
    captures_without_credit: str
    paid_without_capture: str
    wrong_returns: str
    wrong_disputes: str
    wrong_payouts: str
    wrong_withdrawals: str
    wrong_taxes: str
    wrong_clearing: str
    wrong_sums: str


SQL = read_queries(CaptureAuditQueries, "tokenharbor.funding", "audit.sql")


_FAULTS: Final = (
    (SQL.lots_without_capture, "{lot} of {acct} was granted by a top-up, but no capture matches it"),
    (SQL.captures_without_credit, "capture {capture_id} of {processor} does not match its top-up and lot"),
    (SQL.paid_without_capture, "{topup} is paid but has no capture"),
    (SQL.wrong_returns, "the refunded sum of capture {capture_id} of {processor} does not match its refunds"),
    (SQL.wrong_disputes, "the disputed sum of capture {capture_id} of {processor} does not match its disputes"),
    (SQL.wrong_payouts, "the sum set aside of {lot} does not match its refunds, disputes and withdrawals"),
    (SQL.wrong_withdrawals, "{withdrawal} does not match its parts or its refund"),
    (SQL.wrong_taxes, "the tax of {acct} does not match its captures"),
    (SQL.wrong_clearing, "the clearing account of {processor} in USD does not match its payments"),
    (SQL.wrong_sums, "the sum of top-ups of {acct} does not match its captures"),
)
_SHOWN: Final[Mapping[str, ids.Kind]] = {
    "lot_id": "lot",
    "account_id": "acct",
    "top_up_id": "topup",
    "withdrawal_id": "withdrawal",
}


async def find_capture_fault(conn: asyncpg.Connection) -> str | None:
    """Return the first fault in one line, None if there is none."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        for query, words in _FAULTS:
            if row := await conn.fetchrow(query):
                return f"payments: {words.format_map(_shown(row))}"
    return None


def _shown(row: asyncpg.Record) -> Mapping[str, str]:
    """Add the shown form of each id, by its kind."""
    fields: dict[str, Any] = dict(row)
    named: dict[str, str] = {kind: ids.show(kind, fields[name]) for name, kind in _SHOWN.items() if name in fields}
    return {**fields, **named}
