"""The embedded PostgreSQL: started if it does not run, adopted if it does, stopped by its last user.

Three lock files record the users; the operating system releases a lock when its holder dies, however that happens. A
shared lock on `users.lock` means that a process uses the server. A lock on `alive.lock`, which every process of the
server inherits, means that one of them lives, even in another container, where its pid cannot be seen. An exclusive
lock on `gate.lock` lets one process at a time start or stop the server.
"""

import asyncio
import contextlib
import fcntl
import itertools
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import asyncpg
import structlog

from tokenharbor.db.cluster import (
    SUPERUSER,
    WORKING_FOLDER,
    PostgresCluster,
    last_log_complaint,
    make_socket_folder,
    open_cluster,
    prepare,
    run_as_data_owner,
    socket_folder,
)
from tokenharbor.db.errors import in_one_line
from tokenharbor.db.programs import PostgresPrograms, find_programs
from tokenharbor.kernel.errors import Misconfigured

DATABASE = "tokenharbor"

_GATE_SECONDS = 330  # another process may be waiting for the replay of a long log
_READY_SECONDS = 300
_EXIT_SECONDS = 15  # processes that outlive a killed postmaster end within a second or two
_STOP_SECONDS = 30
_POLL_SECONDS = 0.005
_WATCH_SECONDS = 0.2
_RETRY_SECONDS = (0.2, 1, 5, 15)
_NOT_OURS = (FileNotFoundError, NotADirectoryError, ProcessLookupError, PermissionError)
"""Errors which mean that a process does not exist, or is another user's."""


class EmbeddedPostgres:
    """PostgreSQL under HOME, running while the `async with` lasts.

    With `lasting` the user is a server: when it leaves, it stops PostgreSQL, or the last command that still uses it
    does. Without, the user is a command, which leaves PostgreSQL as it found it. Entering raises Misconfigured if
    PostgreSQL cannot be started.
    """

    def __init__(self, home: Path, *, lasting: bool, programs: Callable[[], PostgresPrograms] = find_programs) -> None:
        self._home = home
        self._lasting = lasting
        self._find_programs = programs
        self._log = structlog.get_logger()
        self._users = -1
        self._started = False
        self.cluster: PostgresCluster
        self._programs: PostgresPrograms
        self.url = ""
        """The database's URL once entered; the same after every restart."""

    async def __aenter__(self) -> Self:
        self.cluster = open_cluster(self._home)
        self._programs = await asyncio.to_thread(self._find_programs)
        self._users = _open(self.cluster.users)
        try:
            async with self._gate():
                _lock(self._users, fcntl.LOCK_SH)
                await self._enter()
        except BaseException:
            os.close(self._users)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            async with self._gate():
                await self._leave()
        finally:
            os.close(self._users)

    async def supervise(self) -> None:
        """Start PostgreSQL again whenever it dies, until cancelled. Raises OSError if it cannot be watched."""
        while True:
            pid = postmaster_pid(self.cluster)
            while pid is not None and pid == postmaster_pid(self.cluster):  # noqa: ASYNC110  no child of ours
                await asyncio.sleep(_WATCH_SECONDS)
            self._log.warning("postgres_died", pid=pid)
            await self._revive()

    async def _revive(self) -> None:
        reason = ""
        for pause in itertools.chain(_RETRY_SECONDS, itertools.repeat(_RETRY_SECONDS[-1])):
            try:
                async with self._gate():
                    await self._ensure_running()
            except (Misconfigured, OSError) as error:
                if str(error) != reason:
                    reason = str(error)
                    self._log.error("postgres_start_failed", reason=reason)
                await asyncio.sleep(pause)
            else:
                self._log.info("postgres_restarted", pid=postmaster_pid(self.cluster))
                return

    async def _enter(self) -> None:
        try:
            await self._ensure_running()
        except BaseException:
            if self._started:
                await self._leave()
            raise
        if self._lasting:
            self.cluster.passing.unlink(missing_ok=True)

    async def _leave(self) -> None:
        """Stop the server if we must and no other process uses it."""
        passing = self.cluster.passing
        alone = _lock(self._users, fcntl.LOCK_EX)
        try:
            if not (self._lasting or passing.exists()):
                return
            if alone:
                await self._stop()
                passing.unlink(missing_ok=True)
                self._remove_sockets()
            else:
                passing.touch()
        finally:
            fcntl.flock(self._users, fcntl.LOCK_UN)

    async def _ensure_running(self) -> None:
        """Adopt the server or start it. Raises Misconfigured if neither is possible."""
        begin = self.cluster.log.stat().st_size if self.cluster.log.exists() else 0
        try:
            await self._adopt_or_start()
            await self._wait_until_ready(begin)
            folder = _postmaster_lines(self.cluster)[4]
            await _ensure_database(_url(folder, "postgres"))
        except (OSError, asyncpg.PostgresError) as error:
            reason = in_one_line(error)
            raise Misconfigured(f"the embedded PostgreSQL in {self.cluster.root} does not start: {reason}") from error
        self.url = _url(folder, DATABASE)

    async def _adopt_or_start(self) -> None:
        with _opened(self.cluster.alive) as alive:
            for _ in _ticks(_EXIT_SECONDS):
                if postmaster_pid(self.cluster) is not None:
                    return
                if _lock(alive, fcntl.LOCK_EX):
                    await self._start(alive)
                    return
                await asyncio.sleep(_POLL_SECONDS)
        raise Misconfigured(
            f"{self.cluster.data}: in use by a PostgreSQL that this process cannot see (in another container?)"
        )

    async def _start(self, alive: int) -> None:
        programs = run_as_data_owner(self.cluster, self._programs)
        await prepare(self.cluster, programs)
        sockets = socket_folder(self.cluster, programs)
        make_socket_folder(sockets, programs)
        # No process of the server lives, so this file is stale. Its pid may by now belong to another process (in
        # containers pids repeat), which PostgreSQL would take for a running server.
        self.cluster.postmaster.unlink(missing_ok=True)
        if not self._lasting:
            self.cluster.passing.touch()
        self._started = True
        with self.cluster.log.open("ab") as output:
            programs.start_detached(
                "postgres", "-D", WORKING_FOLDER, "-k", str(sockets),
                cwd=self.cluster.data, output=output.fileno(), keep=alive,
            )  # fmt: skip

    async def _wait_until_ready(self, begin: int) -> None:
        for _ in _ticks(_READY_SECONDS):
            if _postmaster_lines(self.cluster)[7:8] == ["ready"]:
                return
            if not _is_alive(self.cluster):
                complaint = last_log_complaint(self.cluster, begin)
                raise Misconfigured(f"the embedded PostgreSQL in {self.cluster.root} does not start: {complaint}")
            await asyncio.sleep(_POLL_SECONDS)
        raise Misconfigured(
            f"the embedded PostgreSQL in {self.cluster.root} is not ready: {last_log_complaint(self.cluster, begin)}"
        )

    def _remove_sockets(self) -> None:
        with contextlib.suppress(OSError):
            socket_folder(self.cluster, run_as_data_owner(self.cluster, self._programs)).rmdir()

    async def _stop(self) -> None:
        for request in (signal.SIGINT, signal.SIGQUIT):  # a fast shutdown, then an immediate one
            asked = None
            for _ in _ticks(_STOP_SECONDS):
                if not _is_alive(self.cluster):
                    return
                pid = postmaster_pid(self.cluster)
                if pid is not None and pid != asked:
                    asked = pid
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, request)
                await asyncio.sleep(_POLL_SECONDS)

    @contextlib.asynccontextmanager
    async def _gate(self) -> AsyncIterator[None]:
        with _opened(self.cluster.gate) as gate:
            for _ in _ticks(_GATE_SECONDS):
                if _lock(gate, fcntl.LOCK_EX):
                    break
                await asyncio.sleep(_POLL_SECONDS)
            else:
                raise Misconfigured(f"{self.cluster.gate}: locked by another process for too long")
            yield


