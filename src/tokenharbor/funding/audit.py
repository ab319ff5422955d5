"""What `ledger verify` asks of payments: each credit of a top-up has its capture, each capture its credit, once."""

from dataclasses import dataclass

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
    wrong_sums: str


SQL = read_queries(CaptureAuditQueries, "tokenharbor.funding", "audit.sql")


async def find_capture_fault(conn: asyncpg.Connection) -> str | None:
    """The first fault in one line; None if there is none."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        if lot := await conn.fetchrow(SQL.lots_without_capture):
            shown = f"{ids.show('lot', lot['lot_id'])} of {ids.show('acct', lot['account_id'])}"
            return f"payments: {shown} was granted by a top-up, and no capture is as it says"
        if capture := await conn.fetchrow(SQL.captures_without_credit):
            return (
                f"payments: capture {capture['capture_id']} of {capture['processor']} is not as its top-up and lot say"
            )
        if top_up_id := await conn.fetchval(SQL.paid_without_capture):
            return f"payments: {ids.show('topup', top_up_id)} is paid and has no capture"
        if capture := await conn.fetchrow(SQL.wrong_returns):
            return (
                f"payments: of {capture['capture_id']} of {capture['processor']} another sum has gone back than it says"
            )
        if capture := await conn.fetchrow(SQL.wrong_disputes):
            return f"payments: of capture {capture['capture_id']} another sum is disputed than its disputes say"
        if lot_id := await conn.fetchval(SQL.wrong_payouts):
            return f"payments: of {ids.show('lot', lot_id)} another sum is set aside than refunds and disputes say"
        if account_id := await conn.fetchval(SQL.wrong_sums):
            return f"payments: {ids.show('acct', account_id)} has topped up another sum than its captures say"
    return None
