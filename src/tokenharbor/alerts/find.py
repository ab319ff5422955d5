"""Finds the notices due from balances, budgets, quotas and expiring credit; run by a job, never by a request."""

from dataclasses import asdict, dataclass

from tokenharbor.alerts.context import Alerting
from tokenharbor.db.each_row import EachRow
from tokenharbor.db.queries import read_queries


@dataclass(frozen=True, slots=True)
class FindQueries:
    """The SQL of find.sql."""

    low_balances: str
    budgets: str
    quotas: str
    expiring: str


SQL = read_queries(FindQueries, "tokenharbor.alerts", "find.sql")


async def find_notices(alerting: Alerting) -> None:
    """Write the notices that are due and were not written in their period; for a job. Each kind is one transaction.

    Raises the first failure of a kind after all kinds were tried.
    """
    queries, each = asdict(SQL), EachRow("alerts")
    async with alerting.acquire() as conn:
        await each.do(queries, lambda kind: conn.execute(queries[kind], alerting.world.clock.now()))
    each.end()
