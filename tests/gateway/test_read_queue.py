"""The queue of bodies to parse: first in, first out, a few per turn of the loop, and none forgotten."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.gateway.read_queue import _LEAST_BYTES, _TURN_BYTES, ReadQueue
from tokenharbor.kernel.errors import Overloaded


class Turns:
    """What is read in each turn of the loop."""

    def __init__(self, queue: ReadQueue) -> None:
        self.now = 0
        self.read: list[tuple[int, int]] = []  # (turn, who)
        self._queue = queue

    async def count(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.now += 1

    async def ask(self, who: int, size: int) -> None:
        await self._queue.wait(size)
        self.read.append((self.now, who))


@given(st.lists(st.tuples(st.integers(0, 100 << 10), st.booleans()), max_size=60))
async def test_all_are_read_in_order_and_no_turn_reads_more_than_its_bytes_and_one_body(
    asked: list[tuple[int, bool]],
) -> None:
    queue = ReadQueue(60)
    turns = Turns(queue)
    counting = asyncio.create_task(turns.count())
    tasks = [asyncio.create_task(turns.ask(who, size)) for who, (size, _) in enumerate(asked)]
    await asyncio.sleep(0)
    for task, (_, leaves) in zip(tasks, asked, strict=True):
        if leaves:
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    counting.cancel()
    assert [who for _, who in turns.read] == [who for who, (_, leaves) in enumerate(asked) if not leaves]
    for turn in {turn for turn, _ in turns.read}:
        sizes = [max(asked[who][0], _LEAST_BYTES) for at, who in turns.read if at == turn]
        assert sum(sizes[:-1]) < _TURN_BYTES
    assert not queue.queued


async def test_it_is_crowded_until_the_last_has_had_its_turn() -> None:
    queue = ReadQueue(60)
    assert not queue.crowded
    tasks = [asyncio.create_task(queue.wait(_TURN_BYTES)) for _ in range(3)]
    await asyncio.sleep(0)
    seen = [queue.crowded]
    await asyncio.gather(*tasks)
    seen.append(queue.crowded)
    assert seen == [True, False]


async def test_a_burst_as_large_as_the_queue_is_read_and_one_more_is_refused() -> None:
    queue = ReadQueue(500)
    tasks = [asyncio.create_task(queue.wait(84 << 10)) for _ in range(500)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await queue.wait(1)
    await asyncio.gather(*tasks)
    await queue.wait(1)
