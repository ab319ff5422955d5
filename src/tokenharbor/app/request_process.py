"""A process of its own that checks the rows of requests, so that `ledger verify` uses two cores.

The rows of requests need nothing that the entries' audit finds, and cost nearly as much: one reads and hashes while the
other does. (Threads would take turns. To split the entries themselves would break the hash chain, which is not kept per
entry.) The URL goes in by stdin, since it may hold a password; the answer comes back by stdout.
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

_WORTH_A_PROCESS = 20_000  # entries, which take as long as a process takes to start


class _Answer(msgspec.Struct, frozen=True):
    """What the process found, or why it could not look."""

    fault: str | None = None
    unavailable: str | None = None


@contextlib.asynccontextmanager
async def check_requests_beside(session: CommandSession) -> AsyncIterator[RequestCheck | None]:
    """The check, begun in a process that lives no longer than the `with`; None where there are too few entries."""
    if await count_entries(session.conn) < _WORTH_A_PROCESS:
        yield None
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", __name__, stdin=PIPE, stdout=PIPE, start_new_session=True
    )  # a session of its own: Ctrl-C is for us, who end it
    answer = asyncio.create_task(process.communicate(msgspec.json.encode(session.database)))
    try:
        yield lambda: _read_answer(process, answer)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.wait([answer])


async def _read_answer(process: Process, answer: asyncio.Task[tuple[bytes, bytes]]) -> str | None:
    """Raises DatabaseUnavailable, WorkerFailed."""
    written, _ = await answer
    if process.returncode:
        raise WorkerFailed(f"the process that checks the requests ended with {process.returncode}")
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
