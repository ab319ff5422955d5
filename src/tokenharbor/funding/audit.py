"""What `ledger verify` asks of payments: each credit of a top-up has its capture, each capture its credit, once."""

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
    (SQL.lots_without_capture, "{lot} of {acct} was granted by a top-up, and no capture is as it says"),
    (SQL.captures_without_credit, "capture {capture_id} of {processor} is not as its top-up and lot say"),
    (SQL.paid_without_capture, "{topup} is paid and has no capture"),
    (SQL.wrong_returns, "of {capture_id} of {processor} another sum has gone back than it says"),
    (SQL.wrong_disputes, "of capture {capture_id} another sum is disputed than its disputes say"),
    (SQL.wrong_payouts, "of {lot} another sum is set aside than refunds, disputes and withdrawals say"),
    (SQL.wrong_withdrawals, "{withdrawal} is not as its parts or its refund say"),
    (SQL.wrong_taxes, "{acct} has paid another tax than its captures say"),
    (SQL.wrong_clearing, "the clearing account of {processor} in USD has another sum than its payments say"),
    (SQL.wrong_sums, "{acct} has topped up another sum than its captures say"),
)
_SHOWN: Final[Mapping[str, ids.Kind]] = {
    "lot_id": "lot",
    "account_id": "acct",
    "top_up_id": "topup",
    "withdrawal_id": "withdrawal",
}


async def find_capture_fault(conn: asyncpg.Connection) -> str | None:
    """The first fault in one line; None if there is none."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        for query, words in _FAULTS:
            if row := await conn.fetchrow(query):
                return f"payments: {words.format_map(_shown(row))}"
    return None


def _shown(row: asyncpg.Record) -> Mapping[str, str]:
    """Ids under their kind."""
    fields: dict[str, Any] = dict(row)
    named: dict[str, str] = {kind: ids.show(kind, fields[name]) for name, kind in _SHOWN.items() if name in fields}
    return {**fields, **named}
