"""A worker: serves requests until told to stop, alone in one process with the host part, or as one of several."""

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import structlog
import uvloop

from tokenharbor.app.build import Harbor, open_worker
from tokenharbor.app.channel import (
    AllMetrics,
    AllMetricsRequest,
    AnyMessage,
    Channel,
    Drain,
    EndKind,
    MetricsRequest,
    Reload,
    ShareSockets,
    WorkerEnding,
    WorkerMetrics,
    WorkerReady,
)
from tokenharbor.app.context import WorkerContext
from tokenharbor.app.descriptors import claim_descriptors
from tokenharbor.app.home import LockedHome
from tokenharbor.app.listeners import close_listeners
from tokenharbor.app.logs import log_to_stderr
from tokenharbor.gateway.metric_families import MetricFamily
from tokenharbor.gateway.metrics import Metrics
from tokenharbor.kernel.errors import DatabaseUnavailable, GatewayEnded, HarborError, Misconfigured
from tokenharbor.kernel.world import real_world
from tokenharbor.ledger.gateways import GatewaySlot

_ORPHANED = 1  # exit code
_log = structlog.get_logger("workers")


class WorkerTask(msgspec.Struct, frozen=True):
    """The task of a forked worker, which has HOME's settings and secret already.

    Its descriptors are its end of the channel, then `addresses` listening sockets for each slot.
    """

    slot: int
    of: int
    addresses: int
    database_url: str
    demo_url: str


class ServerSignals:
    """Events that tell a serving process to stop or to reload."""

    def __init__(self) -> None:
        self.stopped = asyncio.Event()
        self.reload = asyncio.Event()

    def follow(self, *numbers: signal.Signals) -> None:
        """Set the events on these signals of the process: `reload` on SIGHUP, `stopped` on any other."""
        loop = asyncio.get_running_loop()
        for number in numbers:
            loop.add_signal_handler(number, self.reload.set if number == signal.SIGHUP else self.stopped.set)


async def serve_until_stopped(harbor: Harbor, signals: ServerSignals, close: Callable[[], None] = lambda: None) -> None:
    """Serve until told to stop, then drain. Raises the exception of background work that failed."""
    gc.freeze()  # the collector need not visit objects that live as long as the process
    gc.set_threshold(50_000, 20, 100)
    harbor.background.run("reload", partial(run_on_event, signals.reload, harbor.reload))
    # When a stopped process continues, this runs before any other Python code, so that no stream outlives its lease.
    # A handler of the event loop would run only after input that arrived meanwhile.
    signal.signal(signal.SIGCONT, lambda *_: harbor.lease.check())
    failed = harbor.context.failed
    ends: list[asyncio.Future[Any]] = [asyncio.ensure_future(signals.stopped.wait()), failed]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    close()
    await harbor.server.drain(harbor.context.settings.server.drain_seconds)
    if failed.done():
        failed.result()


async def run_on_event(event: asyncio.Event, work: Callable[[], Awaitable[object]]) -> None:
    """Run `work` whenever the event is set, until cancelled."""
    while True:
        await event.wait()
        event.clear()
        await work()


def run_worker(home: LockedHome, task: bytes, descriptors: Sequence[int]) -> int:
    """Run a forked worker, and return its exit code."""
    worker_task = msgspec.json.decode(task, type=WorkerTask)
    log_to_stderr(worker=worker_task.slot)
    end, *bound = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    listeners = [bound[at : at + worker_task.addresses] for at in range(0, len(bound), worker_task.addresses)]
    return uvloop.run(_Worker(home, worker_task, listeners).run(end))


