"""The calls of free models that an account has left in its window."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.editions.policy import Policy
from tokenharbor.identity.limits import free_requests_of
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import to_second
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd


@dataclass(frozen=True, slots=True)
class FreeAllowanceQueries:
    """The SQL of free_allowance.sql."""

    used: str


SQL = read_queries(FreeAllowanceQueries, "tokenharbor.accounts", "free_allowance.sql")


class FreeAllowanceDocument(Document, frozen=True):
    """The calls of free models: `left` of `limit` until `resets_at`, which is null while no window is open. `enabled`:
    whether the account has agreed to free models.
    """

    enabled: bool
    limit: int
    left: int
    window_hours: int
    resets_at: datetime | None


async def read_free_allowance(
    conn: asyncpg.Connection, policy: Policy, account_id: UUID, now: datetime
) -> FreeAllowanceDocument:
    """Return the allowance as the next call would find it. Raises Missing."""
    row = await conn.fetchrow(SQL.used, account_id)
    if row is None:
        raise Missing(f"no account {ids.show('acct', account_id)}")
    limit, window = free_requests_of(policy, Usd(row["topped_up"])), timedelta(hours=policy.free.window_hours)
    is_open = row["requests"] > 0 and now < row["began"] + window
    return FreeAllowanceDocument(
        enabled=row["enabled"],
        limit=limit,
        left=max(limit - row["requests"], 0) if is_open else limit,
        window_hours=policy.free.window_hours,
        resets_at=to_second(row["began"] + window) if is_open else None,
    )
