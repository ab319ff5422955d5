"""The fork server: a process with everything imported and nothing running, which forks a server's workers.

A fork copies only the calling thread. In a process with an event loop and threads, it would also copy locks that are
held by other threads and would never be released. So the fork server is forked before any of these exist, and only
waits for requests. All workers share its imported modules in memory, page by page, until a page is written to.

It holds one end of a socket pair; only the parent holds the other. When that end closes, the parent is dead, and the
fork server kills every worker, even one that is stopped or busy. It closes the descriptors that it passes on, so that
a worker's channel closes when the worker dies. A worker makes its own World, and so never uses random bytes drawn
before the fork. A dead worker stays a zombie until the parent reaps it, so that its pid is not reused until then.
"""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NoReturn

import msgspec

from tokenharbor.kernel.errors import WorkerFailed

MOST_DESCRIPTORS: Final = 250
"""Descriptors per request, at most; the kernel's limit is 253."""

_MOST_BYTES = 64 << 10
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # a terminal sends them to all processes; the parent acts
_CRASHED = 1

WorkerMain = Callable[[bytes, Sequence[int]], int]
"""Runs a forked worker with a request's task and descriptors, and returns its exit code."""


class ForkRequest(msgspec.Struct, frozen=True, tag=True):
    """Fork a worker. The answer is its pid, or a negated errno."""

    task: bytes


class ReapRequest(msgspec.Struct, frozen=True, tag=True):
    """Wait for the end of a worker. The answer is its exit code, or the negated number of the signal that killed it."""

    pid: int


_REQUEST = msgspec.json.Decoder(ForkRequest | ReapRequest)


class ForkServer:
    """The parent's connection to the fork server."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._turn = asyncio.Lock()

    async def fork(self, task: bytes, descriptors: Sequence[int]) -> int:
        """Fork a worker and return its pid. Raises OSError if the system refuses, WorkerFailed."""
        pid = await self._ask(ForkRequest(task), descriptors)
        if pid < 0:
            raise OSError(-pid, f"cannot fork a worker: {os.strerror(-pid)}")
        return pid

    async def reap(self, pid: int) -> int:
        """Wait for a worker's end and return its exit code, or the negated signal. Raises WorkerFailed."""
        return await self._ask(ReapRequest(pid), ())

    async def _ask(self, request: ForkRequest | ReapRequest, descriptors: Sequence[int]) -> int:
        async with self._turn:
            return await asyncio.to_thread(self._exchange, msgspec.json.encode(request), descriptors)

    def _exchange(self, request: bytes, descriptors: Sequence[int]) -> int:
        try:
            socket.send_fds(self._control, [request], descriptors)
            answer = self._control.recv(_MOST_BYTES)
        except ConnectionError:
            answer = b""
        if not answer:
            raise WorkerFailed("the fork server is dead")
        return int(answer)


@contextlib.contextmanager
def start_fork_server(main: WorkerMain, parents_own: int) -> Iterator[ForkServer]:
    """Run a fork server for the length of the `with`. Call this before starting an event loop or a thread.

    `parents_own` is a descriptor that workers must not inherit.
    """
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        ours.close()
        os.close(parents_own)
        _serve_forks(its, main)
    its.close()
    try:
        yield ForkServer(ours)
    finally:
        ours.close()
        os.waitpid(pid, 0)


def _serve_forks(control: socket.socket, main: WorkerMain) -> NoReturn:
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # else the collector writes to every object, and so copies the shared pages
    workers: set[int] = set()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, _MOST_BYTES, MOST_DESCRIPTORS)
        if not message:
            break
        request = _REQUEST.decode(message)
        if isinstance(request, ForkRequest):
            answer = _fork(control, main, request.task, descriptors)
            if answer > 0:
                workers.add(answer)
        else:
            answer = os.waitstatus_to_exitcode(os.waitpid(request.pid, 0)[1])
            workers.discard(request.pid)
        control.send(b"%d" % answer)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    os._exit(0)


def _fork(control: socket.socket, main: WorkerMain, task: bytes, descriptors: Sequence[int]) -> int:
    try:
        pid = os.fork()
    except OSError as error:
        pid = -(error.errno or 1)
    if pid == 0:
        control.close()
        code = _CRASHED
        try:
            code = main(task, descriptors)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    for descriptor in descriptors:
        os.close(descriptor)
    return pid
