"""A task is open only while the hold of its request stands."""

import asyncio
from typing import Any

from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.tasks import VendorTask, VendorTasks
from tokenharbor.ledger.types import Hold


async def take(scene: Any) -> tuple[VendorTasks, Hold, VendorTask]:
    """A request with a hold, and the task that its vendor accepted."""
    await scene.credit(100)
    hold = scene.hold(40)
    await scene.place(hold)
    return VendorTasks(scene.book._pool), hold, VendorTask(scene.settlement(hold, 40), "camera", "vendors-own-id")


async def state_of(scene: Any, task: VendorTask) -> str | None:
    state: str | None = await scene.conn.fetchval("select state from task where request_id = $1", task.id)
    return state


async def test_a_release_ends_the_task_with_the_hold(scene: Any) -> None:
    tasks, hold, task = await take(scene)
    assert await tasks.add(task)
    assert await scene.release(hold) == [None]
    assert (await scene.held(), await state_of(scene, task)) == (0, "failed")
    assert await scene.fault() is None


async def test_no_task_is_taken_without_its_hold(scene: Any) -> None:
    tasks, hold, task = await take(scene)
    await scene.release(hold)
    assert not await tasks.add(task)
    assert await state_of(scene, task) is None


async def test_a_task_that_is_being_written_keeps_its_release_waiting(scene: Any) -> None:
    """Whichever comes first, hold and task stand or fall together."""
    tasks, hold, task = await take(scene)
    async with scene.conn.transaction():
        await scene.conn.execute("lock table task in share mode")  # what adds a row waits, its hold locked
        adding = asyncio.ensure_future(tasks.add(task))
        while not await scene.conn.fetchval("select count(*) from pg_locks where not granted"):
            pass
        releasing = asyncio.ensure_future(scene.release(hold))
    assert await adding
    assert await releasing == [None]
    assert (await scene.held(), await state_of(scene, task)) == (0, "failed")


async def test_a_task_that_was_billed_is_done_whatever_is_said_later(scene: Any) -> None:
    tasks, hold, task = await take(scene)
    await tasks.add(task)
    await scene.settle(task.settlement)
    await scene.release(hold)
    await tasks.close(task.id, "failed", scene.clock.now())
    assert (await scene.available(), await state_of(scene, task)) == (Usd(60), "done")
