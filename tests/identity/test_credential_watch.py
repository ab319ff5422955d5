"""A changed credential is in force within a second, with or without a notification."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tokenharbor.identity import credentials
from tokenharbor.identity.credentials import CredentialWatch, read_credentials, set_credential
from tokenharbor.kernel.secret import RootSecret, SecretBox, SecretPurpose
from tokenharbor.kernel.world import World, real_world


class Gateway:
    """The reload of a gateway, with a database that may not answer."""

    def __init__(self, pool: asyncpg.Pool, seal: SecretBox) -> None:
        self._pool = pool
        self._seal = seal
        self.failures = 0
        self.loaded: list[dict[str, str]] = []
        self.has_loaded = asyncio.Event()

    async def reload(self) -> bool:
        if self.failures:
            self.failures -= 1
            return False
        self.loaded.append(dict(await read_credentials(self._pool, self._seal)))
        self.has_loaded.set()
        return True


@pytest.fixture
def world() -> World:
    return real_world()


@pytest.fixture
def seal(world: World) -> SecretBox:
    return SecretBox(RootSecret("r" * 64).derive(SecretPurpose.CREDENTIALS), world.entropy)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(database_url, min_size=0, max_size=2) as pool:
        yield pool


@pytest.mark.parametrize("failures", [0, 1])
async def test_a_rotated_credential_is_loaded_without_any_notice(
    pool: asyncpg.Pool, seal: SecretBox, world: World, failures: int
) -> None:
    async with pool.acquire() as conn:
        await set_credential(conn, seal, "acme", "old", world.clock.now())
        watch, gateway = CredentialWatch(pool), Gateway(pool, seal)
        await watch.start()
        watching = asyncio.create_task(watch.run(gateway.reload))
        watch.check_soon()
        await asyncio.sleep(0.5)
        assert gateway.loaded == [], "nothing has changed"
        gateway.failures = failures
        await set_credential(conn, seal, "acme", "new", world.clock.now())
        async with asyncio.timeout(20):
            await gateway.has_loaded.wait()
    assert credentials._POLL_SECONDS <= 0.5
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert gateway.loaded == [{"acme": "new"}]
