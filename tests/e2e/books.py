"""Helpers that act on a running harbor: read its books, lock its rows, kill its processes."""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
from tests.e2e.auditor import NANO, nano
from tests.e2e.harbor import Harbor
from tests.e2e.raw_client import read
from tests.postgres_server import processes_in

from tokenharbor.kernel import ids


def database_url(home: Path) -> str:
    """Of the embedded PostgreSQL that runs in this HOME."""
    folder = (home / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[4]
    return f"postgresql://tokenharbor@/tokenharbor?host={folder}"


@contextlib.asynccontextmanager
async def connected(home: Path) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(database_url(home))
    try:
        yield conn
    finally:
        await conn.close()


@contextlib.asynccontextmanager
async def locked(home: Path, account: str) -> AsyncIterator[None]:
    """An account's wallet, locked by a stranger."""
    async with connected(home) as conn, conn.transaction():
        statement = "select from wallet where account_id = $1 for update"
        assert await conn.execute(statement, ids.parse("acct", account)) == "SELECT 1"
        yield


def postgres_processes(home: Path) -> Sequence[int]:
    """Every process of this HOME's PostgreSQL: they work in its data folder."""
    return processes_in(home / "postgres" / "data")


def kill(pids: Sequence[int], how: signal.Signals = signal.SIGKILL) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)


@contextlib.contextmanager
def nobody_starts_postgres(home: Path) -> Iterator[None]:
    """As long as this lasts, whoever wants to start or stop the embedded PostgreSQL waits."""
    with (home / "postgres" / "gate.lock").open("ab") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


def verified(harbor: Harbor) -> dict[str, Any]:
    """`ledger verify` finds nothing."""
    report: dict[str, Any] = harbor.cli("ledger", "verify")
    return report


async def balance(url: str, key: str) -> tuple[int, int]:
    """Available and held, in nano-USD."""
    said = await read(url, "/v1/account/balance", key)
    return nano(said["balance_usd"]), nano(said["held_usd"])


async def nothing_held(url: str, key: str, seconds: float = 20) -> int:
    """Wait until no hold is left; what is available then."""
    async with asyncio.timeout(seconds):
        while True:
            available, held = await balance(url, key)
            if not held:
                return available
            await asyncio.sleep(0.05)


async def receipts(url: str, key: str, limit: int = 1000) -> Sequence[dict[str, Any]]:
    """The account's latest, in full."""
    listed = (await read(url, f"/v1/requests?limit={limit}", key))["data"]
    return [await read(url, f"/v1/requests/{each['id']}", key) for each in listed]


def usd(amount: int) -> str:
    """Nano-USD as a decimal string of USD."""
    return f"{amount // NANO}.{amount % NANO:09d}"


def simulator(harbor: Harbor, method: str, path: str, body: str | None = None) -> Any:
    data = None if body is None else body.encode()
    kind = "application/json" if body and body.startswith("{") else "application/toml"
    request = urllib.request.Request(  # noqa: S310  loopback
        f"{harbor.simulator}/simulator/{path}", data=data, method=method, headers={"content-type": kind}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  likewise
        return json.loads(answer.read() or b"null")
