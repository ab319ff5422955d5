"""No ending leaves before it is paid for: commits that are late, wallets that are locked, a database that is away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from tests.e2e import books
from tests.e2e.auditor import NANO, nano
from tests.e2e.house import House
from tests.e2e.raw_client import PATHS, ClientAnswer, ask, question, until

pytestmark = pytest.mark.slow

TEXT = "a text of some length that comes in pieces, as texts do"
ALL_WAYS = [(path, stream) for path in PATHS for stream in (False, True)]

Slowly = Callable[[House, str], AbstractAsyncContextManager[None]]


@contextlib.asynccontextmanager
async def locked_wallet(house: House, account: str) -> AsyncIterator[None]:
    async with books.locked(house.harbor.home, account):
        yield


@contextlib.asynccontextmanager
async def late_commits(house: House, _account: str) -> AsyncIterator[None]:
    """Each durable commit waits for a standby that does not exist."""
    async with books.connected(house.harbor.home) as conn, books.connected(house.harbor.home) as probe:
        await conn.execute("alter system set synchronous_standby_names = 'nobody'")
        await conn.execute("select pg_reload_conf()")
        try:
            commit = await _commit_that_waits(probe)
            yield
        finally:
            await conn.execute("alter system reset synchronous_standby_names")
            await conn.execute("select pg_reload_conf()")
        await commit


@pytest.mark.parametrize("slowly", [locked_wallet, late_commits])
async def test_the_ending_waits_for_the_commit(house: House, slowly: Slowly) -> None:
    account, key = house.new_wallet(NANO)
    asked = [question(path, key, stream=stream, max_tokens=50) for path, stream in ALL_WAYS]
    house.vendor.set_answer({"text": TEXT})
    house.vendor.shut()
    heard, asking = await house.ask_all(asked)
    await until(lambda: house.vendor.waiting == len(asked))
    async with slowly(house, account):
        house.vendor.open()
        await until(lambda: all(one.text_bytes == len(TEXT) for one in heard if one.question.stream))
        await _settlements_wait(house)
        await asyncio.sleep(0.5)
        for one in heard:
            assert not one.has_ending
            assert not one.whole
            assert one.question.stream or one.raw == b"", "nothing of a whole answer leaves either"
    await asking
    assert [one.how for one in heard] == ["complete"] * len(asked)
    receipts = await books.receipts(house.url, key)
    assert {receipt["id"] for receipt in receipts if "entry" in receipt} == {one.id for one in heard}
    assert len(receipts) == len(asked)


async def test_F3_a_commit_that_does_not_come_in_time_is_in_the_journal_and_billed_once(house: House) -> None:
    account, key = house.new_wallet(NANO)
    asked = [question(path, key, stream=stream, max_tokens=50) for path, stream in ALL_WAYS]
    house.vendor.set_answer({"text": TEXT})
    house.vendor.shut()
    heard, asking = await house.ask_all(asked)
    await until(lambda: house.vendor.waiting == len(asked))
    async with locked_wallet(house, account):
        house.vendor.open()
        async with asyncio.timeout(15):
            await asking
    assert [one.how for one in heard] == ["complete"] * len(asked)
    assert all(one.text_bytes == len(TEXT) for one in heard)
    left = await books.nothing_held(house.url, key)
    receipts = await books.receipts(house.url, key)
    assert {receipt["id"] for receipt in receipts} == {one.id for one in heard}
    assert {receipt["status"] for receipt in receipts} == {"complete"}
    assert NANO - left == sum(nano(receipt["cost_usd"]) for receipt in receipts) > 0
    assert books.verified(house.harbor)["ok"]


async def test_who_hangs_up_before_a_commit_that_fails_is_billed_once_it_can_be(house: House) -> None:
    """All the text is theirs already; and no hold may wait for a client that is gone."""
    account, key = house.new_wallet(NANO)
    house.vendor.set_answer({"text": TEXT})
    house.vendor.shut()
    heard = [ClientAnswer(question(path, key, stream=True, max_tokens=50)) for path in PATHS]
    clients = [asyncio.create_task(ask(house.url, one.question, one)) for one in heard]
    await until(lambda: house.vendor.waiting == len(heard))
    async with locked_wallet(house, account):
        house.vendor.open()
        await until(lambda: all(one.text_bytes == len(TEXT) for one in heard))
        await _settlements_wait(house)
        for client in clients:
            client.cancel()
        await asyncio.wait(clients)
        await asyncio.sleep(3)  # longer than any settlement waits for a lock
    assert NANO - await books.nothing_held(house.url, key) > 0
    receipts = await books.receipts(house.url, key)
    assert {receipt["id"] for receipt in receipts if "entry" in receipt} == {one.id for one in heard}
    assert [receipt["usage_source"] for receipt in receipts] == ["vendor"] * len(heard)
    assert books.verified(house.harbor)["ok"]


async def test_a_locked_wallet_does_not_stall_others(house: House) -> None:
    """Neither at the hold nor at the settlement."""
    account, key = house.new_wallet(NANO)
    house.vendor.set_answer({"text": TEXT})
    house.vendor.shut()
    settling, asking = await house.ask_all([question(path, key, stream=True) for path in PATHS])
    await until(lambda: house.vendor.waiting == len(settling))
    async with locked_wallet(house, account):
        house.vendor.open()
        await until(lambda: all(one.text_bytes == len(TEXT) for one in settling))
        holding, asking_too = await house.ask_all([question(path, key) for path in PATHS])
        for path, stream in ALL_WAYS:
            other = await ask(house.url, question(path, house.harbor.key, stream=stream))
            assert other.how == "complete"
        assert not any(one.how == "complete" for one in (*settling, *holding))
    await asking
    await asking_too
    for one in (*settling, *holding):
        if one.how != "complete":
            _unavailable(one)
    billed = [receipt["id"] for receipt in await books.receipts(house.url, key) if "entry" in receipt]
    assert sorted(billed) == sorted(one.id for one in (*settling, *holding) if one.how == "complete")
    await books.nothing_held(house.url, key)


def _unavailable(heard: ClientAnswer) -> None:
    error = heard.error
    assert error is not None, heard.raw
    assert (error["type"], error["code"]) == ("api_error", "unavailable"), heard.raw
    assert heard.status == (200 if heard.text_bytes else 503), heard.raw


async def _commit_that_waits(probe: Any) -> "asyncio.Task[None]":
    """A commit that does not come back: the server has taken note of its new setting."""
    async with asyncio.timeout(10):
        while True:
            commit = asyncio.create_task(probe.execute("select pg_logical_emit_message(true, 'probe', '')"))
            done, _ = await asyncio.wait([commit], timeout=0.1)
            if not done:
                return commit


async def _settlements_wait(house: House) -> None:
    """Somebody waits for a lock, or for a commit."""
    waiting = "select count(*) from pg_stat_activity where wait_event = 'SyncRep' or wait_event_type = 'Lock'"
    async with books.connected(house.harbor.home) as conn, asyncio.timeout(10):
        while not await conn.fetchval(waiting):  # noqa: ASYNC110  a database tells nobody
            await asyncio.sleep(0.02)
