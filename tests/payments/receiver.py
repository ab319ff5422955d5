"""A server that receives webhooks in tests, reads each with a processor, and keeps the events."""

from collections.abc import Callable

from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import ServerLimits
from tokenharbor.http.server import Server
from tokenharbor.kernel.clock import SystemClock
from tokenharbor.kernel.errors import ForgedEvent
from tokenharbor.payments.processor import Processor
from tokenharbor.payments.types import ProcessorEvent


class Receiver:
    """`events` in order of arrival; `refused` are the words of what was refused."""

    def __init__(self, processor: Callable[[], Processor]) -> None:
        self._processor = processor
        self.events: list[ProcessorEvent] = []
        self.refused: list[str] = []
        self.url = ""
        self._server = Server(self._handle, ServerLimits(), SystemClock())

    async def start(self) -> None:
        self.url = f"http://127.0.0.1:{await self._server.start('127.0.0.1', 0)}/hook"

    async def stop(self) -> None:
        await self._server.drain(0.1)

    async def _handle(self, exchange: Exchange) -> None:
        body = await exchange.read_body()
        headers = {name.decode(): value.decode("latin-1") for name, value in exchange.headers}
        try:
            self.events.append(await self._processor().read_event(headers, body))
        except ForgedEvent as forged:
            self.refused.append(str(forged))
            exchange.respond(400, b"", b"")
            return
        exchange.respond(200, b"", b"")
