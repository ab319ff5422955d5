"""Metadata that expires: entries name no model or provider, and the rows of requests are deleted in time."""

import asyncio
from datetime import timedelta
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import asyncpg
import msgspec
import pytest
from tests.ledger.conftest import EXPIRING, START, VERSION, Scene

from tokenharbor.editions.load import load_edition
from tokenharbor.jobs.table import JOBS
from tokenharbor.kernel.usage import Usage
from tokenharbor.ledger import rollup
from tokenharbor.ledger.history import RequestHistory
from tokenharbor.ledger.purge import PurgedRows, purge_requests
from tokenharbor.ledger.rollup import read_totals, roll_up
from tokenharbor.ledger.tasks import VendorTask, VendorTasks
from tokenharbor.ledger.types import Settlement
from tokenharbor.ledger.verify import verify

WEEK, MOMENT = timedelta(days=7), timedelta(seconds=1)
DETAIL = (
    '{"model":"deepseek-v3.2","status":"complete","key_id":"%s","edition":"token-harbor",'
    '"served":{"provider":"alibaba","upstream_model":"ds-3.2","price_version":"%s"}}'
)


def expiring(scene: Scene, hold: Any, cost: int = 10, **more: int) -> Settlement:
    plain = scene.settlement(hold, cost, product=EXPIRING, vendor_cost=8, **more)
    detail = DETAIL % (hold.payer.key_id, VERSION.hex())
    return msgspec.structs.replace(plain, detail=detail.encode(), salt=hold.request_id.bytes)


async def used(scene: Scene, requests: int = 3) -> list[Settlement]:
    """So many requests, charged 10 each."""
    holds = [scene.hold(20) for _ in range(requests)]
    await scene.place(*holds)
    ends = [expiring(scene, hold) for hold in holds]
    await scene.settle(*ends)
    return ends


@pytest.fixture
async def old(lone_scene: Scene) -> Scene:
    """Three requests of a week and a moment ago, and two of now, all of which name no provider."""
    await lone_scene.credit(1000)
    await used(lone_scene)
    lone_scene.clock.advance(WEEK + timedelta(seconds=1))
    await used(lone_scene, 2)
    await roll_up(lone_scene.conn, lone_scene.account)
    return lone_scene


async def test_an_entry_whose_metadata_expires_names_neither_provider_nor_version(scene: Scene) -> None:
    await scene.credit(100)
    await scene.wallets.balance(scene.account, scene.clock.now())
    hold, beyond, lost = scene.hold(20), scene.hold(20), scene.hold(20)
    await scene.place(hold, beyond, lost)
    ends = [expiring(scene, hold), expiring(scene, beyond, cost=40, bound=30)]  # each by a function of its own
    await scene.settle(ends[0])
    await scene.settle(ends[1])
    release = msgspec.structs.replace(scene.as_release(lost, loss=4), product=EXPIRING)
    await scene.book.release([release])
    for end in ends:
        row = await scene.conn.fetchrow("select * from entry where id = $1", end.request_id)
        assert (row["provider"], row["price_version"]) == ("", sha256(end.salt + VERSION).digest())
        named = await scene.conn.fetchrow("select * from request where id = $1", end.request_id)
        assert (named["provider"], named["model"]) == ("alibaba", "deepseek-v3.2")
    row = await scene.conn.fetchrow("select * from entry where id = $1", lost.request_id)
    assert (row["type"], row["provider"], row["price_version"]) == ("loss", "", b"")
    assert await scene.fault() is None


async def test_two_requests_at_one_price_do_not_look_alike(scene: Scene) -> None:
    await scene.credit(100)
    ends = await used(scene, 2)
    rows = await scene.conn.fetch("select price_version from entry where id = any($1)", [e.request_id for e in ends])
    assert len({row["price_version"] for row in rows}) == 2


async def test_a_request_and_a_task_are_purged_a_week_after_they_began(old: Scene) -> None:
    assert await purge_requests(old.conn, old.clock.now() - WEEK) == PurgedRows(3, 0, 0)
    assert await old.conn.fetchval("select count(*) from request") == 2
    assert await old.conn.fetchval("select count(*) from entry where type = 'usage'") == 5
    assert (await verify(old.conn)).fault is None
    assert await purge_requests(old.conn, old.clock.now() - WEEK) == PurgedRows(0, 0, 0)


async def test_the_job_purges_what_the_edition_in_force_does_not_keep(old: Scene) -> None:
    (job,) = [each for each in JOBS if each.name == "metadata_purge"]
    for edition, left in (("token-harbor", 5), ("token-hub", 2)):
        policy = load_edition(edition)
        context: Any = SimpleNamespace(pool=old.book._pool, world=old.world, policy=lambda policy=policy: policy)
        await job.work(context)
        assert await old.conn.fetchval("select count(*) from request") == left, edition


async def test_an_account_that_cannot_be_added_up_keeps_no_others_metadata(old: Scene, monkeypatch: Any) -> None:
    async def fail(_: object, account_id: object) -> None:
        raise KeyError(account_id)

    await used(old, 1)  # after the mark
    monkeypatch.setattr(rollup, "roll_up", fail)
    (job,) = [each for each in JOBS if each.name == "metadata_purge"]
    policy = load_edition("token-hub")
    context: Any = SimpleNamespace(pool=old.book._pool, world=old.world, policy=lambda: policy)
    with pytest.raises(KeyError):
        await job.work(context)
    assert await old.conn.fetchval("select count(*) from request") == 3