class _Worker:
    """One worker of several, and its end of the channel."""

    def __init__(self, home: LockedHome, task: WorkerTask, listeners: Sequence[Sequence[socket.socket]]) -> None:
        self._home = home
        self._task = task
        self._bound = listeners
        self._signals = ServerSignals()
        self._channel: Channel
        self._harbor: Harbor | None = None
        self._shared_sockets: dict[int, list[asyncio.Server]] = {}
        self._metrics_waiters: list[asyncio.Future[Sequence[MetricFamily]]] = []

    async def run(self, end: socket.socket) -> int:
        """Serve until told to stop; return the exit code."""
        self._signals.follow(signal.SIGTERM, signal.SIGINT)
        self._channel = await Channel.open(end)
        following = asyncio.create_task(self._follow())
        try:
            await self._serve()
        except (Misconfigured, GatewayEnded) as error:
            return await self._fail(str(error), EndKind.MISCONFIGURED)
        except DatabaseUnavailable as error:
            return await self._fail(str(error), EndKind.DATABASE)
        except HarborError as error:
            return await self._fail(str(error), EndKind.FAULT)
        except Exception as error:  # noqa: BLE001  sent to the parent, which logs it
            return await self._fail(f"internal error: {type(error).__name__}: {error}", EndKind.FAULT)
        finally:
            following.cancel()
        return 0

    async def _fail(self, reason: str, kind: EndKind) -> int:
        self._channel.send(WorkerEnding(" ".join(reason.split()), kind))
        await self._channel.flush()
        self._channel.close()
        return 1

    async def _serve(self) -> None:
        async with open_worker(self._context()) as harbor:
            self._harbor = harbor
            await self._listen(harbor, self._task.slot)
            self._channel.send(WorkerReady())
            await serve_until_stopped(harbor, self._signals, partial(close_listeners, self._bound))

    def _context(self) -> WorkerContext:
        task, home = self._task, self._home
        return WorkerContext(
            settings=home.settings,
            world=real_world(),
            root=home.root,
            slot=GatewaySlot(home.gateway_id, task.slot, task.of),
            database_url=task.database_url,
            demo_url=task.demo_url,
            descriptors=claim_descriptors(task.of),
            failed=asyncio.get_running_loop().create_future(),
            gather_metrics=self._gather_metrics,
        )

    async def _listen(self, harbor: Harbor, slot: int) -> list[asyncio.Server]:
        return [await harbor.server.start_on(bound) for bound in self._bound[slot]]

    async def _follow(self) -> None:
        """Handle the parent's messages. Exit at once when the parent is dead or the channel fails: the next server of
        HOME may be starting.
        """
        try:
            async for message in self._channel.messages():
                await self._handle(message)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  logged, and the worker exits
            _log.error("channel_broken", reason=f"{type(error).__name__}: {error}")
        os._exit(_ORPHANED)

    async def _handle(self, message: AnyMessage) -> None:
        match message:
            case Reload():
                self._signals.reload.set()
            case Drain():
                self._signals.stopped.set()
            case ShareSockets(slots):
                await self._share_sockets_of(slots)
            case MetricsRequest():
                self._channel.send(WorkerMetrics([] if self._harbor is None else self._harbor.metrics.families()))
            case AllMetrics(families):
                for waiting in self._metrics_waiters:
                    if not waiting.done():
                        waiting.set_result(families)
                self._metrics_waiters.clear()

    async def _share_sockets_of(self, slots: Sequence[int]) -> None:
        for slot in [slot for slot in self._shared_sockets if slot not in slots]:
            for listener in self._shared_sockets.pop(slot):
                listener.close()
        for slot in slots:
            if self._harbor is not None and slot not in self._shared_sockets and not self._signals.stopped.is_set():
                self._shared_sockets[slot] = await self._listen(self._harbor, slot)

    async def _gather_metrics(self, _own: Metrics) -> Sequence[MetricFamily]:
        metrics: asyncio.Future[Sequence[MetricFamily]] = asyncio.get_running_loop().create_future()
        self._metrics_waiters.append(metrics)
        if len(self._metrics_waiters) == 1:
            self._channel.send(AllMetricsRequest())
        return await metrics
