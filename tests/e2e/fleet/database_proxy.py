"""A TCP proxy between gateways and PostgreSQL that cuts the line, freezes it, and restores it."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class DatabaseProxy:
    """Runs in a thread of its own for as long as the `with` lasts.

    `cut`: every connection ends at once, and new ones are refused. `freeze`: connections stay and new ones are taken,
    but nothing passes; what was sent meanwhile arrives when the line is restored, as after a fault of a network.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def url(self, database: str) -> str:
        return f"postgresql://tokenharbor@127.0.0.1:{self._port}/{database}?sslmode=disable"

    def cut(self) -> None:
        self._do(self._cut())

    def freeze(self) -> None:
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def restore(self) -> None:
        self._loop.call_soon_threadsafe(self._flowing.set)
        self._do(self._listen())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()

    async def _end(self) -> None:
        await self._cut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            back_reader, back_writer = await asyncio.open_unix_connection(self._socket)
        except OSError:  # PostgreSQL itself is away
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(back_writer)
        await asyncio.gather(self._pump(reader, back_writer), self._pump(back_reader, writer))
        self._writers -= {writer, back_writer}

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await source.read(65536):
                await self._flowing.wait()
                sink.write(piece)
                await sink.drain()
        sink.close()
