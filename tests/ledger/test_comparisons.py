"""The operator's expense for comparisons: never above the day's limit, exact, and verified."""

import asyncio
from datetime import UTC, datetime

import asyncpg

from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.comparisons import ComparedModel, ComparisonExpense
from tokenharbor.ledger.verify import verify

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
MOST = Usd(100)
ALPHA = ComparedModel("alpha", "large")


async def test_concurrent_comparisons_never_hold_more_than_the_days_most(database_url: str) -> None:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=8) as pool:
        expense = ComparisonExpense(pool)
        holds = await asyncio.gather(*(expense.reserve(NOON, Usd(30), MOST) for _ in range(10)))
        held = [hold for hold in holds if hold is not None]
        assert len(held) == 3
        for hold, cost in zip(held, (30, 10, 0), strict=True):
            await expense.settle(hold, ALPHA, Usd(cost))
        assert await pool.fetchrow("SELECT held, cost FROM comparison_day") == (0, 40)
        rows = await pool.fetch("SELECT provider, upstream_model, requests, cost FROM comparison_cost")
        assert [tuple(row) for row in rows] == [("alpha", "large", 2, 40)]
        assert await expense.reserve(NOON, Usd(61), MOST) is None
        assert await expense.reserve(NOON, Usd(60), MOST) is not None
        assert await expense.reserve(NOON.replace(day=6), Usd(100), MOST) is not None, "another day has its own"


async def test_a_changed_sum_is_found(database_url: str) -> None:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=2) as pool:
        expense = ComparisonExpense(pool)
        hold = await expense.reserve(NOON, Usd(30), MOST)
        assert hold is not None
        await expense.settle(hold, ALPHA, Usd(7))
        async with pool.acquire() as conn:
            assert (await verify(conn)).fault is None
            await conn.execute("UPDATE comparison_cost SET cost = 8")
            fault = (await verify(conn)).fault
    assert fault is not None
    assert "2026-05-05" in fault
