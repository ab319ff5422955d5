"""The end of a task: settled when it is done, released when it failed, once whoever sees it first."""

import msgspec

from tokenharbor.billing.books import Books
from tokenharbor.billing.detail import Status, read_detail, write_detail
from tokenharbor.kernel.errors import BooksError, Unavailable
from tokenharbor.kernel.money import ZERO
from tokenharbor.kernel.world import World
from tokenharbor.ledger.tasks import Task, Tasks
from tokenharbor.ledger.types import Record, Release


class TaskDesk:
    """Tasks and the books behind them."""

    def __init__(self, tasks: Tasks, books: Books, world: World) -> None:
        self.tasks = tasks
        self._books = books
        self._world = world

    async def done(self, task: Task) -> None:
        """Bill it, before anybody is told that it is done. Raises Unavailable."""
        now = self._world.clock.now()
        settlement = msgspec.structs.replace(task.settlement, record=self._ended(task, "complete"), at=now)
        try:
            await self._books.settle(settlement)
            await self.tasks.close(task.id, "done", now)
        except BooksError as error:
            raise Unavailable("Database unavailable: try again shortly.") from error

    async def failed(self, task: Task) -> None:
        """Give back what was held. Raises Unavailable."""
        now = self._world.clock.now()
        try:
            await self._books.release(Release(self._ended(task, "failed"), ZERO, now))
            await self.tasks.close(task.id, "failed", now)
        except BooksError as error:
            raise Unavailable("Database unavailable: try again shortly.") from error

    def _ended(self, task: Task, status: Status) -> Record:
        record = task.settlement.record
        detail = read_detail(record.detail)
        took = self._world.clock.now() - detail.started_at
        written = write_detail(
            msgspec.structs.replace(detail, status=status, total_ms=int(took.total_seconds() * 1000))
        )
        return msgspec.structs.replace(record, status=status, detail=written)
