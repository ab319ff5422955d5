"""Files that are written at the moment: few at once, one of an account, and none for a reader who does not read."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Final

import asyncpg

from tokenharbor.kernel.errors import RateLimited
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason

MOST_EXPORTS: Final = 2
"""How many files are written at once, each with a connection of the pool for long reads, which has more."""

_PIECE = 64 << 10
_READER_SECONDS = 20.0  # for a piece: about 3 kB a second at least

CsvLines = Callable[[asyncpg.Connection], AsyncGenerator[str]]
"""Reads the lines of a CSV by a connection, the header first."""


class Exports:
    """One process's."""

    def __init__(self, reader_seconds: float = _READER_SECONDS) -> None:
        self._reader_seconds = reader_seconds
        self._accounts: set[UUID] = set()

    @property
    def count(self) -> int:
        return len(self._accounts)

    async def pieces(self, pool: asyncpg.Pool, account_id: UUID, lines: CsvLines) -> AsyncGenerator[bytes]:
        """The file. It is written ahead by one piece, by a task that gives up on a reader who takes none for long, and
        gives its connection back: the file breaks off then. Raises RateLimited, TimeoutError.
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
            raise RateLimited("Another export of this account is being written: wait for it.", retry_after=5).because(
                ErrorReason.EXPORT_RUNS
            )
        if len(self._accounts) >= MOST_EXPORTS:
            raise RateLimited("Other exports are being written: try again shortly.", retry_after=5).because(
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
    """None: there is no more."""
    getter = asyncio.ensure_future(queue.get())
    try:
        await asyncio.wait((getter, task), return_when=asyncio.FIRST_COMPLETED)
        return getter.result() if getter.done() else None
    finally:
        getter.cancel()
