"""The gateway under test: `tokenharbor serve` on its embedded PostgreSQL, with wallets and keys, its books in view."""

import asyncio
import subprocess
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, TypeVar

import asyncpg

from bench.machine import Missing, Program, Started, cpu_seconds, free_port, pin, resident_mib, wait_until
from tokenharbor.identity.keys import make_key
from tokenharbor.identity.store import KeyRules, add_key, create_account
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.secret import Purpose, read_or_make
from tokenharbor.kernel.world import World, real_world
from tokenharbor.ledger.store import PostgresBook, open_book
from tokenharbor.ledger.types import Credit, Pool

T = TypeVar("T")
_WALLET = Usd(100_000_000_000_000)  # 100,000 USD each: nobody runs dry
_QUIET_SECONDS = 30

_CONFIG = """\
[providers.bench]
wire = "openai_chat"
base_url = "http://127.0.0.1:{vendor}/small/v1"
credential = "env:BENCH_VENDOR_KEY"

[providers.benchlarge]
wire = "openai_chat"
base_url = "http://127.0.0.1:{vendor}/large/v1"
credential = "env:BENCH_VENDOR_KEY"

[providers.benchmessages]
wire = "anthropic_messages"
base_url = "http://127.0.0.1:{vendor}/messages/v1"
credential = "env:BENCH_VENDOR_KEY"

[providers.benchdrip]
wire = "openai_chat"
base_url = "http://127.0.0.1:{drip}/drip/v1"
credential = "env:BENCH_VENDOR_KEY"
"""
_MODEL = """
[models."{name}"]
vendor = "bench"
context = 200000
max_output = 8192
capabilities = ["tools"]

[[models."{name}".endpoints]]
provider = "{provider}"
upstream_model = "{upstream}"
price = {{ input = "1.00", output = "2.00", cache_read = "0.10", cache_write = "1.25" }}
"""


@dataclass(frozen=True, slots=True)
class Sold:
    """A model on sale in the bench."""

    name: str
    provider: str
    upstream: str


@dataclass
class House:
    """A running gateway. Its own process tree is `program`'s; PostgreSQL's is another."""

    home: Path
    port: int
    program: Program
    database_url: str
    postgres_pid: int

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def cpu(self) -> tuple[float, float]:
        """Seconds so far: the gateway's, PostgreSQL's."""
        return cpu_seconds(self.program.pid), cpu_seconds(self.postgres_pid)

    def pin(self, gateway: set[int], postgres: set[int]) -> None:
        pin(self.program.pid, gateway)
        pin(self.postgres_pid, postgres)

    def resident_mib(self) -> float:
        return resident_mib(self.program.pid)

    def billed(self) -> int:
        """How many requests the books have charged, once no hold is open."""
        return _run(self._billed())

    async def _billed(self) -> int:
        conn = await asyncpg.connect(self.database_url)
        try:
            end = perf_counter() + _QUIET_SECONDS
            while await conn.fetchval("SELECT EXISTS (SELECT FROM hold)"):
                assert perf_counter() < end, "holds are left over"
                await asyncio.sleep(0.05)
            count: int = await conn.fetchval("SELECT count(*) FROM entry WHERE type = 'usage' AND amount > 0")
            return count
        finally:
            await conn.close()

    async def postgres_version(self) -> str:
        conn = await asyncpg.connect(self.database_url)
        try:
            return str(await conn.fetchval("SHOW server_version"))
        finally:
            await conn.close()

    def open_wallets(self, count: int) -> Sequence[str]:
        """Accounts with money and one key each; their keys."""
        return _run(self._open_wallets(count))

    async def _open_wallets(self, count: int) -> Sequence[str]:
        world = real_world()
        hashes = read_or_make(self.home / "secret.key", world.entropy).derive(Purpose.KEY_HASHES)
        conn = await asyncpg.connect(self.database_url)
        keys = []
        async with open_book(self.database_url, world.ids.new()) as book:
            for number in range(count):
                email = f"bench-{world.ids.new().hex}@example.com"
                account = await create_account(conn, world, email, "token-harbor")
                key = make_key(world.entropy)
                await add_key(conn, world, hashes, account.id, (key, KeyRules(name=f"bench {number}")))
                await _give(book, world, account.id)
                keys.append(key.key)
        await conn.close()
        return keys

    def cli(self, *words: str) -> str:
        """What a command says; Missing if it fails."""
        command = [sys.executable, "-m", "tokenharbor", *words, "--home", str(self.home)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise Missing(f"tokenharbor {' '.join(words)} fails: {done.stdout}{done.stderr}")
        return done.stdout.strip()


async def _give(book: PostgresBook, world: World, account: Any) -> None:
    await book.credit(
        Credit(world.ids.new(), world.ids.new(), account, Pool.PAID, "operator", _WALLET, world.clock.now(), "bench")
    )


def start_house(started: Started, vendor: int, drip: int, models: Sequence[Sold]) -> House:
    """Serve with the bench's providers and models, in a new HOME."""
    home, port = started.folder / "home", free_port()
    home.mkdir()
    config = started.folder / "tokenharbor.toml"
    sold = [_MODEL.format(name=model.name, provider=model.provider, upstream=model.upstream) for model in models]
    config.write_text(_CONFIG.format(vendor=vendor, drip=drip) + "".join(sold))
    program = started.start(
        "gateway", "/usr/bin/env", "BENCH_VENDOR_KEY=bench", sys.executable, "-m", "tokenharbor", "serve",
        "--home", str(home), "--config", str(config), "--port", str(port),
    )  # fmt: skip
    wait_until(lambda: "listening on " in program.log.read_text(errors="replace"), program)
    lines = (home / "postgres/data/postmaster.pid").read_text().splitlines()
    started.detached.append(int(lines[0]))
    return House(home, port, program, f"postgresql://tokenharbor@/tokenharbor?host={lines[4]}", int(lines[0]))


class Snapshot:
    """A REPEATABLE READ snapshot, held open by a session of its own, for as long as the `with` lasts."""

    def __init__(self, started: Started, url: str) -> None:
        self._started = started
        self._url = url

    def __enter__(self) -> None:
        self._program = self._started.start("snapshot", sys.executable, "-m", "bench.snapshot", self._url)
        wait_until(lambda: "open" in self._program.log.read_text(), self._program)

    def __exit__(self, *_: object) -> None:
        assert self._program.process.poll() is None, self._program.last_words()
        self._program.stop()


def settle_down() -> None:
    """A breath between two rows."""
    sleep(0.3)


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)
