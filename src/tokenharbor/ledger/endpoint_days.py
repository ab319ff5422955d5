"""The counts of answers by endpoint and day, which gateways add to; they name no account."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries


class AnswerCount(NamedTuple):
    """The attempts at an endpoint that it answered, and those that failed by its own fault."""

    answered: int
    failed: int


@dataclass(frozen=True, slots=True)
class EndpointDayQueries:
    """The SQL of endpoint_days.sql."""

    add: str
    since: str


SQL = read_queries(EndpointDayQueries, "tokenharbor.ledger", "endpoint_days.sql")


async def add_answer_counts(pool: asyncpg.Pool, counts: Mapping[str, tuple[int, int]], day: date) -> None:
    """Add counts of answered and failed attempts by endpoint. Raises DatabaseUnavailable."""
    answered, failed = [each[0] for each in counts.values()], [each[1] for each in counts.values()]
    with as_database_unavailable():
        await pool.execute(SQL.add, day, list(counts), answered, failed)


async def read_answer_counts(pool: asyncpg.Pool, since: date) -> Mapping[str, AnswerCount]:
    """Return the counts of each endpoint from a day on. Raises DatabaseUnavailable."""
    with as_database_unavailable():
        rows = await pool.fetch(SQL.since, since)
    return {row["endpoint"]: AnswerCount(row["answered"], row["failed"]) for row in rows}
