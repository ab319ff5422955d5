"""The end of a task: settles it if it is done, releases its hold if it failed, once even if several processes
see it.
"""

from datetime import datetime

import msgspec

from tokenharbor.billing.detail import Status, read_detail, write_detail
from tokenharbor.billing.releases import Releases
from tokenharbor.billing.settlements import Settlements
from tokenharbor.kernel.errors import BooksError, Unavailable
from tokenharbor.kernel.money import ZERO
from tokenharbor.kernel.world import World
from tokenharbor.ledger.tasks import VendorTask, VendorTasks
from tokenharbor.ledger.types import Release


class TaskBilling:
    """Settles and releases tasks."""

    def __init__(self, tasks: VendorTasks, settlements: Settlements, releases: Releases, world: World) -> None:
        self.tasks = tasks
        self._settlements = settlements
        self._releases = releases
        self._world = world

    async def done(self, task: VendorTask) -> None:
        """Bill a task, before any caller sees it as done. Raises Unavailable."""
        now = self._world.clock.now()
        settlement = msgspec.structs.replace(task.settlement, detail=self._detail(task, "complete"), at=now)
        try:
            await self._settlements.submit(settlement)
            await self.tasks.close(task.id, "done", now)
        except BooksError as error:
            raise Unavailable("Database unavailable: try again shortly.") from error

    async def failed(self, task: VendorTask) -> None:
        """Release the hold of a failed task. Raises Unavailable."""
        now = self._world.clock.now()
        try:
            await self._releases.submit(self._release(task, now))
            await self.tasks.close(task.id, "failed", now)
        except BooksError as error:
            raise Unavailable("Database unavailable: try again shortly.") from error

    def _release(self, task: VendorTask, at: datetime) -> Release:
        taken, detail = task.settlement, self._detail(task, "failed")
        return Release(taken.request_id, taken.payer, taken.product, "failed", detail, taken.salt, at, ZERO)

    def _detail(self, task: VendorTask, status: Status) -> bytes:
        detail = read_detail(task.settlement.detail)
        took = self._world.clock.now() - detail.started_at
        return write_detail(msgspec.structs.replace(detail, status=status, total_ms=int(took.total_seconds() * 1000)))
