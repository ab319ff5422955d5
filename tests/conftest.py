"""Fixtures that rooms share: one PostgreSQL for the session, and a fresh database for whoever asks."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import asyncpg
import pytest
from hypothesis import settings
from tests.postgres_server import create_database, name_of, new_database_name, running_postgres

from tokenharbor.db.migrate import migrate, read_migrations

# `make check` looks at a few examples of each property, `make test` at many; machines may be busy in either.
settings.register_profile("quick", max_examples=10, deadline=None)
settings.register_profile("thorough", max_examples=200, deadline=None)
settings.load_profile("quick")

# Thousands of collected tests live to the end: to walk them at each full collection costs a fifth of the time. Tests of
# what is left to the collector call it themselves.
gc.set_threshold(50_000, 50, 100)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--one-case", action="store_true", help="only the first case of each test, but all house rules")
    parser.addoption(
        "--at-length", action="store_true", help="faults and soak as `make chaos`, `make soak` say; 2,000 runs of money"
    )
    parser.addoption("--seed", type=int, default=2026, help="of random faults and traffic")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("one_case"):
        first: dict[str, pytest.Item] = {}
        for item in items:
            is_rule = item.nodeid.startswith("tests/house/")
            first.setdefault(item.nodeid if is_rule else item.nodeid.partition("[")[0], item)
        items[:] = first.values()
    if workers := getattr(config, "workerinput", {}).get("workercount"):
        items[:] = _long_ones_first(items, workers)


def _long_ones_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Each process is given its share of the list, and whoever is done takes from the end of another's. So the long
    ones (`mark.takes`) begin the shares: at the end there are short ones, and nobody waits for the last.
    """
    long = sorted((item for item in items if _seconds(item)), key=_seconds, reverse=True)
    rest = [item for item in items if not _seconds(item)]
    dealt: list[pytest.Item] = []
    for place in range(workers):
        hand = long[place :: 2 * workers] + long[2 * workers - 1 - place :: 2 * workers]  # there and back
        share = (len(items) - len(dealt)) // (workers - place)
        count = max(0, share - len(hand))
        dealt += hand + rest[:count]
        rest = rest[count:]
    return dealt + rest


def _seconds(item: pytest.Item) -> float:
    mark = item.get_closest_marker("takes")
    return float(mark.args[0]) if mark else 0


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of the session's server, with `%s` where the database's name goes."""
    with running_postgres() as server:
        yield server.url


@pytest.fixture(scope="session")
def migrated_template(postgres_url: str) -> str:
    """The name of a database with every migration applied, to be copied."""
    url = create_database(postgres_url, "template")
    with ThreadPoolExecutor(1) as thread:  # where a loop may run already
        thread.submit(asyncio.run, _migrate(url)).result()
    return name_of(url)


@pytest.fixture
async def database_url(postgres_url: str, migrated_template: str) -> AsyncIterator[str]:
    """The URL of a fresh database with every migration applied; it is gone after the test."""
    async for url in _fresh_database(postgres_url, migrated_template):
        yield url


@pytest.fixture
async def empty_database_url(postgres_url: str) -> AsyncIterator[str]:
    """The URL of a fresh database without a table."""
    async for url in _fresh_database(postgres_url, "template1"):
        yield url


async def _fresh_database(postgres_url: str, template: str) -> AsyncIterator[str]:
    name = new_database_name("test")
    await _administer(postgres_url, f"create database {name} template {template} strategy file_copy")
    yield postgres_url % name
    await _administer(postgres_url, f"drop database {name} with (force)")


async def _administer(postgres_url: str, statement: str) -> None:
    conn = await asyncpg.connect(postgres_url % "postgres")
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


async def _migrate(url: str) -> None:
    conn = await asyncpg.connect(url)
    try:
        await migrate(conn, read_migrations(), datetime(2026, 1, 1, tzinfo=UTC))
    finally:
        await conn.close()