def postmaster_pid(cluster: PostgresCluster) -> int | None:
    """Return the pid of the server's first process if it lives and is this cluster's: its working folder is the data's.

    Raises OSError if that cannot be determined, for example without a free file descriptor.
    """
    with contextlib.suppress(*_NOT_OURS, ValueError, IndexError):
        pid = int(_postmaster_lines(cluster)[0])
        if os.path.samestat(Path(f"/proc/{pid}/cwd").stat(), cluster.data.stat()):
            return pid
    return None


def _postmaster_lines(cluster: PostgresCluster) -> list[str]:
    try:
        return [line.strip() for line in cluster.postmaster.read_text().splitlines()]
    except FileNotFoundError:
        return []


def _is_alive(cluster: PostgresCluster) -> bool:
    with _opened(cluster.alive) as descriptor:
        return not _lock(descriptor, fcntl.LOCK_EX)


async def _ensure_database(url: str) -> None:
    conn = await _first_connection(url)
    try:
        if not await conn.fetchval("select true from pg_database where datname = $1", DATABASE):
            await conn.execute(f"create database {DATABASE}")
    finally:
        await conn.close()


async def _first_connection(url: str) -> asyncpg.Connection:
    """Connect, with retries: a server that recovers from the crash of one of its processes refuses at first."""
    for _ in _ticks(_EXIT_SECONDS):
        try:
            return await asyncpg.connect(url, timeout=_EXIT_SECONDS)
        except (asyncpg.CannotConnectNowError, ConnectionError):
            await asyncio.sleep(_POLL_SECONDS)
    return await asyncpg.connect(url, timeout=_EXIT_SECONDS)


def _url(folder: str, database: str) -> str:
    return f"postgresql://{SUPERUSER}@/{database}?host={quote(folder, safe='/')}"


def _ticks(seconds: float) -> range:
    return range(int(seconds / _POLL_SECONDS))


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = _open(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
