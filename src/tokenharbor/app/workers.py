"""The workers of a server from the parent's side: started, restarted, reloaded, drained, and their metrics added up.

A worker that dies loses only its own open requests. The next worker of its slot settles the entries of its journal and
releases its holds. Until that one serves, another worker accepts connections on the slot's sockets, so that none waits.

A worker that dies soon after its start is restarted after a growing pause. The server ends after three starts in a row
of a slot that never served, and on a mistake that only an operator can fix. Once all workers have served, an
unavailable database ends nothing: the other workers wait for it, too.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import structlog

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
from tokenharbor.app.fork_server import ForkServer
from tokenharbor.app.host import Host
from tokenharbor.app.listeners import close_listeners
from tokenharbor.app.worker import WorkerTask
from tokenharbor.gateway.metric_families import MetricFamily, add_up, only_counters
from tokenharbor.jobs.background import Background
from tokenharbor.kernel.errors import WorkerFailed

_MOST_STARTS: Final = 3  # in a row that never served
_PAUSES_SECONDS: Final = (0.0, 0.2, 1.0, 5.0, 15.0)
_STEADY_SECONDS: Final = 60.0  # a worker that ran this long has recovered
_METRICS_SECONDS: Final = 1.0
_CLEAN_UP_SECONDS: Final = 30.0  # after server.drain_seconds, to finish settling
_log = structlog.get_logger("workers")


class Worker:
    """A worker process, alive until its end of the channel closes."""

    def __init__(self, slot: int, pid: int, channel: Channel) -> None:
        self.slot = slot
        self.pid = pid
        self.channel = channel
        self.serves = False
        self.metrics: Sequence[MetricFamily] = ()  # its latest metrics
        self.shared_slots: tuple[int, ...] = ()
        self.ending_message = WorkerEnding("", EndKind.FAULT)
        self._metrics_received = asyncio.Event()

    def receive_metrics(self, families: Sequence[MetricFamily]) -> None:
        """Store the metrics that the worker has sent."""
        self.metrics = families
        self._metrics_received.set()

    async def request_metrics(self) -> None:
        """Request the worker's metrics; keep the old ones if it does not answer within a second."""
        self._metrics_received.clear()
        self.channel.send(MetricsRequest())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_METRICS_SECONDS):
                await self._metrics_received.wait()


