"""The shared server of the simulated payment processors: HTTP, faults on request, idempotency and webhooks.

A fault applies to a path's next `times` requests. "down" does nothing and answers 500; the others process the request
first: "lost" then closes the connection, "late_500" answers 500, "null" answers null, "nulls" nulls in all fields.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qsl

import msgspec

from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import ServerLimits
from tokenharbor.http.server import Server
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.world import World

_JSON = b"content-type: application/json\r\nx-simulated: true\r\n"
_HTML = b"content-type: text/html; charset=utf-8\r\nx-simulated: true\r\n"
_DRAIN_SECONDS = 0.2
_WEBHOOK_SECONDS = 10


class ProcessorFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault of the next `times` requests to a path (which may have `*`)."""

    path: str
    kind: Literal["down", "lost", "late_500", "null", "nulls"]
    method: str = "*"
    times: int = 1


class ProcessorRequest(msgspec.Struct, frozen=True):
    """A request as a simulated processor sees it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class SimulatedAnswer(msgspec.Struct, frozen=True):
    """An answer: JSON, a page, or a redirect."""

    status: int
    json: Any = None
    page: str | None = None
    location: str | None = None


class SimulatedDelivery(msgspec.Struct, frozen=True):
    """A webhook as it is posted."""

    headers: dict[str, str]
    body: bytes


class SimulatedWebhooks:
    """Posts events to `url` in order, unless they are held back; keeps the receiver's statuses."""

    def __init__(self) -> None:
        self.url: str | None = None
        self.times = 1  # deliveries of each event
        self.held = False
        self.waiting: list[SimulatedDelivery] = []
        self.statuses: list[int] = []  # the receiver's statuses; 0 without an answer
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, delivery: SimulatedDelivery) -> None:
        self.waiting += [delivery] * self.times
        if self.url is not None and not self.held:
            self._start(self._take())

    def _take(self) -> list[SimulatedDelivery]:
        taken, self.waiting = self.waiting, []
        return taken

    def _start(self, deliveries: list[SimulatedDelivery]) -> None:
        task = asyncio.get_running_loop().create_task(self.post(deliveries))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def flush(self, *, backwards: bool = False) -> None:
        """Deliver the events held back; with `backwards`, the newest first."""
        deliveries = self._take()
        await self.post(deliveries[::-1] if backwards else deliveries)

    async def post(self, deliveries: list[SimulatedDelivery]) -> None:
        import httpx  # noqa: PLC0415  servers with the demo's processor never need it

        if self.url is None:
            return
        async with httpx.AsyncClient(timeout=_WEBHOOK_SECONDS) as client:
            for delivery in deliveries:
                try:
                    answer = await client.post(self.url, content=delivery.body, headers=delivery.headers)
                    self.statuses.append(answer.status_code)
                except httpx.HTTPError:
                    self.statuses.append(0)

    async def settled(self) -> None:
        """Wait until all started deliveries are done."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class ProcessorServer(ABC):
    """A simulated processor that listens; `url` has no path."""

    name: ClassVar[str]

    def __init__(self, world: World) -> None:
        self.world = world
        self.webhooks = SimulatedWebhooks()
        self.faults: list[ProcessorFault] = []
        self.requests: list[ProcessorRequest] = []
        self.remembered: dict[str, tuple[bytes, SimulatedAnswer]] = {}  # by idempotency key
        self.url = ""
        self._serial = 0
        self._server = Server(self._handle, ServerLimits(), world.clock)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Start listening. Raises Misconfigured if the address is taken."""
        try:
            bound = await self._server.start(host, port)
        except OSError as error:
            raise Misconfigured(f"simulator: cannot listen on {host}:{port}: {error.strerror}") from None
        self.url = f"http://{host}:{bound}"

    async def stop(self) -> None:
        await self.webhooks.close()
        await self._server.drain(_DRAIN_SECONDS)

    def new_id(self, prefix: str) -> str:
        self._serial += 1
        return f"{prefix}{self._serial:017d}"

    def fail(self, path: str, kind: Any, *, method: str = "*", times: int = 1) -> None:
        self.faults.append(ProcessorFault(path, kind, method, times))

    @abstractmethod
    def answer(self, request: ProcessorRequest) -> SimulatedAnswer:
        """Answer a request to the processor's own interface."""

    @abstractmethod
    def controls(self) -> Mapping[str, Callable[..., Any]]:
        """Return the functions behind `POST /simulator/NAME`, whose JSON members are their arguments."""

    async def _handle(self, exchange: Exchange) -> None:
        request = await _read(exchange)
        if request.path.startswith("/simulator/"):
            _respond(exchange, await self._control(request))
            return
        self.requests.append(request)
        fault = self._fault(request)
        if fault == "down":
            _respond(exchange, SimulatedAnswer(500, self.failure()))
            return
        answer = self.answer(request)
        if fault == "lost":
            exchange.abort()
        else:
            _respond(exchange, self._spoilt(answer, fault))

    def failure(self) -> Any:
        """Return the body of a failure."""
        return {"error": {"type": "api_error", "message": "simulated fault"}, "name": "INTERNAL_SERVER_ERROR"}

    def _spoilt(self, answer: SimulatedAnswer, fault: str | None) -> SimulatedAnswer:
        match fault:
            case "late_500":
                return SimulatedAnswer(500, self.failure())
            case "null":
                return SimulatedAnswer(answer.status, None)
            case "nulls":
                return SimulatedAnswer(answer.status, dict.fromkeys(answer.json or ()))
        return answer

    def _fault(self, request: ProcessorRequest) -> str | None:
        for place, fault in enumerate(self.faults):
            if fnmatchcase(request.path, fault.path) and fnmatchcase(request.method, fault.method):
                left = msgspec.structs.replace(fault, times=fault.times - 1)
                self.faults[place : place + 1] = [left] if left.times else []
                return fault.kind
        return None

    async def _control(self, request: ProcessorRequest) -> SimulatedAnswer:
        name = request.path.removeprefix("/simulator/")
        called: dict[str, Callable[..., Any]] = {
            **self.controls(),
            "fail": self.fail,
            "webhooks": self._set_webhooks,
            "flush": self.webhooks.flush,
        }
        if request.method != "POST" or name not in called:
            return SimulatedAnswer(404, {"error": f"POST one of {', '.join(sorted(called))}"})
        try:
            arguments = msgspec.json.decode(request.body or b"{}", type=dict[str, Any])
            result = called[name](**arguments)
            result = await result if asyncio.iscoroutine(result) else result
        except (msgspec.DecodeError, TypeError, KeyError, ValueError) as error:
            return SimulatedAnswer(400, {"error": f"{name}: {type(error).__name__}: {error}"})
        return SimulatedAnswer(200, {"result": result})

    def _set_webhooks(self, url: str | None = None, times: int = 1, *, held: bool = False) -> None:
        self.webhooks.url, self.webhooks.times, self.webhooks.held = url, times, held


async def _read(exchange: Exchange) -> ProcessorRequest:
    return ProcessorRequest(
        exchange.method,
        exchange.path,
        dict(parse_qsl(exchange.query, keep_blank_values=True)),
        {name.decode("latin-1"): value.decode("latin-1") for name, value in exchange.headers},
        await exchange.read_body(),
    )


def _respond(exchange: Exchange, answer: SimulatedAnswer) -> None:
    if answer.location is not None:
        location = answer.location.encode("latin-1", "replace").replace(b"\r", b"").replace(b"\n", b"")
        exchange.respond(303, b"location: %b\r\n" % location, b"")
    elif answer.page is not None:
        exchange.respond(answer.status, _HTML, answer.page.encode())
    else:
        exchange.respond(answer.status, _JSON, msgspec.json.encode(answer.json))
    logging.getLogger(__name__).debug("%s %s: %s", exchange.method, exchange.path, answer.status)
