"""`ledger verify` of many entries checks the rows of requests in a separate process, which ends with it."""

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from tests.app.conftest import Cli
from tests.app.test_commands import account, refused

from tokenharbor.app import request_process
from tokenharbor.app.request_process import start_request_check
from tokenharbor.db.pool import ConnectOptions
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SystemEntropy
from tokenharbor.kernel.errors import DatabaseUnavailable
from tokenharbor.kernel.ids import show
from tokenharbor.kernel.world import make_world


@pytest.fixture(autouse=True)
def always_worth_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_process, "_WORTH_A_PROCESS", 0)


@pytest.fixture
async def session(database_url: str) -> AsyncIterator[Any]:
    conn = await asyncpg.connect(database_url)
    yield SimpleNamespace(conn=conn, database=ConnectOptions(database_url))
    await conn.close()


def test_a_request_of_a_key_without_a_meter_is_found_in_the_other_process(cli: Cli, database_url: str) -> None:
    account(cli)
    assert cli("ledger", "verify").code == 0
    request = asyncio.run(_add_request(database_url))
    assert f"{request} refers to a key without a meter" in refused(cli("ledger", "verify"))


def test_a_process_that_cannot_check_is_no_verified_ledger(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    account(cli)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert "exit code 1" in refused(cli("ledger", "verify"))


async def test_a_database_that_the_process_does_not_reach_is_unavailable(session: Any) -> None:
    session.database = ConnectOptions("postgresql://somebody@127.0.0.1:1/nothing")
    async with start_request_check(session) as requests:
        assert requests is not None
        with pytest.raises(DatabaseUnavailable):
            await requests()


async def test_the_process_ends_with_whoever_did_not_wait_for_it(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Process] = []
    start = asyncio.create_subprocess_exec

    async def noted(*words: str, **options: Any) -> Process:
        started.append(await start(*words, **options))
        return started[0]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    async with start_request_check(session) as requests:
        assert requests is not None
    assert started[0].returncode is not None


async def _add_request(database_url: str) -> str:
    """A row of a key that nobody has; its id as it is shown."""
    ids = make_world(ManualClock(datetime.now(UTC)), SystemEntropy()).ids
    request_id = ids.new()
    conn = await asyncpg.connect(database_url)
    await conn.execute(
        "insert into request (id, account_id, key_id, at, model, provider, status, edition, region, labels) "
        "select $1, account_id, $2, now(), 'm', 'p', 'refused', 'e', '', '{}' from wallet",
        request_id,
        ids.new(),
    )
    await conn.close()
    return show("req", request_id)
