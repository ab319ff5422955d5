"""The open holds of an account and their requests, read without a lock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd


@dataclass(frozen=True, slots=True)
class OpenHoldQueries:
    """The SQL of open_holds.sql."""

    open_holds: str


SQL = read_queries(OpenHoldQueries, "tokenharbor.ledger", "open_holds.sql")


@dataclass(frozen=True, slots=True)
class OpenHold:
    """A hold of a request that has not ended. `model` is known only for a task; other requests record it when they end.
    A task is not `open`. Any other hold that is not `open` is of a gateway that is gone: its next run bills the request
    or gives the hold back.
    """

    request_id: UUID
    key_id: UUID
    key_name: str
    model: str | None
    amount: Usd
    open: bool

    @property
    def since(self) -> datetime:
        """When the request began."""
        return ids.made_at(self.request_id)


@dataclass(frozen=True, slots=True)
class HeldCredit:
    """The total amount held, the number of holds, and the oldest of them."""

    held: Usd
    count: int
    oldest: Sequence[OpenHold]


async def read_open_holds(conn: asyncpg.Connection, account_id: UUID, most: int) -> HeldCredit:
    """Return an account's holds, at most `most` of them, from one snapshot."""
    rows = await conn.fetch(SQL.open_holds, account_id, most)
    oldest = [_hold(row) for row in rows if row["request_id"] is not None]
    return HeldCredit(Usd(rows[0]["held"]) if rows else ZERO, rows[0]["count"] if rows else 0, oldest)


def _hold(row: asyncpg.Record) -> OpenHold:
    name = row["key_name"] or ""
    return OpenHold(row["request_id"], row["key_id"], name, row["model"], Usd(row["amount"]), row["open"])
