"""LISTEN: a missed notification is always reported."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import pytest
from tests.db.proxy import Proxy

from tokenharbor.db import listen
from tokenharbor.db.listen import MayHaveMissed, Notification, NotificationListener
from tokenharbor.db.pool import ConnectOptions, connect

WAIT_SECONDS = 20


@pytest.fixture
async def proxy(empty_database_url: str) -> AsyncIterator[Proxy]:
    with TemporaryDirectory(prefix="th-") as folder:
        async with Proxy(empty_database_url, Path(folder)) as proxy:
            yield proxy


@pytest.fixture
async def speaker(empty_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(ConnectOptions(empty_database_url))
    yield connection
    await connection.close()


async def test_the_first_word_is_to_load_everything(proxy: Proxy, speaker: asyncpg.Connection) -> None:
    async with (
        asyncio.timeout(WAIT_SECONDS),
        NotificationListener(ConnectOptions(proxy.url), ["keys", "prices"]) as listener,
    ):
        assert await anext(listener) == MayHaveMissed()
        await speaker.execute("notify prices, 'v2'")
        await speaker.execute("notify elsewhere")
        await speaker.execute("notify keys")
        assert await anext(listener) == Notification("prices", "v2")
        assert await anext(listener) == Notification("keys", "")


async def test_what_was_said_while_we_were_away_is_made_up_for(proxy: Proxy, speaker: asyncpg.Connection) -> None:
    async with asyncio.timeout(WAIT_SECONDS), NotificationListener(ConnectOptions(proxy.url), ["keys"]) as listener:
        assert await anext(listener) == MayHaveMissed()
        await proxy.go_away()
        await speaker.execute("notify keys, 'unheard'")
        await proxy.come_back()
        assert await anext(listener) == MayHaveMissed()
        await speaker.execute("notify keys, 'heard'")
        assert await anext(listener) == Notification("keys", "heard")


async def test_a_line_that_has_gone_dead_is_noticed(proxy: Proxy, speaker: asyncpg.Connection) -> None:
    async with (
        asyncio.timeout(WAIT_SECONDS),
        NotificationListener(ConnectOptions(proxy.url), ["keys"], heartbeat_seconds=0.2) as listener,
    ):
        assert await anext(listener) == MayHaveMissed()
        await proxy.fall_silent()
        await speaker.execute("notify keys, 'unheard'")
        assert await anext(listener) == MayHaveMissed()
        await speaker.execute("notify keys, 'heard'")
        assert await anext(listener) == Notification("keys", "heard")


async def test_who_falls_far_behind_loads_everything_instead(
    proxy: Proxy, speaker: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "_MOST_WAITING", 3)
    async with asyncio.timeout(WAIT_SECONDS), NotificationListener(ConnectOptions(proxy.url), ["keys"]) as listener:
        assert await anext(listener) == MayHaveMissed()
        for number in range(1, 6):
            await speaker.execute(f"notify keys, '{number}'")
        while list(listener._waiting)[-1:] != [Notification("keys", "5")]:  # noqa: ASYNC110  they arrive on another connection
            await asyncio.sleep(0.01)
        assert [await anext(listener), await anext(listener)] == [MayHaveMissed(), Notification("keys", "5")]
