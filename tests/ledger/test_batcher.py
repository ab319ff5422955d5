"""The batcher: bursts go out together, in order, bounded, and each row gets its own answer."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tokenharbor.kernel.errors import BooksRefused, DatabaseUnavailable
from tokenharbor.ledger.batcher import Batcher


class Calls:
    """Records batches, and answers on demand."""

    def __init__(self, answer: Callable[[int], Any] = lambda row: row * 10) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()
        self._answer = answer

    async def __call__(self, rows: Sequence[int]) -> Sequence[Any]:
        self.batches.append(list(rows))
        await self.go.wait()
        return [self._answer(row) for row in rows]


async def _turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_burst_of_one_turn_goes_out_together() -> None:
    calls = Calls()
    calls.go.set()
    batcher: Batcher[int, int] = Batcher(calls)
    assert await asyncio.gather(*[batcher.submit(row) for row in range(10)]) == [row * 10 for row in range(10)]
    assert calls.batches == [list(range(10))]


async def test_what_gathers_while_one_call_is_in_flight_goes_into_the_next_in_order() -> None:
    calls = Calls()
    batcher: Batcher[int, int] = Batcher(calls, batch=3)
    first = batcher.submit(0)
    await _turns()
    rest = [batcher.submit(row) for row in range(1, 6)]
    await _turns()
    assert calls.batches == [[0]]
    calls.go.set()
    assert await asyncio.gather(first, *rest) == [0, 10, 20, 30, 40, 50]
    assert calls.batches == [[0], [1, 2, 3], [4, 5]]


async def test_each_row_gets_its_own_error() -> None:
    calls = Calls(lambda row: BooksRefused("two") if row == 2 else row)
    calls.go.set()
    batcher: Batcher[int, int] = Batcher(calls)
    one, two = batcher.submit(1), batcher.submit(2)
    assert await one == 1
    with pytest.raises(BooksRefused, match="two"):
        await two


async def test_a_call_that_fails_tells_all_its_rows_and_the_next_call_is_made() -> None:
    def answer(row: int) -> int:
        if row < 2:
            raise ValueError("broken")
        return row

    calls = Calls(answer)
    calls.go.set()
    batcher: Batcher[int, int] = Batcher(calls)
    lost = [batcher.submit(0), batcher.submit(1)]
    for future in lost:
        with pytest.raises(ValueError, match="broken"):
            await future
    assert await batcher.submit(2) == 2


async def test_a_full_queue_says_so_at_once() -> None:
    batcher: Batcher[int, int] = Batcher(Calls(), queue=2)
    batcher.submit(0)
    batcher.submit(1)
    with pytest.raises(DatabaseUnavailable):
        batcher.submit(2)


async def test_rows_that_do_not_fit_into_the_next_call_are_told_of() -> None:
    batcher: Batcher[int, int] = Batcher(Calls(), batch=64, queue=200)
    told: list[int] = []
    batcher.on_full_batch = lambda: told.append(batcher.waiting)
    for row in range(100):
        batcher.submit(row)
    assert told == [*range(64, 100)]


async def test_a_caller_that_went_away_disturbs_nobody() -> None:
    calls = Calls()
    batcher: Batcher[int, int] = Batcher(calls)
    gone, here = batcher.submit(1), batcher.submit(2)
    await _turns()
    gone.cancel()
    calls.go.set()
    assert await here == 20
    assert calls.batches == [[1, 2]]


async def test_a_row_that_is_answered_later_keeps_nobody_waiting() -> None:
    later: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    calls = Calls(lambda row: later if row == 1 else row)
    calls.go.set()
    batcher: Batcher[int, int] = Batcher(calls)
    slow, fast = batcher.submit(1), batcher.submit(2)
    assert await fast == 2
    assert await batcher.submit(3) == 3
    barrier = asyncio.create_task(batcher.barrier())
    await _turns()
    assert not slow.done()
    assert not barrier.done()
    later.set_result(7)
    await barrier
    assert await slow == 7


async def test_a_barrier_waits_for_what_came_before_it_and_for_nothing_else() -> None:
    calls = Calls()
    batcher: Batcher[int, int] = Batcher(calls)
    await batcher.barrier()
    before = batcher.submit(1)
    barrier = asyncio.create_task(batcher.barrier())
    await _turns()
    assert not barrier.done()
    calls.go.set()
    await barrier
    assert before.done()