class Workers:
    """All workers of a server, one per slot."""

    def __init__(self, host: Host, forks: ForkServer, listeners: Sequence[Sequence[socket.socket]]) -> None:
        self._host = host
        self._forks = forks
        self._listeners = listeners
        self._alive: dict[int, Worker] = {}
        self._ended: Sequence[MetricFamily] = ()  # counters of dead workers, added up
        self._changed = asyncio.Event()
        self._draining = asyncio.Event()
        self._started = False
        self._answering: set[asyncio.Future[None]] = set()

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Start all workers, keep one per slot running, and drain them at the end. Raises WorkerFailed."""
        async with Background(self._host.failed) as background:
            for slot in range(len(self._listeners)):
                background.run(f"worker {slot}", partial(self._keep, slot))
            try:
                await self._until(lambda: all(self._serves(slot) for slot in range(len(self._listeners))))
                self._started = True
                yield
            finally:
                await self._drain()

    def reload(self) -> None:
        for worker in self._alive.values():
            worker.channel.send(Reload())

    async def _drain(self) -> None:
        """Stop accepting, let open requests finish, and kill workers that do not end in time."""
        self._draining.set()
        close_listeners(self._listeners)
        for worker in self._alive.values():
            worker.channel.send(Drain())
        limit = self._host.home.settings.server.drain_seconds + _CLEAN_UP_SECONDS
        try:
            async with asyncio.timeout(limit):
                await self._until(lambda: not self._alive, fails=False)
        except TimeoutError:
            for worker in self._alive.values():
                _log.error("worker_killed", worker=worker.slot, reason=f"it did not end within {limit:.0f} seconds")
                os.kill(worker.pid, signal.SIGKILL)
            await self._until(lambda: not self._alive, fails=False)

    async def _until(self, reached: Callable[[], bool], *, fails: bool = True) -> None:
        """Wait until `reached()`. If `fails`, raise the exception of background work that fails meanwhile."""
        failed = self._host.failed
        while not reached():
            self._changed.clear()
            change = asyncio.ensure_future(self._changed.wait())
            ends: list[asyncio.Future[Any]] = [change, failed] if fails else [change]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            change.cancel()
            if fails and failed.done():
                failed.result()

    def _serves(self, slot: int) -> bool:
        return slot in self._alive and self._alive[slot].serves

    async def _keep(self, slot: int) -> None:
        """Keep a worker running in a slot until the server drains. Raises WorkerFailed, OSError."""
        clock, unstarted, short = self._host.world.clock, 0, 0
        while not self._draining.is_set():
            began = clock.monotonic()
            worker = await self._start(slot)
            await self._follow(worker)
            if self._draining.is_set():
                return
            words = worker.ending_message
            _log.error("worker_ended", worker=slot, pid=worker.pid, reason=words.reason)
            if worker.serves and words.kind is EndKind.MISCONFIGURED:
                raise WorkerFailed(words.reason)
            waits = self._started and words.kind is EndKind.DATABASE
            unstarted = 0 if worker.serves or waits else unstarted + 1
            if unstarted == _MOST_STARTS:
                raise WorkerFailed(words.reason)
            short = 0 if clock.monotonic() - began > _STEADY_SECONDS else short + 1
            await self._pause(restart_pause_seconds(short))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._draining.wait()

    async def _start(self, slot: int) -> Worker:
        ours, its = socket.socketpair()
        sockets = [each for bound in self._listeners for each in bound]
        task = WorkerTask(
            slot=slot,
            of=len(self._listeners),
            addresses=len(self._listeners[slot]),
            database_url=self._host.database_url,
            demo_url=self._host.demo_url,
        )
        try:
            with its, contextlib.ExitStack() as copies:
                passed = [its, *(copies.enter_context(each.dup()) for each in sockets)]
                pid = await self._forks.fork(msgspec.json.encode(task), [each.fileno() for each in passed])
        except BaseException:
            ours.close()
            raise
        worker = self._alive[slot] = Worker(slot, pid, await Channel.open(ours))
        if self._draining.is_set():
            worker.channel.send(Drain())
        return worker

    async def _follow(self, worker: Worker) -> None:
        """Handle a worker's messages until it is dead, then reap it."""
        async for message in worker.channel.messages():
            self._handle(worker, message)
        worker.channel.close()
        try:
            code = await self._forks.reap(worker.pid)
        finally:
            del self._alive[worker.slot]
            self._ended = add_up((self._ended, only_counters(worker.metrics)))
            self._changed.set()
            self._share_sockets()
        if not worker.ending_message.reason:
            worker.ending_message = WorkerEnding(f"worker {worker.slot} {_how(code)}", EndKind.FAULT)

    def _handle(self, worker: Worker, message: AnyMessage) -> None:
        match message:
            case WorkerReady():
                worker.serves = True
                self._changed.set()
                self._share_sockets()
            case WorkerEnding():
                worker.ending_message = message
            case WorkerMetrics(families):
                worker.receive_metrics(families)
            case AllMetricsRequest():
                task = asyncio.ensure_future(self._answer_metrics(worker))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)

    def _share_sockets(self) -> None:
        """Assign the sockets of slots without a serving worker to other workers."""
        serving = [worker for worker in self._alive.values() if worker.serves]
        if not self._started or self._draining.is_set() or not serving:
            return
        orphaned = [slot for slot in range(len(self._listeners)) if not self._serves(slot)]
        for number, worker in enumerate(serving):
            slots = tuple(slot for slot in orphaned if slot % len(serving) == number)
            if slots != worker.shared_slots:
                worker.shared_slots = slots
                worker.channel.send(ShareSockets(slots))

    async def _answer_metrics(self, worker: Worker) -> None:
        serving = [each for each in self._alive.values() if each.serves]
        await asyncio.gather(*(each.request_metrics() for each in serving))
        metrics = (self._ended, *(each.metrics for each in self._alive.values()))
        worker.channel.send(AllMetrics(add_up(metrics)))


def restart_pause_seconds(short: int) -> float:
    """Return the pause before the next start, after `short` runs in a row that were too short."""
    return _PAUSES_SECONDS[min(max(short, 1), len(_PAUSES_SECONDS)) - 1]


def _how(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"
