"""Which price each endpoint had from when on; gateways write it down as they begin to sell by another."""

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
    """A price in its canonical form, and from when on an endpoint had it."""

    since: datetime
    body: str


async def add_offers(pool: asyncpg.Pool, offers: Mapping[str, bytes], at: datetime) -> None:
    """Versions of prices, which are kept, by endpoint. Raises DatabaseUnavailable."""
    with as_database_unavailable():
        await pool.execute(SQL.add, list(offers), list(offers.values()), at)


async def read_changed_offers(pool: asyncpg.Pool) -> Mapping[str, Sequence[OfferedBody]]:
    """The prices of the endpoints that had several, each list the oldest first. Raises DatabaseUnavailable."""
    with as_database_unavailable():
        rows = await pool.fetch(SQL.changed)
    found: dict[str, list[OfferedBody]] = {}
    for row in rows:
        found.setdefault(row["endpoint"], []).append(OfferedBody(row["since"], row["body"]))
    return found
