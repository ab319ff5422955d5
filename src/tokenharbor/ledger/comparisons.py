"""The operator's expense for comparing cached answers with the provider's: held before, spent after, capped by day."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.faults import FaultError


@dataclass(frozen=True, slots=True)
class ComparisonQueries:
    """The SQL of comparisons.sql."""

    reserve: str
    settle: str
    unequal: str


SQL = read_queries(ComparisonQueries, "tokenharbor.ledger", "comparisons.sql")


@dataclass(frozen=True, slots=True)
class ComparisonHold:
    """An amount held of a day's expense."""

    day: date
    amount: Usd


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """The provider that was asked, and the model by its name there, as on the provider's bill."""

    provider: str
    upstream_model: str


class ComparisonExpense:
    """The expense of comparisons. No account pays it: we owe it to the provider, as `expense/comparison`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def reserve(self, at: datetime, amount: Usd, most: Usd) -> ComparisonHold | None:
        """Hold an amount, or return None if the day's total would exceed `most`. Raises DatabaseUnavailable."""
        day = at.astimezone(UTC).date()
        with as_database_unavailable():
            held = await self._pool.fetchval(SQL.reserve, day, int(amount), int(most))
        return None if held is None else ComparisonHold(day, amount)

    async def settle(self, hold: ComparisonHold, model: ComparedModel, cost: Usd) -> None:
        """Turn a hold into its cost. Raises DatabaseUnavailable; then the hold counts until its day ends."""
        asked = model.provider, model.upstream_model
        with as_database_unavailable():
            await self._pool.execute(SQL.settle, hold.day, *asked, int(hold.amount), int(cost))


async def verify_comparisons(conn: asyncpg.Connection) -> None:
    """Check that each day's expense is the sum of the amounts owed to providers. Raises FaultError."""
    day = await conn.fetchval(SQL.unequal)
    if day is not None:
        raise FaultError(f"comparisons of {day}: the expense is not the sum of the amounts owed to providers")
