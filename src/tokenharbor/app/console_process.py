"""The console's process from the server's side: started, restarted, reloaded and stopped."""

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import asyncpg
import msgspec
import structlog

from tokenharbor.app.console_task import CONSOLE_SOCKET, RELOAD, ConsoleTask
from tokenharbor.app.server_url import name_loopback
from tokenharbor.app.settings import Settings
from tokenharbor.app.workers import restart_pause_seconds
from tokenharbor.db.errors import in_one_line
from tokenharbor.db.pool import ConnectOptions, Login, close, connect
from tokenharbor.db.roles import ensure_console_role
from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.secret import RootSecret, SecretPurpose

_STEADY_SECONDS: Final = 60.0  # a process that ran this long has recovered
_END_SECONDS: Final = 10.0
_log = structlog.get_logger("console")


class ConsoleProcess:
    """Keeps a console process running. A failure to start or an early end is only logged: requests need no console."""

    def __init__(self, task: ConsoleTask, clock: Clock) -> None:
        self._task = task
        self._clock = clock
        self._process: Process | None = None
        self._stopping = asyncio.Event()

    def reload(self) -> None:
        """Tell the process to reload edition and catalogue."""
        if self._process is not None and self._process.returncode is None:
            _stdin(self._process).write(RELOAD)

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Keep the process running until the `async with` ends, then stop it."""
        keeping = asyncio.ensure_future(self._keep())
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await self._end()

    def begin_stop(self) -> None:
        """Tell the process to end. A server that drains must not wait for its open streams."""
        self._stopping.set()
        if self._process is not None:
            _stdin(self._process).close()

    async def _keep(self) -> None:
        short = 0
        while not self._stopping.is_set():
            began = self._clock.monotonic()
            try:
                reason = f"exit code {await self._run_once()}"
            except OSError as error:  # no memory, no descriptor left
                reason = str(error)
            if self._stopping.is_set():
                return
            _log.error("console_ended", reason=reason)
            short = 0 if self._clock.monotonic() - began > _STEADY_SECONDS else short + 1
            await asyncio.sleep(restart_pause_seconds(short))

    async def _run_once(self) -> int:
        """Start the process, wait for its end, and return its exit code."""
        process = self._process = await create_subprocess_exec(
            sys.executable, "-m", "tokenharbor.app.console", stdin=PIPE, start_new_session=True
        )
        _stdin(process).write(msgspec.json.encode(self._task) + b"\n")
        code = await process.wait()
        self._remove_socket()
        return code

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        _stdin(process).close()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await process.wait()
        except TimeoutError:
            _log.error("console_killed", reason=f"it did not end within {_END_SECONDS:.0f} seconds")
            process.kill()
            await process.wait()
        self._remove_socket()

    def _remove_socket(self) -> None:
        """Remove the socket: the gateway takes its existence as a sign that the console runs."""
        (Path(self._task.home) / CONSOLE_SOCKET).unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def run_console(
    settings: Settings, root: RootSecret, database_url: str, url: str, clock: Clock
) -> AsyncIterator[ConsoleProcess]:
    """Run the console of a server that listens at `url`, unless it is disabled. Raises DatabaseUnavailable."""
    enabled = settings.console.enabled
    login = await _create_console_role(database_url, root) if enabled else None
    browser_url = settings.server.public_url or name_loopback(url)
    task = ConsoleTask(str(settings.home), str(settings.file), database_url, login, browser_url)
    console = ConsoleProcess(task, clock)
    async with console.run() if enabled else contextlib.nullcontext():
        yield console


async def _create_console_role(database_url: str, root: RootSecret) -> Login | None:
    """Create the console's database role and return its login.

    Return None, and log why, if the server may not create roles: the console then logs in as the server does.
    """
    password = root.derive(SecretPurpose.CONSOLE_ROLE).secret.hex()
    conn = await connect(ConnectOptions(database_url, "tokenharbor-setup"))
    try:
        login = await ensure_console_role(conn, password)
        await close(await connect(ConnectOptions(database_url, "tokenharbor-setup", login=login)))
    except (asyncpg.InsufficientPrivilegeError, Misconfigured) as error:
        _log.warning("console_shares_login", reason=in_one_line(error))
        return None
    finally:
        await close(conn)
    return login


def _stdin(process: Process) -> asyncio.StreamWriter:
    if process.stdin is None:
        raise RuntimeError("the console process has no stdin pipe")
    return process.stdin
