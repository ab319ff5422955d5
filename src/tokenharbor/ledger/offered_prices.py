"""The history of each endpoint's price, to which a gateway adds when it begins to sell at a new one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries


@dataclass(frozen=True, slots=True)
class OfferedPriceQueries:
    """The SQL of offered_prices.sql."""

    add: str
    changed: str


SQL = read_queries(OfferedPriceQueries, "tokenharbor.ledger", "offered_prices.sql")


@dataclass(frozen=True, slots=True)
class OfferedBody:
    """A price in its canonical form, and the time since which an endpoint had it."""

    since: datetime
    body: str


async def add_offers(pool: asyncpg.Pool, offers: Mapping[str, bytes], at: datetime) -> None:
    """Record each endpoint's price version if it is new; the prices must be stored. Raises DatabaseUnavailable."""
    with as_database_unavailable():
        await pool.execute(SQL.add, list(offers), list(offers.values()), at)


async def read_changed_offers(pool: asyncpg.Pool) -> Mapping[str, Sequence[OfferedBody]]:
    """Return the prices of the endpoints that had more than one, oldest first. Raises DatabaseUnavailable."""
    with as_database_unavailable():
        rows = await pool.fetch(SQL.changed)
    found: dict[str, list[OfferedBody]] = {}
    for row in rows:
        found.setdefault(row["endpoint"], []).append(OfferedBody(row["since"], row["body"]))
    return found
