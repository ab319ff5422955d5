"""The gateway under test: `tokenharbor serve` on its embedded PostgreSQL, with wallets and keys, its books in view."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, TypeVar

import asyncpg

from bench.machine import (
    ROOT,
    Missing,
    Program,
    Started,
    command_of,
    cpu_seconds,
    free_port,
    pin,
    resident_mib,
    tree,
    wait_until,
)

T = TypeVar("T")
SOURCE = ROOT / "src"
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
_LIMITS = """
UPDATE account SET rpm = 1000000000, tpm = 1000000000000, concurrency = 1000000000, key_rpm = 1000000000,
    key_tpm = 1000000000000, key_concurrency = 1000000000, daily = 1000000000000000000, monthly = 1000000000000000000;
UPDATE api_key SET rpm = 1000000000, tpm = 1000000000000, concurrency = 1000000000, quota = 1000000000000000000,
    daily = 1000000000000000000, monthly = 1000000000000000000;
"""


_TIDY = ("VACUUM wallet, key_meter, hold", "CHECKPOINT")


@dataclass(frozen=True, slots=True)
class SoldModel:
    """A model on sale in the bench."""

    name: str
    provider: str
    upstream: str


@dataclass
class House:
    """A running gateway, with all its workers. Its own process tree is `program`'s; PostgreSQL's is another."""

    home: Path
    port: int
    program: Program
    database_url: str
    postgres_pid: int
    source: Path = SOURCE  # of the product that runs

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def cpu(self) -> tuple[float, float]:
        """Seconds so far: the gateway's without its console's, PostgreSQL's."""
        return cpu_seconds(self.program.pid) - self.console_cpu(), cpu_seconds(self.postgres_pid)

    def console_cpu(self) -> float:
        """Seconds of the console that runs beside it so far."""
        consoles = [pid for pid in tree(self.program.pid) if "tokenharbor.app.console" in command_of(pid)]
        return sum(cpu_seconds(pid) for pid in consoles)

    def pin(self, gateway: set[int], postgres: set[int]) -> None:
        pin(self.program.pid, gateway)
        pin(self.postgres_pid, postgres)

    def resident_mib(self) -> float:
        return resident_mib(self.program.pid)

    def wait_for_ends(self) -> None:
        """Wait until no hold is open."""
        _run(self._wait_for_ends())

    async def _wait_for_ends(self) -> None:
        conn = await asyncpg.connect(self.database_url)
        try:
            end = perf_counter() + _QUIET_SECONDS
            while await conn.fetchval("SELECT EXISTS (SELECT FROM hold)"):
                assert perf_counter() < end, "holds are left over"
                await asyncio.sleep(0.05)
        finally:
            await conn.close()

    def billed(self) -> int:
        """How many requests the books have settled, once no hold is open: hits of a cache, too, for nothing."""
        return _run(self._billed())

    async def _billed(self) -> int:
        await self._wait_for_ends()
        conn = await asyncpg.connect(self.database_url)
        try:
            count: int = await conn.fetchval("SELECT count(*) FROM entry WHERE type = 'usage'")
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
        return self._run("bench.wallets", str(self.home), self.database_url, str(count)).split()

    def open_limited_key(self) -> str:
        """A key of an account with money, and one request a minute."""
        account = json.loads(self.cli("accounts", "create", "--email", "limited@bench.invalid", "--json"))["id"]
        self.cli("credit", account, "--usd", "100", "--pool", "paid", "--reason", "bench")
        key: str = json.loads(self.cli("keys", "create", account, "--rpm", "1", "--json"))["key"]
        return key

    def limit_all(self) -> None:
        """Every limit of every account and key, so high that none is reached."""
        _run(self._execute(_LIMITS))

    def tidy(self) -> None:
        """PostgreSQL without dead rows in the hot tables, and just after a checkpoint: each page that is changed after
        one is written in full once, which otherwise is paid by whoever comes first.
        """
        _run(self._execute(*_TIDY))

    async def _execute(self, *statements: str) -> None:
        conn = await asyncpg.connect(self.database_url)
        try:
            for statement in statements:
                await conn.execute(statement)
        finally:
            await conn.close()

    def cli(self, *words: str) -> str:
        """What a command says; Missing if it fails."""
        return self._run("tokenharbor", *words, "--home", str(self.home))

    def _run(self, *words: str) -> str:
        command = [*python(self.source), "-m", *words]
        root = self.source.parent  # whose own bench knows how to speak to it
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=root)
        if done.returncode:
            raise Missing(f"{' '.join(words)} fails: {done.stdout}{done.stderr}")
        return done.stdout.strip()


def python(source: Path, *variables: str) -> list[str]:
    """This environment's Python, with the product as it stands in a folder, and variables of its own."""
    return ["/usr/bin/env", f"PYTHONPATH={source}", *variables, sys.executable]


def start_house(
    started: Started, ports: tuple[int, int], models: Sequence[SoldModel], source: Path = SOURCE, workers: int = 1
) -> House:
    """Serve with the bench's providers (the vendor's port, the drip's) and models, in a new HOME."""
    port = free_port()
    folder = started.folder / f"house-{port}"
    home, config = folder / "home", folder / "tokenharbor.toml"
    home.mkdir(parents=True)
    sold = [_MODEL.format(name=model.name, provider=model.provider, upstream=model.upstream) for model in models]
    config.write_text(_CONFIG.format(vendor=ports[0], drip=ports[1]) + "".join(sold))
    environment = ("BENCH_VENDOR_KEY=bench", f"TOKENHARBOR_SERVER_WORKERS={workers}")
    program = started.start(
        f"gateway-{port}", *python(source, *environment), "-m", "tokenharbor", "serve",
        "--home", str(home), "--config", str(config), "--port", str(port),
    )  # fmt: skip
    wait_until(lambda: "listening on " in program.log.read_text(errors="replace"), program)
    lines = (home / "postgres/data/postmaster.pid").read_text().splitlines()
    started.detached.append(int(lines[0]))
    url = f"postgresql://tokenharbor@/tokenharbor?host={lines[4]}"
    return House(home, port, program, url, int(lines[0]), source)


class LivePages:
    """Pages that follow accounts, each one of its own, for as long as the `with` lasts."""

    def __init__(self, started: Started, house: House, count: int) -> None:
        self._started = started
        self._words = (str(house.home), house.database_url, str(house.port), str(count))

    def __enter__(self) -> Program:
        program = self._program = self._started.start("pages", *python(SOURCE), "-m", "bench.watchers", *self._words)
        wait_until(lambda: "open" in program.log.read_text(), program)
        return program

    def __exit__(self, *_: object) -> None:
        assert self._program.process.poll() is None, self._program.last_words()
        self._program.stop()


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


def pause_between_rows() -> None:
    """A breath between two rows."""
    sleep(0.3)


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)
