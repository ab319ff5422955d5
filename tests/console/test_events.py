"""An account's live events: their content and order, and the end of access."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from tests.accounts.requests import write_entry, write_request
from tests.console.asgi import ask
from tests.console.conftest import START, Office

from tokenharbor.console.live import LiveEvent, Watcher
from tokenharbor.console.principal import Principal
from tokenharbor.console.routes import events
from tokenharbor.db.partitions import lowest_id
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.store import create_account
from tokenharbor.kernel import ids
from tokenharbor.kernel.documents import plain_document
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.types import Credit, Pool
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.rewards.types import RewardKind


def heard(watcher: Watcher) -> list[tuple[str, Any]]:
    told = []
    while not watcher.events.empty():
        event = watcher.events.get_nowait()
        assert isinstance(event, LiveEvent)
        told.append((event.name, plain_document(event.document)))
    return told


async def test_a_watcher_is_told_the_balance_and_then_what_changes_it(office: Office) -> None:
    live = office.context.live
    async with live.watch(office.account.id) as watcher:
        assert [(name, said["balance_usd"]) for name, said in heard(watcher)] == [("balance", "0.000000000")]
        await live.poll()
        assert heard(watcher) == []
        await office.grant("5", Pool.PROMO)
        await live.poll()
        assert [(name, said["balance_usd"]) for name, said in heard(watcher)] == [("balance", "5.000000000")]
        await live.poll()
        assert heard(watcher) == []


async def test_nobody_is_told_of_another_account(office: Office) -> None:
    live = office.context.live
    async with live.watch(office.account.id) as watcher:
        heard(watcher)
        async with office.context.pool.acquire() as conn:
            other = await create_account(conn, office.context.world, "bob@example.com", "e")
        await office.grant("5", Pool.PROMO, other.id)
        await live.poll()
        assert heard(watcher) == []


async def test_an_event_is_written_as_a_stream_has_it(office: Office) -> None:
    await office.grant("5", Pool.PROMO)
    async with office.context.live.watch(office.account.id) as watcher:
        event = await watcher.events.get()
        assert event is not None
        number, name, data, *rest = event.encode().split(b"\n")
        assert (number, name, rest) == (b"id: 1", b"event: balance", [b"", b""])
        assert json.loads(data.removeprefix(b"data: "))["pools"]["promo"] == "5.000000000"


async def test_who_reads_too_slowly_is_let_go(office: Office) -> None:
    async with office.context.live.watch(office.account.id) as watcher:
        (first,) = [await watcher.events.get()]
        assert first is not None
        for _ in range(501):
            watcher.push(first)
        assert await watcher.events.get() is None


async def test_at_the_end_of_the_process_nobody_is_waited_for(office: Office) -> None:
    live = office.context.live
    async with live.watch(office.account.id) as watcher:
        live.end()
        assert await watcher.events.get() is None
        async with live.watch(office.account.id) as late:
            assert await late.events.get() is None


async def test_a_session_that_ended_watches_no_more(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_HEARTBEAT_SECONDS", 0.0)
    browser = office.member(AccountRole.VIEWER)
    known = [office.doorman.sessions[str(browser.session)]]

    async def by_session(_token: str, _address: str) -> Principal | None:
        return known.pop() if known else None  # once

    monkeypatch.setattr(office.doorman, "by_session", by_session)
    headers = {"host": "localhost:8080", "cookie": f"__Host-th={browser.session}"}
    async with asyncio.timeout(10):
        said = await ask(office.app, "GET", f"{office.account_path}/events", headers)
    assert said.status == 200
    assert said.headers["content-type"].startswith("text/event-stream")
    assert b"event: balance\n" in said.body


async def test_a_request_is_told_once_and_again_to_who_comes_back(office: Office) -> None:
    world, account_id = office.context.world, office.account.id
    billed, free, long = world.ids.new(), world.ids.new(), lowest_id(START - timedelta(hours=1))
    async with office.context.live.watch(account_id) as watcher, office.context.pool.acquire() as conn:
        heard(watcher)
        for seq, request_id in ((1, billed), (2, long)):
            await write_request(conn, request_id, account_id, at=START)
            await write_entry(conn, request_id, account_id, at=START, provider="p", seq=seq)
        await write_request(conn, free, account_id, at=START)
        await office.context.live.poll()
        told = heard(watcher)
        shown = {ids.show("req", each) for each in (billed, free, long)}
        assert {said["id"] for name, said in told if name == "request"} == shown
        assert told[-1][0] == "balance"
        await office.context.live.poll()
        assert heard(watcher) == []
    async with office.context.live.watch(account_id, after=1) as again:
        assert [said["id"] for name, said in heard(again) if name == "request"] == [ids.show("req", long)]


async def test_of_thousands_of_requests_the_newest_are_told_and_no_more(office: Office) -> None:
    world, account_id = office.context.world, office.account.id
    async with office.context.live.watch(account_id) as watcher, office.context.pool.acquire() as conn:
        heard(watcher)
        made = [world.ids.new() for _ in range(130)]
        for seq, request_id in enumerate(made, 1):
            await write_request(conn, request_id, account_id, at=START)
            await write_entry(conn, request_id, account_id, at=START, provider="p", seq=seq)
        await office.context.live.poll()
        told = [said["id"] for name, said in heard(watcher) if name == "request"]
        assert told == [ids.show("req", each) for each in made[-50:]]


async def test_cashback_is_told(office: Office) -> None:
    world, account_id = office.context.world, office.account.id
    credit = Credit(
        entry_id=world.ids.new(),
        lot_id=world.ids.new(),
        account_id=account_id,
        pool=Pool.PROMO,
        origin=RewardKind.CASHBACK,
        amount=Usd.parse("0.25"),
        at=START,
        reason="cashback",
    )
    async with office.context.live.watch(account_id) as watcher, office.context.pool.acquire() as conn:
        heard(watcher)
        async with conn.transaction():
            await Wallets(conn).credit(credit)
        await office.context.live.poll()
        told = dict(heard(watcher))
        assert (told["cashback"]["usd"], told["balance"]["balance_usd"]) == ("0.250000000", "0.250000000")


async def test_an_id_that_is_none_of_ours_is_as_none(office: Office) -> None:
    for header in ("-1", "abc", "9" * 30, ""):
        assert events.event_number(header) is None
    assert events.event_number("17") == 17
