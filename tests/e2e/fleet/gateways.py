"""A fleet: several gateways, each with a HOME of its own, on one PostgreSQL, with one simulated vendor."""

import asyncio
import contextlib
import itertools
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from tests.e2e.auditor import Prices, read_prices
from tests.e2e.harbor import CONFIG, Harbor, command, start_simulator
from tests.e2e.raw_client import get
from tests.editions.derived import derive_text

EDITION = "token-harbor"
_SERVER = """
[server]
secret = "file:{secret}"
drain_seconds = 5
workers = {workers}

[database]
url = "{database}"
"""
_CREDENTIALS = {"SIM_KEY": "vendor-key-one", "SIM_KEY_TWO": "vendor-key-two"}


@dataclass
class Fleet:
    """Running gateways. `database`: as a gateway reaches it; `books`: as an auditor does, whatever lies between."""

    folder: Path
    gateways: list[Harbor]
    config: str
    books: str
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def urls(self) -> Sequence[str]:
        return [gateway.url for gateway in self.gateways]

    @property
    def prices(self) -> Prices:
        return read_prices(self.config, derive_text(EDITION))

    def run(self, *words: str, stdin: str = "") -> Any:
        """A command's JSON, in the first gateway's HOME."""
        return command(self.gateways[0].home, *words, stdin=stdin)

    def new_account(self, usd: str = "100.00") -> str:
        account: str = self.run("accounts", "create", "--email", f"tester{next(self._numbers)}@example.com")["id"]
        self.run("credit", account, "--usd", usd, "--pool", "paid", "--reason", "test")
        return account

    def new_key(self, account: str, *options: str) -> str:
        key: str = self.run("keys", "create", account, *options)["key"]
        return key

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[asyncpg.Connection]:
        """To the books, past the gateways."""
        conn = await asyncpg.connect(self.books)
        try:
            yield conn
        finally:
            await conn.close()

    async def start(self, which: Sequence[Harbor]) -> None:
        """All at once, as after a power cut."""
        await asyncio.gather(*(asyncio.to_thread(gateway.start) for gateway in which))

    def stop(self) -> None:
        for gateway in self.gateways:
            if gateway.server is not None and gateway.server.process.poll() is None:
                gateway.server.process.send_signal(signal.SIGCONT)
                gateway.server.process.send_signal(signal.SIGTERM)
        for gateway in self.gateways:
            if gateway.server is not None:
                gateway.server.process.wait(60)

    def worker_processes(self, place: int) -> Sequence[int]:
        """Of a gateway that has several: children of its fork server."""
        server = self.gateways[place].server
        assert server is not None
        return [worker for forks in _children(server.process.pid) for worker in _children(forks)]

    async def ready(self, seconds: float = 30) -> None:
        """Until every gateway says that it is."""
        async with asyncio.timeout(seconds):
            for url in self.urls:
                while (await get(url, "/readyz")).status != 200:  # noqa: ASYNC110  it is asked, it does not tell
                    await asyncio.sleep(0.05)


@contextlib.contextmanager
def running_fleet(
    *, vendor: str, database: str, books: str = "", workers: Sequence[int] = (1, 1, 1), config: str = CONFIG
) -> Iterator[Fleet]:
    """Gateways for as long as the `with` lasts. `books`: the database, where the gateways reach it another way;
    `workers`: how many each gateway has.
    """
    with tempfile.TemporaryDirectory(prefix="th-e2e-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        fleet = make_fleet(folder, vendor=vendor, database=database, workers=workers, config=config)
        fleet.books = books or database
        try:
            fleet.gateways[0].start()  # it migrates
            with ThreadPoolExecutor() as pool:
                list(pool.map(Harbor.start, fleet.gateways[1:]))
            yield fleet
        finally:
            fleet.stop()


@contextlib.contextmanager
def running_vendor(script: str) -> Iterator[str]:
    """The address of a simulator in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="th-e2e-") as name:
        simulator, url = start_simulator(script, Path(name))
        try:
            yield url
        finally:
            simulator.stop()


def _children(pid: int) -> Sequence[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def make_fleet(
    folder: Path, *, vendor: str, database: str, workers: Sequence[int], config: str, kind: type[Harbor] = Harbor
) -> Fleet:
    """Homes with one root secret; nothing runs yet."""
    secret, text = folder / "root.key", config.format(url=vendor)
    secret.write_text("0123456789abcdef" * 4)
    secret.chmod(0o600)
    homes: list[Harbor] = []
    for number, count in enumerate(workers):
        home = folder / f"home{number}"
        home.mkdir(mode=0o700)
        (home / "tokenharbor.toml").write_text(text + _SERVER.format(secret=secret, database=database, workers=count))
        homes.append(kind(home, vendor, dict(_CREDENTIALS)))
    return Fleet(folder, homes, text, database)
