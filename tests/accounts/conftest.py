"""The fixtures of the tests of accounts: a world with a manual clock, a migrated database, catalogue and account."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest

from tokenharbor.catalog.load import load_catalog
from tokenharbor.catalog.types import Catalog
from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.db.pool import ConnectOptions, connect
from tokenharbor.identity.store import Account, create_account
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.secret import RootSecret
from tokenharbor.kernel.world import World, make_world
from tokenharbor.wire import PROVIDER_DIALECTS

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def world(clock: ManualClock) -> World:
    return make_world(clock, SeededEntropy(1))


@pytest.fixture
def root() -> RootSecret:
    return RootSecret("of-the-tests-" * 4)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    aws = {"wire": "bedrock_converse", "base_url": "http://127.0.0.1:1", "region": "us-east-1"}
    return load_catalog({"providers": {"aws": aws}}, PROVIDER_DIALECTS)


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(ConnectOptions(database_url))
    await ensure_partitions(connection, START)
    yield connection
    await connection.close()


@pytest.fixture
async def account(conn: asyncpg.Connection, world: World) -> Account:
    return await create_account(conn, world, "ada@example.com", "e")
