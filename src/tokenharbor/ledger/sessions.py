"""Client sessions and stages of work, read from the books: their requests, charges, savings and usage."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.history import RequestRecord
from tokenharbor.ledger.rollup import shorten_tail
from tokenharbor.ledger.savings import Savings


@dataclass(frozen=True, slots=True)
class SessionQueries:
    """The SQL of sessions.sql."""

    sessions: str
    searched_to: str
    session: str
    requests: str
    stages: str


SQL = read_queries(SessionQueries, "tokenharbor.ledger", "sessions.sql")

_MOST_SEARCHED: Final = 10_000
_MOST_OF_EACH: Final = 1_000
_MOST_OF_ONE: Final = 5_000
_LAST: Final = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """A session in a list; its sums cover its latest 1,000 requests. `saved` is the saving by all caches."""

    session: str
    last_id: UUID
    requests: int
    first_at: datetime
    last_at: datetime
    amount: Usd
    saved: Usd


@dataclass(frozen=True, slots=True)
class SessionList:
    """Sessions, latest first. If fewer than requested were found, more may be before `searched_to`; None: no more."""

    found: Sequence[SessionSummary]
    searched_to: UUID | None


@dataclass(frozen=True, slots=True)
class SessionTotals:
    """The totals of a session's latest 5,000 requests. `turns` is None if its conversation was not read. `cached` is
    the part of the input that was read from providers' caches.
    """

    requests: int
    first_at: datetime
    last_at: datetime
    amount: Usd
    saved: Savings
    turns: int | None
    input: int
    cached: int


@dataclass(frozen=True, slots=True)
class StageTotal:
    """The usage of a stage's billed requests in a UTC day; `day` is None for all requested days together."""

    day: date | None
    stage: str
    requests: int
    amount: Usd
    input: int
    output: int
    saved: Savings


async def list_sessions(conn: asyncpg.Connection, account_id: UUID, before: UUID | None, most: int) -> SessionList:
    """Return the latest sessions whose last request is before one. The search is bounded, however rare sessions are."""
    until, searched_to = before or _LAST, None
    with as_database_unavailable():
        rows = await conn.fetch(SQL.sessions, account_id, until, _MOST_SEARCHED, most, _MOST_OF_EACH)
        if len(rows) < most:
            searched_to = await conn.fetchval(SQL.searched_to, account_id, until, _MOST_SEARCHED)
    return SessionList(
        [SessionSummary(**{**row, "amount": Usd(row["amount"]), "saved": Usd(row["saved"])}) for row in rows],
        searched_to,
    )


async def read_session(conn: asyncpg.Connection, account_id: UUID, session: str) -> SessionTotals | None:
    """Return a session's totals, or None if the account has no such session."""
    with as_database_unavailable():
        row = await conn.fetchrow(SQL.session, account_id, session, _MOST_OF_ONE)
    if not row["requests"]:
        return None
    return SessionTotals(
        requests=row["requests"],
        first_at=row["first_at"],
        last_at=row["last_at"],
        amount=Usd(row["amount"]),
        saved=_savings(row),
        turns=row["turns"],
        input=row["input"],
        cached=row["cached"],
    )


async def session_requests(
    conn: asyncpg.Connection, account_id: UUID, session: str, before: UUID | None, most: int
) -> Sequence[tuple[RequestRecord, Usd]]:
    """Return a session's latest requests before one, newest first, each with its charge."""
    with as_database_unavailable():
        rows = await conn.fetch(SQL.requests, account_id, session, before or _LAST, most)
    return [
        (RequestRecord(row["id"], row["at"], row["key_id"], row["detail"], charged=None), Usd(row["amount"]))
        for row in rows
    ]


async def read_stages(
    conn: asyncpg.Connection, account_id: UUID, since: date, until: date, *, by_day: bool = False
) -> Sequence[StageTotal]:
    """Return the usage of each stage in [since, until), by day on demand."""
    with as_database_unavailable():
        await shorten_tail(conn, account_id)
        rows = await conn.fetch(SQL.stages, account_id, since, until, by_day)
    return [
        StageTotal(
            row["day"], row["stage"], row["requests"], Usd(row["charge"]), row["input"], row["output"], _savings(row)
        )
        for row in rows
    ]


def _savings(row: asyncpg.Record) -> Savings:
    return Savings(Usd(row["saved_exact"]), Usd(row["saved_semantic"]), Usd(row["saved_vendor"]))
