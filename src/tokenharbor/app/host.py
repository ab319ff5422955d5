"""The host part of a server: the resources that exist once per HOME, however many workers serve from it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tokenharbor.app.database_urls import database_url
from tokenharbor.app.home import LockedHome
from tokenharbor.app.session import prepare_database
from tokenharbor.db.embedded import EmbeddedPostgres
from tokenharbor.db.pool import ConnectOptions, connect
from tokenharbor.jobs.background import Background
from tokenharbor.kernel.world import World
from tokenharbor.simulator.demo import demo_script
from tokenharbor.simulator.serve import start

_SETUP_TIMEOUT_MS = 600_000


@dataclass(frozen=True, slots=True)
class Host:
    """PostgreSQL, migrated, and the built-in provider. `failed` gets the first exception of background work."""

    home: LockedHome
    world: World
    database_url: str
    demo_url: str
    failed: asyncio.Future[None]


@contextlib.asynccontextmanager
async def open_host(home: LockedHome, world: World) -> AsyncIterator[Host]:
    """Open the host part. Raises Misconfigured, DatabaseUnavailable."""
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    try:
        async with _postgres(home, failed) as url:
            await _migrate(url, home, world)
            demo = await start(world, demo_script(home.demo_models))
            try:
                yield Host(home, world, url, demo.url, failed)
            finally:
                await demo.stop()
    finally:
        failed.cancel()


@contextlib.asynccontextmanager
async def _postgres(home: LockedHome, failed: asyncio.Future[None]) -> AsyncIterator[str]:
    """Yield the database's URL: the operator's own, or the embedded PostgreSQL's, which is restarted when it dies."""
    url = database_url(home.settings)
    if url is not None:
        yield url
        return
    async with EmbeddedPostgres(home.settings.home, lasting=True) as embedded, Background(failed) as background:
        background.run("postgres", embedded.supervise)
        yield embedded.url


async def _migrate(url: str, home: LockedHome, world: World) -> None:
    conn = await connect(ConnectOptions(url, "tokenharbor-setup", _SETUP_TIMEOUT_MS))
    try:
        await prepare_database(conn, world, home.root)
    finally:
        await conn.close()
