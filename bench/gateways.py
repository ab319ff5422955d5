"""`python -m bench.gateways`: the books of one to ten gateways on one PostgreSQL, without HTTP; what ends first."""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import asyncpg

from bench.house import House, start_house
from bench.machine import TOOLS, Started, cpu_seconds, free_port
from bench.rows import GATEWAY_CORE, MODELS, OTHER_CORES
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.kernel.world import World, real_world
from tokenharbor.ledger.batcher import Batcher
from tokenharbor.ledger.book import RequestBook
from tokenharbor.ledger.store import open_book
from tokenharbor.ledger.types import Hold, PlacedHold, Product, SettledCharge, Settlement

_GATEWAYS = (1, 2, 3, 5, 10)
_OPEN = 64  # requests at once in each gateway
_SECONDS = 5.0
_WALLETS = 1_000
_DETAIL = b'{"model":"bench"}' + b" " * 600  # as long as that of a usual request
_PRODUCT = Product("bench", "bench", "token-harbor", "", bytes(32))


@dataclass(frozen=True, slots=True)
class Carried:
    """What some gateways did together: requests a second; CPU of PostgreSQL and of all the gateways' books, µs each."""

    rate: float
    postgres_us: float
    books_us: float
    postgres_busy: float  # of its core
    p50_ms: float
    p99_ms: float


class BookLoad:
    """Requests that are held and settled, through one gateway's two batchers."""

    def __init__(self, book: RequestBook, world: World, payers: Sequence[Payer]) -> None:
        self._holds: Batcher[Any, Any] = Batcher(book.place)
        self._settlements: Batcher[Any, Any] = Batcher(book.settle)
        self._world = world
        self._payers = payers

    async def run(self, first: int, ends_at: float, took: list[float]) -> None:
        """One request after the other, each of another payer."""
        place = first
        while (began := perf_counter()) < ends_at:
            payer = self._payers[place % len(self._payers)]
            place += _OPEN
            hold = Hold(self._world.ids.new(), payer, Usd(1_000), self._world.clock.now(), 3_000)
            assert isinstance(await self._holds.submit(hold), PlacedHold)
            assert isinstance(await self._settlements.submit(self._settlement(hold)), SettledCharge)
            took.append(perf_counter() - began)

    def _settlement(self, hold: Hold) -> Settlement:
        return Settlement(
            hold.request_id,
            hold.payer,
            _PRODUCT,
            "complete",
            _DETAIL,
            self._world.entropy.bytes(16),
            self._world.clock.now(),
            Usd(700),
            ZERO,
            Usd(700),
            hold.amount,
            1_200,
        )


async def carry(house: House, gateways: int, payers: Sequence[Payer]) -> Carried:
    """`gateways` sets of books under load, for some seconds."""
    world, took = real_world(), list[float]()
    async with contextlib.AsyncExitStack() as stack:
        books = [
            await stack.enter_async_context(open_book(house.database_url, world.ids.new())) for _ in range(gateways)
        ]
        before, own, began = cpu_seconds(house.postgres_pid), process_time(), perf_counter()
        loads = [BookLoad(book, world, payers) for book in books]
        ends_at = began + _SECONDS
        await asyncio.gather(*[load.run(first, ends_at, took) for load in loads for first in range(_OPEN)])
        seconds = perf_counter() - began
        postgres, own = cpu_seconds(house.postgres_pid) - before, process_time() - own
    took.sort()
    return Carried(
        len(took) / seconds,
        postgres / len(took) * 1e6,
        own / len(took) * 1e6,
        postgres / seconds,
        took[len(took) // 2] * 1e3,
        took[int(len(took) * 0.99)] * 1e3,
    )


async def _payers(url: str) -> Sequence[Payer]:
    conn = await asyncpg.connect(url)
    try:
        rows = await conn.fetch(
            "SELECT account_id, id FROM api_key JOIN wallet USING (account_id) WHERE line_end > 1e12"
        )
        await conn.execute("INSERT INTO price VALUES ($1, '{}', now()) ON CONFLICT DO NOTHING", _PRODUCT.price_version)
        return [Payer(row["account_id"], row["id"]) for row in rows]
    finally:
        await conn.close()


async def measure(house: House) -> None:
    payers = await _payers(house.database_url)
    print("| wallets | gateways | requests a second | PostgreSQL, µs | books, µs | its core | p50, ms | p99, ms |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|")
    for wallets in (1, _WALLETS):
        for gateways in _GATEWAYS:
            c = await carry(house, gateways, payers[:wallets])
            print(
                f"| {wallets:,} | {gateways} | {c.rate:,.0f} | {c.postgres_us:.0f} | {c.books_us:.0f} | "
                f"{c.postgres_busy:.0%} | {c.p50_ms:.0f} | {c.p99_ms:.0f} |",
                flush=True,
            )


def main() -> int:
    (TOOLS / "bench").mkdir(parents=True, exist_ok=True)
    started = Started(Path(tempfile.mkdtemp(prefix="run-", dir=TOOLS / "bench")))
    try:
        house = start_house(started, (free_port(), free_port()), MODELS)
        house.open_wallets(_WALLETS)
        house.pin(GATEWAY_CORE, OTHER_CORES)
        os.sched_setaffinity(0, GATEWAY_CORE)
        asyncio.run(measure(house))
    finally:
        started.stop_all()
        shutil.rmtree(started.folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
