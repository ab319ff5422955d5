"""The fork server: a process with everything imported and nothing running, which forks a server's workers.

A fork copies one thread: of a process with an event loop and a pool of threads it would copy locks that nobody ever
opens. So this process is forked first, before there is any of that, and does nothing but wait for requests. What it
has imported is shared by all workers, page by page, as long as nobody writes to it.

It holds one end of a socket pair, whose other end is in the parent alone. When that closes, the parent is dead:
then every worker is killed, too, one that is stopped or busy included. It closes what it passes on, so that a
worker's channel closes when the worker is dead. (Random bytes that were drawn before are never used: a worker makes a
World of its own.) A worker stays a zombie until the parent asks how it has ended:
until then its pid is nobody else's.
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
"""With one request; the kernel takes 253."""

_MOST_BYTES = 64 << 10
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # a terminal's go to all; the parent decides what they mean
_CRASHED = 1

WorkerMain = Callable[[bytes, Sequence[int]], int]
"""What a forked worker does with a request's task and descriptors; its exit code."""


class ForkRequest(msgspec.Struct, frozen=True, tag=True):
    """Fork a worker. The answer is its pid, or minus the number of an error."""

    task: bytes


class ReapRequest(msgspec.Struct, frozen=True, tag=True):
    """Wait for a worker that is about to be dead. The answer is its exit code, or minus the signal that killed it."""

    pid: int


_REQUEST = msgspec.json.Decoder(ForkRequest | ReapRequest)


class ForkServer:
    """The parent's side of it."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._turn = asyncio.Lock()

    async def fork(self, task: bytes, descriptors: Sequence[int]) -> int:
        """The pid of a new worker. Raises OSError where the machine has no room for one, WorkerFailed."""
        pid = await self._ask(ForkRequest(task), descriptors)
        if pid < 0:
            raise OSError(-pid, f"cannot fork a worker: {os.strerror(-pid)}")
        return pid

    async def reap(self, pid: int) -> int:
        """How a worker has ended. Raises WorkerFailed."""
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
            raise WorkerFailed("the process that forks the workers is dead")
        return int(answer)


@contextlib.contextmanager
def start_fork_server(main: WorkerMain, parents_own: int) -> Iterator[ForkServer]:
    """Fork it, for as long as the `with` lasts. To be called before there is a loop or a thread. `parents_own` is a
    descriptor that no worker gets.
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
    gc.freeze()  # the collector would write to every object that it looks at
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
