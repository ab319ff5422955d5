"""The phases of opening a server: if one fails, the earlier ones are closed in reverse."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tokenharbor.app import build
from tokenharbor.app.build import open_harbor
from tokenharbor.app.settings import Settings, load_settings
from tokenharbor.funding.context import Funding
from tokenharbor.kernel.errors import Misconfigured

PHASES = (
    "lock_home", "open_host", "open_database", "open_books", "_open_keys",
    "open_snapshots", "_open_payments", "_open_gateway", "_start_jobs", "_server",
)  # fmt: skip

_OTHERS = """
select count(*) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return load_settings(tmp_path, environ={"TOKENHARBOR_DATABASE_URL": database_url})


async def _nothing_left(url: str) -> None:
    """No gateway that has not left; and no connection, once PostgreSQL has seen that each was closed."""
    conn = await asyncpg.connect(url)
    try:
        assert await conn.fetchval("select count(*) from gateway where ended_at is null") == 0
        async with asyncio.timeout(20):
            while await conn.fetchval(_OTHERS):  # noqa: ASYNC110  no event says it
                await asyncio.sleep(0.01)
    finally:
        await conn.close()


def _fail(*_: Any, **__: Any) -> Any:
    raise Misconfigured("this phase fails")


@pytest.mark.parametrize("phase", PHASES)
async def test_a_phase_that_fails_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, database_url: str, phase: str
) -> None:
    before = asyncio.all_tasks()
    with monkeypatch.context() as patch:
        patch.setattr(build, phase, _fail)
        with pytest.raises(Misconfigured, match="this phase fails"):
            async with open_harbor(settings):
                pass
    assert asyncio.all_tasks() == before
    await _nothing_left(database_url)
    async with open_harbor(settings) as harbor:
        assert harbor.book.is_up
    await _nothing_left(database_url)


async def test_what_is_closed_later_is_closed_although_closing_fails(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, database_url: str
) -> None:
    opened = build._open_gateway

    @contextlib.asynccontextmanager
    async def fail_at_the_end(*phases: Any, funding: Funding) -> AsyncIterator[Any]:
        async with opened(*phases, funding=funding) as routes:
            yield routes
        raise RuntimeError("closing fails")

    monkeypatch.setattr(build, "_open_gateway", fail_at_the_end)
    with pytest.raises(RuntimeError, match="closing fails"):
        async with open_harbor(settings):
            pass
    await _nothing_left(database_url)


async def test_a_second_server_of_a_home_is_refused_until_the_first_has_ended(settings: Settings) -> None:
    async with open_harbor(settings):
        with pytest.raises(Misconfigured):
            async with open_harbor(settings):
                pass
    async with open_harbor(settings):
        pass