async def test_closed_tasks_are_purged_and_open_ones_are_not(lone_scene: Scene) -> None:
    scene = lone_scene
    await scene.credit(100)
    tasks = VendorTasks(scene.book._pool)
    for number in range(2):
        hold = scene.hold(20)
        await scene.place(hold)
        await tasks.add(VendorTask(expiring(scene, hold), "camera", f"theirs-{number}"))
    await scene.release(hold)
    found = await tasks.find(hold.request_id, scene.account)
    assert found is not None
    assert found.settlement.product == EXPIRING
    scene.clock.advance(WEEK + timedelta(seconds=1))
    assert await purge_requests(scene.conn, scene.clock.now() - WEEK) == PurgedRows(1, 1, 0)
    assert await scene.conn.fetch("select state from task") == [("open",)]
    assert (await verify(scene.conn)).fault is None


async def test_what_providers_are_owed_stays_by_day_and_names_no_account(old: Scene) -> None:
    await purge_requests(old.conn, old.clock.now() + MOMENT)
    rows = await old.conn.fetch("select day::text, provider, upstream_model, vendor_cost from provider_day order by 1")
    days = [(old.clock.now() - WEEK).date().isoformat(), old.clock.now().date().isoformat()]
    assert [tuple(row) for row in rows] == [(days[0], "alibaba", "ds-3.2", 24), (days[1], "alibaba", "ds-3.2", 16)]


async def test_an_accounts_requests_and_money_stay_by_the_hour(old: Scene) -> None:
    span = {"since": START, "until": START + timedelta(days=8)}
    before = await read_totals(old.conn, old.account, **span, by=("hour", "key", "model", "provider"))
    await purge_requests(old.conn, old.clock.now() - WEEK + timedelta(hours=1))
    erased, kept = await read_totals(old.conn, old.account, **span, by=("hour", "key", "model", "provider"))
    assert (erased.start, erased.requests, erased.charge) == (START, 3, 30)
    assert (erased.key_id, erased.model, erased.provider, erased.usage) == (None, "", "", Usage())
    assert kept == before[1]
    (half,) = await read_totals(old.conn, old.account, since=START, until=START + timedelta(minutes=30))
    assert (half.requests, half.charge) == (3, 30)


async def test_what_caches_saved_stays_by_the_hour(old: Scene) -> None:
    await old.conn.execute("update usage_hour set saved_exact = 5, saved_semantic = 7, saved_vendor = -2")
    await purge_requests(old.conn, old.clock.now() - WEEK + timedelta(hours=1))
    (total,) = await read_totals(old.conn, old.account, since=START, until=START + timedelta(days=1))
    assert total.provider == ""
    assert (total.saved_exact, total.saved_semantic, total.saved_vendor) == (5, 7, -2)


async def test_a_request_that_is_in_no_total_yet_stays(old: Scene) -> None:
    (late,) = await used(old, 1)
    await purge_requests(old.conn, old.clock.now() + MOMENT)
    assert [row["id"] for row in await old.conn.fetch("select id from request")] == [late.request_id]
    await roll_up(old.conn, old.account)
    assert (await purge_requests(old.conn, old.clock.now() + MOMENT)).requests == 1


async def test_purges_at_the_same_time_delete_nothing_twice(old: Scene, database_url: str) -> None:
    others = [await asyncpg.connect(database_url) for _ in range(3)]
    purged = await asyncio.gather(*(purge_requests(conn, old.clock.now() + timedelta(hours=1)) for conn in others))
    assert (sum(each.requests for each in purged), sum(each.hours for each in purged)) == (5, 2)
    (total,) = await read_totals(old.conn, old.account, since=START, until=START + timedelta(days=8))
    assert (total.requests, total.charge, total.vendor_cost) == (5, 50, 40)
    for conn in others:
        await conn.close()


async def test_a_row_that_is_gone_before_its_time_is_a_fault(old: Scene) -> None:
    await purge_requests(old.conn, old.clock.now() - WEEK)
    latest = await old.conn.fetchval(
        "delete from request where id = (select max(id::text)::uuid from request) returning id"
    )
    fault = (await verify(old.conn)).fault
    assert latest is not None
    assert fault is not None
    assert "no request" in fault


async def test_a_version_that_is_not_the_details_is_a_fault(lone_scene: Scene) -> None:
    """The entry is sealed by the chain; here the row, its digest and the version were written together."""
    await lone_scene.credit(100)
    hold = lone_scene.hold(20)
    await lone_scene.place(hold)
    end = expiring(lone_scene, hold)
    other = end.detail.replace(VERSION.hex().encode(), b"00" * 32)
    await lone_scene.settle(msgspec.structs.replace(end, detail=other))
    fault = (await verify(lone_scene.conn)).fault
    assert fault is not None
    assert "version" in fault


async def test_a_purge_while_the_books_are_verified_is_no_fault(old: Scene, database_url: str) -> None:
    purge = await asyncpg.connect(database_url)
    report, _ = await asyncio.gather(verify(old.conn), purge_requests(purge, old.clock.now() + MOMENT))
    assert report.fault is None
    await purge.close()


async def test_a_receipt_says_that_its_detail_has_expired(old: Scene) -> None:
    (first, *_), history = await used(old), RequestHistory(old.book._pool)
    before = await history.request(old.account, first.request_id)
    assert before is not None
    assert before.charged is not None
    assert before.charged.price
    await roll_up(old.conn, old.account)
    await purge_requests(old.conn, old.clock.now() + MOMENT)
    after = await history.request(old.account, first.request_id)
    assert after is not None
    assert after.charged is not None
    assert (after.detail, after.salt, after.charged.amount, after.entry) == (None, None, 10, before.entry)
