"""Alerts that follow from rows: balances, budgets, quotas, credit that expires. A job finds them, never a request."""

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
    """Write what is to be told now and was not told in its period; for a job. Each kind is a transaction. Raises the
    first failure of a kind, at the end.
    """
    queries, each = asdict(SQL), EachRow("alerts")
    async with alerting.acquire() as conn:
        await each.do(queries, lambda kind: conn.execute(queries[kind], alerting.world.clock.now()))
    each.end()
