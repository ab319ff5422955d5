"""The fixtures of the tests of identity: a world with a manual clock, and a migrated database."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest

from tokenharbor.db.pool import ConnectOptions, connect
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.secret import DerivedSecret, RootSecret, SecretPurpose
from tokenharbor.kernel.world import World, make_world

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def world(clock: ManualClock) -> World:
    return make_world(clock, SeededEntropy(1))


@pytest.fixture
def derived() -> DerivedSecret:
    return RootSecret("of-the-tests-" * 4).derive(SecretPurpose.KEY_HASHES)


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(ConnectOptions(database_url))
    yield connection
    await connection.close()
