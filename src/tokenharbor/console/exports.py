"""Exports that are being written: two at once, one per account, ended for a client that does not read."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Final

import asyncpg

from tokenharbor.kernel.errors import RateLimited
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason

MOST_EXPORTS: Final = 2
"""Exports at once, at most. Each holds a connection of the pool for long reads, which is larger."""

_PIECE = 64 << 10
_READER_SECONDS = 20.0  # to read a piece: at least about 3 kB/s

CsvLines = Callable[[asyncpg.Connection], AsyncGenerator[str]]
"""Yields the lines of a CSV, the header first, read from a connection."""


class Exports:
    """The running exports of this process."""

    def __init__(self, reader_seconds: float = _READER_SECONDS) -> None:
        self._reader_seconds = reader_seconds
        self._accounts: set[UUID] = set()

    @property
    def count(self) -> int:
        return len(self._accounts)

    async def pieces(self, pool: asyncpg.Pool, account_id: UUID, lines: CsvLines) -> AsyncGenerator[bytes]:
        """Yield the file in pieces. A task writes one piece ahead; if the client reads none for 20 seconds, it returns
        its connection and the file is cut off. Raises RateLimited, TimeoutError.
        """
        queue: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._take_place(account_id)
        task = asyncio.ensure_future(self._write(queue, pool, lines))
        task.add_done_callback(lambda _: self._accounts.discard(account_id))
        try:
            while (piece := await _next(queue, task)) is not None:
                yield piece
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _take_place(self, account_id: UUID) -> None:
        if account_id in self._accounts:
            raise RateLimited("Another export of this account is running: wait until it ends.", retry_after=5).because(
                ErrorReason.EXPORT_RUNS
            )
        if len(self._accounts) >= MOST_EXPORTS:
            raise RateLimited("Too many exports are running: try again shortly.", retry_after=5).because(
                ErrorReason.EXPORTS_BUSY
            )
        self._accounts.add(account_id)

    async def _write(self, queue: asyncio.Queue[bytes], pool: asyncpg.Pool, lines: CsvLines) -> None:
        async with pool.acquire() as conn, contextlib.aclosing(lines(conn)) as each:
            held: list[str] = []
            size = 0
            async for line in each:
                held.append(line)
                size += len(line)
                if size >= _PIECE:
                    await self._hand_over(queue, held)
                    held, size = [], 0
            await self._hand_over(queue, held)

    async def _hand_over(self, queue: asyncio.Queue[bytes], held: list[str]) -> None:
        async with asyncio.timeout(self._reader_seconds):
            await queue.put("".join(held).encode())


async def _next(queue: asyncio.Queue[bytes], task: asyncio.Future[None]) -> bytes | None:
    """Return the next piece, None at the end."""
    getter = asyncio.ensure_future(queue.get())
    try:
        await asyncio.wait((getter, task), return_when=asyncio.FIRST_COMPLETED)
        return getter.result() if getter.done() else None
    finally:
        getter.cancel()
