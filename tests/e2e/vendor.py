"""A simulated vendor in this process that answers nobody while its gate is shut: moments instead of waiting times."""

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import msgspec

from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import ServerLimits
from tokenharbor.http.server import Server
from tokenharbor.kernel.world import real_world
from tokenharbor.simulator.provider import SimulatedProvider
from tokenharbor.simulator.record import SimulatorRecord
from tokenharbor.simulator.script import Script, read_script


class _Gated(SimulatedProvider):
    """The simulator, and before it a gate that all questions wait at."""

    def __init__(self, before_answer: Callable[[], None]) -> None:
        super().__init__(real_world(), Script())
        self.before_answer = before_answer
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = 0

    async def handle(self, exchange: Exchange) -> None:
        if exchange.method == "POST":
            self.waiting += 1
            try:
                await self.gate.wait()
            finally:
                self.waiting -= 1
        await super().handle(exchange)

    async def _answer(self, *asked: Any) -> None:
        """The question has been read."""
        self.before_answer()
        await super()._answer(*asked)


class Vendor:
    """Runs in a thread of its own for as long as the `with` lasts; `before_answer` is called there each time."""

    def __init__(self, before_answer: Callable[[], None] = lambda: None) -> None:
        self._before_answer = before_answer

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.url: str = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._server.drain(0.1), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def set_answer(self, answer: dict[str, Any], **more: Any) -> None:
        """From now on, to everybody; the gate is open."""
        script = read_script(msgspec.json.encode({"answer": answer} | more), form="json", where="test")
        self._loop.call_soon_threadsafe(self._provider.set_script, script)
        self.open()

    def shut(self) -> None:
        self._loop.call_soon_threadsafe(self._provider.gate.clear)

    def open(self) -> None:
        self._loop.call_soon_threadsafe(self._provider.gate.set)

    @property
    def waiting(self) -> int:
        """How many questions have come and wait at the gate."""
        return self._provider.waiting

    @property
    def records(self) -> list[SimulatorRecord]:
        return self._provider.records.list()

    async def _start(self) -> str:
        self._provider = _Gated(self._before_answer)
        self._server = Server(self._provider.handle, ServerLimits(), real_world().clock)
        return f"http://127.0.0.1:{await self._server.start('127.0.0.1', 0)}"
