"""Fixtures: one gateway for the room's tests, reset for each of them."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from tests.conftest import _fresh_database
from tests.gateway.house import House, open_house
from tests.loops import ClosingLoop

from tokenharbor.http.forwarded import TrustedProxies


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": ClosingLoop}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running_house(
    postgres_url: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    async for url in _fresh_database(postgres_url, migrated_template):
        async with open_house(tmp_path_factory.mktemp("house"), url) as house:
            yield house


@pytest_asyncio.fixture(loop_scope="session")
async def house(running_house: House) -> House:
    """Healthy vendors that answer, and an account with 100 USD."""
    await running_house.begin()
    return running_house


@pytest.fixture
def behind_proxy(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes from loopback is a proxy that says for whom it asks."""
    shared = house.harbor.server._shared
    trusting = dataclasses.replace(shared.hooks, proxies=TrustedProxies(["127.0.0.1"]))
    monkeypatch.setattr(shared, "hooks", trusting)
