"""A separate process that checks the rows of requests, so that `ledger verify` uses two cores.

The check of requests is independent of the audit of entries and takes nearly as long, so both run at once. Threads
would share one core. Splitting the entries is not possible, as the hash chain links each to the one before. The
database's URL is sent on stdin, since it may hold a password; the answer comes back on stdout.
"""

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator

import msgspec

from tokenharbor.app.session import CommandSession
from tokenharbor.db.pool import ConnectOptions, close, connect
from tokenharbor.kernel.errors import DatabaseUnavailable, Misconfigured, WorkerFailed
from tokenharbor.ledger.pages import count_entries
from tokenharbor.ledger.request_audit import find_request_fault
from tokenharbor.ledger.verify import RequestCheck

_WORTH_A_PROCESS = 20_000  # entries; checking them takes as long as starting a process


class _Answer(msgspec.Struct, frozen=True):
    """The first fault found, or why the database could not be read."""

    fault: str | None = None
    unavailable: str | None = None


@contextlib.asynccontextmanager
async def start_request_check(session: CommandSession) -> AsyncIterator[RequestCheck | None]:
    """Start the check in a process that ends with the `async with`; yield None if there are too few entries."""
    if await count_entries(session.conn) < _WORTH_A_PROCESS:
        yield None
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", __name__, stdin=PIPE, stdout=PIPE, start_new_session=True
    )  # in a new session: Ctrl-C then reaches only this process, which kills the other
    answer = asyncio.create_task(process.communicate(msgspec.json.encode(session.database)))
    try:
        yield lambda: _read_answer(process, answer)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.wait([answer])


async def _read_answer(process: Process, answer: asyncio.Task[tuple[bytes, bytes]]) -> str | None:
    """Return the first fault, None if there is none. Raises DatabaseUnavailable, WorkerFailed."""
    written, _ = await answer
    if process.returncode:
        raise WorkerFailed(f"the process that checks requests failed with exit code {process.returncode}")
    found = msgspec.json.decode(written, type=_Answer)
    if found.unavailable is not None:
        raise DatabaseUnavailable(found.unavailable)
    return found.fault


async def _check(options: ConnectOptions) -> _Answer:
    try:
        conn = await connect(options)
        try:
            return _Answer(fault=await find_request_fault(conn))
        finally:
            await close(conn)
    except (DatabaseUnavailable, Misconfigured) as error:
        return _Answer(unavailable=str(error))


def _main() -> None:
    options = msgspec.json.decode(sys.stdin.buffer.read(), type=ConnectOptions)
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(_check(options))))


if __name__ == "__main__":
    _main()
