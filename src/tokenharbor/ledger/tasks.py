"""Tasks at vendors (videos): where to poll each, and the settlement that waits for its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger.types import Product, Settlement

State = Literal["open", "done", "failed"]


@dataclass(frozen=True, slots=True)
class TaskQueries:
    """The SQL of tasks.sql."""

    free_place: str
    add: str
    find: str
    take_due: str
    asked: str
    close: str


SQL = read_queries(TaskQueries, "tokenharbor.ledger", "tasks.sql")


@dataclass(frozen=True, slots=True)
class VendorTask:
    """A task that a vendor does for a request. The settlement has the time at which the vendor accepted it."""

    settlement: Settlement
    endpoint: str
    vendor_id: str
    state: State = "open"

    @property
    def id(self) -> UUID:
        return self.settlement.request_id


class VendorTasks:
    """The table of tasks. Every call raises DatabaseUnavailable."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def add(self, task: VendorTask) -> bool:
        """Store a task; return False if its request's hold is gone. A release ends hold and task. From now on the
        request does not count as open.
        """
        settlement = task.settlement
        payer, product = settlement.payer, settlement.product
        with as_database_unavailable():
            async with self._pool.acquire() as conn, conn.transaction():
                await conn.execute(SQL.free_place, [settlement.request_id])
                added = await conn.fetchval(
                    SQL.add,
                    settlement.request_id,
                    payer.account_id,
                    payer.key_id,
                    task.endpoint,
                    task.vendor_id,
                    product.model,
                    product.provider,
                    product.edition,
                    product.region,
                    settlement.cost,
                    settlement.fee,
                    settlement.vendor_cost,
                    settlement.bound,
                    product.price_version,
                    settlement.salt,
                    settlement.detail,
                    settlement.at,
                    product.metadata_expires,
                )
        return added is not None

    async def find(self, request_id: UUID, account_id: UUID) -> VendorTask | None:
        with as_database_unavailable():
            row = await self._pool.fetchrow(SQL.find, request_id, account_id)
        return None if row is None else _task(row)

    async def take_due(self, before: datetime, at: datetime) -> Sequence[VendorTask]:
        """Claim at most 100 open tasks that were last polled before `before`, and record `at` as their last poll."""
        with as_database_unavailable():
            rows = await self._pool.fetch(SQL.take_due, before, at)
        return [_task(row) for row in rows]

    async def asked(self, request_id: UUID, at: datetime) -> None:
        with as_database_unavailable():
            await self._pool.execute(SQL.asked, request_id, at)

    async def close(self, request_id: UUID, state: State, at: datetime) -> None:
        with as_database_unavailable():
            await self._pool.execute(SQL.close, request_id, state, at)


def _task(row: asyncpg.Record) -> VendorTask:
    settlement = Settlement(
        request_id=row["request_id"],
        payer=Payer(row["account_id"], row["key_id"]),
        product=Product(
            row["model"],
            row["provider"],
            row["edition"],
            row["region"],
            row["price_version"],
            metadata_expires=row["metadata_expires"],
        ),
        status="complete",
        detail=row["detail"],
        salt=row["salt"],
        at=row["created_at"],
        cost=Usd(row["cost"]),
        fee=Usd(row["fee"]),
        vendor_cost=Usd(row["vendor_cost"]),
        bound=Usd(row["bound"]),
    )
    return VendorTask(settlement, row["endpoint"], row["vendor_id"], row["state"])
