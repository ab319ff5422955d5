"""The fixtures that all runs of the money machine share: an emptied database, connections, books, an edition."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import asyncpg
import msgspec
from tests.loops import ClosingLoop

from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.db.pool import ConnectOptions, connect
from tokenharbor.editions.load import load_edition
from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.store import PostgresBook, open_book

START: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)

_CONNECTIONS = 4
_DATABASE = "money"
_GATEWAY = UUID(int=0x019CA95BE2007000800000000000000A)
_TABLES = """
select 'entry' as relname union all select relname from pg_class c join pg_namespace n on n.oid = relnamespace
where nspname = 'public' and relkind = 'r' and not relispartition
    and relname not in ('gateway', 'job', 'meta', 'migration')
"""


def reward_edition() -> Policy:
    """Return an edition with all rewards and all features of the others; its terms are so short and its caps so low
    that a run of a few days and dollars reaches them.
    """
    policy = load_edition("token-harbor")
    changes: dict[str, dict[str, Any]] = {
        "topups": {
            "processors": ("stripe",), "methods": ("card",), "custom": True, "min_usd": "1", "max_usd": "100",
            "expires_months": 2,
        },
        "grants": {"daily_usd": "0.2", "daily_days": 3},
        "match": {"max_usd": "12", "expires_days": 20, "within_days": 14},
        "cashback": {"day_usd": "1.5", "step_bp": 100},
        "incentives": {"life_usd": "16"},
        "referral": {"unpaid_referrals": 1},
        "auto_topup": {"enabled": True, "theft_factor": 1000},
        "withdrawals": {"min_usd": "1"},
        "refunds": {"days": 10},
        "disputes": {"deadline_days": {"stripe": 30}},
    }  # fmt: skip
    sections = {name: msgspec.structs.replace(getattr(policy, name), **each) for name, each in changes.items()}
    return msgspec.structs.replace(policy, **sections)


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """What a token costs, and the version of that."""

    nano: int

    @property
    def body(self) -> str:
        return f'{{"input":"{self.nano}"}}'

    @property
    def version(self) -> bytes:
        return sha256(self.body.encode()).digest()


PRICES: Final = (TokenPrice(1_000_000), TokenPrice(1_700_001), TokenPrice(333_333))
"""Of a token, in nano-dollars: a thousand tokens are a dollar at the first."""


@dataclass
class Connections:
    """Connections that are reused as they are; a pool would reset each one on release."""

    free: asyncio.LifoQueue[asyncpg.Connection]

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[asyncpg.Connection]:
        conn = await self.free.get()
        try:
            yield conn
        finally:
            self.free.put_nowait(conn)


@dataclass
class Stage:
    """The database and its connections. `days` are the days with partitions."""

    runner: asyncio.Runner
    connections: Connections
    book: PostgresBook
    policy: Policy
    cleaning: str
    days: set[str] = field(default_factory=set)
    seen: Counter[str] = field(default_factory=Counter)

    async def reach(self, now: datetime) -> None:
        """Make the partitions of a day."""
        if f"request_{now:%Y%m%d}" not in self.days:
            self.days.add(f"request_{now:%Y%m%d}")
            async with self.connections.acquire() as conn:
                await ensure_partitions(conn, now)

    async def clean(self) -> None:
        """Delete all rows of accounts and entries."""
        requests = _deletion(sorted(self.days))
        async with self.connections.acquire() as conn:
            await conn.execute(f"begin; set local session_replication_role = replica; {self.cleaning}{requests} commit")


@contextlib.contextmanager
def running_stage(server_url: str, template: str) -> Iterator[Stage]:
    """Yield a stage with its own database, a copy of a migrated one that is dropped afterwards."""
    with asyncio.Runner(loop_factory=ClosingLoop) as runner:
        runner.run(_administer(server_url, f"create database {_DATABASE} template {template}"))
        opening = _open_stage(runner, server_url % _DATABASE)
        try:
            yield runner.run(anext(opening))
        finally:
            runner.run(opening.aclose())
            runner.run(_administer(server_url, f"drop database {_DATABASE} with (force)"))


async def _open_stage(runner: asyncio.Runner, url: str) -> AsyncGenerator[Stage, None]:
    async with contextlib.AsyncExitStack() as stack:
        connections = Connections(asyncio.LifoQueue())
        for _ in range(_CONNECTIONS):
            conn = await connect(ConnectOptions(url, statement_timeout_ms=60_000))
            stack.push_async_callback(conn.close)
            connections.free.put_nowait(conn)
        tables = [row["relname"] for row in await conn.fetch(_TABLES)]
        await conn.execute("insert into gateway values ($1, '/home', 1, $2)", _GATEWAY, START)
        book = await stack.enter_async_context(open_book(url, _GATEWAY))
        yield Stage(runner, connections, book, reward_edition(), _deletion(tables))


def _deletion(tables: Iterable[str]) -> str:
    return "".join(f"delete from {name};" for name in tables)  # noqa: S608  names of tables


async def _administer(server_url: str, statement: str) -> None:
    conn = await asyncpg.connect(server_url % "postgres")
    try:
        await conn.execute(statement)
    finally:
        await conn.close()
