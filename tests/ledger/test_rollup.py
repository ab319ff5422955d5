"""Rollups: totals by hour equal the sums of entries and details, at any moment, with any number of workers."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
from tests.ledger.conftest import SOLD, START, Scene

from tokenharbor.billing.detail import (
    Attempt,
    OwnDetail,
    RequestDetail,
    ServedBy,
    SharedDetail,
    join_detail,
    read_detail,
    write_detail,
    write_head,
    write_not_asked,
    write_stage,
)
from tokenharbor.db.each_row import EachRow
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import DatabaseUnavailable
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.usage import UNITS, Usage
from tokenharbor.ledger import rollup
from tokenharbor.ledger.rollup import (
    UsageDimension,
    UsageTotal,
    add_up,
    read_totals,
    roll_up,
    roll_up_all,
    roll_up_busy,
    roll_up_each,
    shorten_tail,
    whole_hours,
)
from tokenharbor.ledger.types import Hold, SettledCharge, Settlement

HOUR = timedelta(hours=1)
SESSION = ids.show("conv", UUID(int=1))
EVERY: Sequence[UsageDimension] = ("hour", "key", "model", "provider")


async def _spend(scene: Scene, cost: int, used: Usage | None = None, before: timedelta = timedelta(0)) -> None:
    hold = scene.hold(cost)
    await scene.place(hold)
    settlement = _with_usage(scene.settlement(hold, cost, cost // 10, cost // 2), used)
    settled = msgspec.structs.replace(settlement, at=settlement.at - before)
    assert await scene.settle(settled) == [SettledCharge(Usd(cost), Usd(cost // 10), Usd(0))]


def _with_usage(settlement: Settlement, used: Usage | None) -> Settlement:
    detail = json.loads(settlement.detail) | {"served": {"provider": "alibaba", "upstream_model": "deepseek-chat"}}
    if used is not None:
        detail["usage"] = msgspec.to_builtins(used)
    return msgspec.structs.replace(settlement, detail=json.dumps(detail).encode())


async def test_totals_are_the_same_before_and_after_the_job(scene: Scene) -> None:
    await scene.credit(10**9)
    used = Usage(input=5, cache_read=7, output=11, reasoning=2)
    await _spend(scene, 100, used)
    await _spend(scene, 50, Usage(input=1, output=1))
    await scene.release(*await _held(scene, 1), loss=40)
    await scene.release(*await _held(scene, 2))
    scene.clock.advance(HOUR)
    await _spend(scene, 30)
    expected = [
        UsageTotal(
            start=START, key_id=scene.key, model=SOLD.model, provider=SOLD.provider, requests=5, unbilled=3, cached=1,
            charge=Usd(150), fee=Usd(15), vendor_cost=Usd(75), over=Usd(0), loss=Usd(40),
            usage=Usage(input=6, cache_read=7, output=12, reasoning=2),
        ),
        UsageTotal(
            start=START + HOUR, key_id=scene.key, model=SOLD.model, provider=SOLD.provider, requests=1, unbilled=0,
            cached=0, charge=Usd(30), fee=Usd(3), vendor_cost=Usd(15), over=Usd(0), loss=Usd(0), usage=Usage(),
        ),
    ]  # fmt: skip
    assert await _read(scene, EVERY) == expected
    await roll_up(scene.conn, scene.account)
    assert await scene.conn.fetchval("select count(*) from usage_hour where account_id = $1", scene.account) == 2
    assert await _read(scene, EVERY) == expected
    (whole,) = await _read(scene)
    assert (whole.start, whole.key_id, whole.model, whole.requests, whole.charge) == (None, None, "", 6, Usd(180))
    (day,) = await _read(scene, ["day"])
    assert (day.start, day.requests) == (START.replace(hour=0), 6)


@pytest.mark.parametrize(
    ("changes", "used", "cached"),
    [
        ({}, Usage(), 0),
        ({"usage": Usage(input=5, output=7)}, Usage(input=5, output=7), 0),
        ({"usage": Usage(), "cache": "exact"}, Usage(), 1),
        ({"usage": Usage(cache_read=3), "client_request_id": '"cache":"exact"'}, Usage(cache_read=3), 1),
        (
            {"usage": Usage(output=1), "asked": '"usage":{"input":9},"served":{"upstream_model":"x"}\\'},
            Usage(output=1),
            0,
        ),
        (
            {
                "usage": Usage(output=1),
                "not_asked": (('"usage":{"input":9},"cache":"exact"', "unsupported", '"served":{'),),
            },
            Usage(output=1),
            0,
        ),
        ({"usage": Usage(output=1), "first_ms": 0, "total_ms": 9, "upstream_id": "模"}, Usage(output=1), 0),
        ({"usage": Usage(), "first_ms": 86_399_999, "total_ms": 86_400_000}, Usage(), 0),
        ({"usage": Usage(), "asked": '"total_ms":5,"first_ms":4,', "total_ms": 7}, Usage(), 0),
        ({"not_asked": (("p", "key"), ("usage", "cache"))}, Usage(), 0),
    ],
)
@pytest.mark.parametrize("name", ["deepseek-chat", 'a "b" \\ c}', "模型", ""])
async def test_details_are_read_as_any_json_is(
    scene: Scene, changes: dict[str, Any], used: Usage, cached: int, name: str
) -> None:
    """Whether they are written as a gateway writes them, of which only pieces are parsed, or otherwise."""
    provider = f"p{scene.account}"
    sold = msgspec.structs.replace(SOLD, provider=provider)
    served = ServedBy(provider, name, "v") if name else None
    detail = msgspec.structs.replace(_plain_detail(Attempt("p", "another", "failed", 9)), served=served, **changes)
    await scene.credit(10**9)
    for text in (
        _as_a_gateway_writes(detail),
        write_detail(detail),
        json.dumps(json.loads(write_detail(detail))).encode(),
    ):
        hold = scene.hold(10)
        await scene.place(hold)
        await scene.settle(msgspec.structs.replace(scene.settlement(hold, 10, product=sold), detail=text))
        (total,) = await read_totals(scene.conn, scene.account, since=START, until=START + HOUR)
        assert (total.requests, total.cached, total.usage) == (1, cached, used)
        timed = detail.first_ms is not None
        assert (total.timed, total.first_ms, total.total_ms) == (timed, detail.first_ms or 0, detail.total_ms * timed)
        await roll_up(scene.conn, scene.account)
        counted = await scene.conn.fetch("delete from provider_day where provider = $1 returning *", provider)
        tokens = used.input + used.cache_read, used.output
        assert [(row[3], row[4], row[9], row[10]) for row in counted] == [(name or sold.model, 1, *tokens)]
        await scene.conn.execute("delete from usage_hour where account_id = $1", scene.account)


def _as_a_gateway_writes(detail: RequestDetail) -> bytes:
    """In pieces: what many share, what is its own, and what follows from the route."""
    shared, own = (
        {name: getattr(detail, name) for name in kind.__struct_fields__} for kind in (SharedDetail, OwnDetail)
    )
    route = write_not_asked(detail.not_asked)
    if detail.stage:
        route += write_stage(detail.stage, detail.confidence, detail.why, detail.turn)
    text = join_detail(write_head(SharedDetail(**shared)), OwnDetail(**own), route, detail.session)
    assert text.startswith(b'{"asked":"')
    assert read_detail(text) == detail
    return text


def _plain_detail(attempt: Attempt) -> RequestDetail:
    return RequestDetail(
        status="complete", started_at=START, total_ms=1, asked="a", model="m", dialect="d", attempts=(attempt,)
    )


@pytest.mark.parametrize("rolled", [False, True])
async def test_what_caches_saved_is_summed_by_layer(scene: Scene, rolled: bool) -> None:
    """As a gateway writes it, and as any JSON is; what stands in a caller's own id is no amount."""
    own = '"saved":9,"cache":"exact"'
    told: Sequence[dict[str, Any]] = [
        {"cache": "exact", "saved": 100},
        {"cache": "exact", "saved": 7, "client_request_id": own},
        {"cache": "semantic", "saved": 20},
        {"cache": "prefix", "saved": 4, "usage": Usage(cache_read=3)},
        {"saved": -9, "usage": Usage(cache_write_5m=3)},
        {"client_request_id": own},
        {"cache": "exact", "saved": 2**52, "hold": 5, "not_asked": (("p", "key"),)},
    ]
    await scene.credit(10**9)
    for changes in told:
        detail = msgspec.structs.replace(_plain_detail(Attempt("p", "m", "ok", 9)), **changes)
        for text in (_as_a_gateway_writes(detail), json.dumps(json.loads(write_detail(detail))).encode()):
            hold = scene.hold(10)
            await scene.place(hold)
            await scene.settle(msgspec.structs.replace(scene.settlement(hold, 10), detail=text))
    if rolled:
        await roll_up(scene.conn, scene.account)
    (total,) = await _read(scene)
    assert (total.saved_exact, total.saved_semantic, total.saved_vendor) == (2 * (107 + 2**52), 40, -10)
    assert total.saved.total == 2 * (107 + 2**52) + 40 - 10
    assert add_up([total, total]).saved_vendor == -20
    one_by_one = "select sum(saved_in(detail)) from request where account_id = $1"
    assert await scene.conn.fetchval(one_by_one, scene.account) == total.saved.total


STAGED: dict[str, Any] = {"stage": "summarise", "confidence": "0.90", "why": "first", "turn": 12}


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"session": SESSION},
        {"not_asked": (("provider", "behind", "", "model"),) * 40},
        {"not_asked": (), "turn": None},
    ],
)
@pytest.mark.parametrize("staged", [{}, STAGED])
async def test_requests_have_the_session_and_stage_of_their_details(
    scene: Scene, staged: dict[str, Any], told: dict[str, Any]
) -> None:
    """Whatever stands before them, and whoever writes the detail; a caller's own id names neither."""
    own = '"session":"conv_x","stage":"plan"'
    await scene.credit(10**9)
    plain = _plain_detail(Attempt("p", "m", "ok", 9))
    detail = msgspec.structs.replace(plain, client_request_id=own, **staged | told)
    for text in (_as_a_gateway_writes(detail), write_detail(detail)):
        (hold,) = await _held(scene, 1)
        await scene.settle(msgspec.structs.replace(scene.settlement(hold, 10), detail=text))
        named = await scene.conn.fetchrow("select session, stage from request where id = $1", hold.request_id)
        assert tuple(named) == (detail.session or None, detail.stage or None)


async def test_verify_finds_totals_of_stages_that_no_request_says(scene: Scene) -> None:
    await scene.credit(10**9)
    used = Usage(input=5, cache_read=4, cache_write_1h=3, output=2, reasoning=1)
    for layer in ("exact", "semantic", "prefix"):
        (hold,) = await _held(scene, 1)
        settlement = scene.settlement(hold, 10)
        told = {"usage": msgspec.to_builtins(used), "cache": layer, "saved": 7, "stage": "plan"}
        detail = msgspec.json.encode(json.loads(settlement.detail) | told)
        await scene.settle(msgspec.structs.replace(settlement, detail=detail))
    await _spend(scene, 10, used)
    await roll_up(scene.conn, scene.account)
    rows = await scene.conn.fetch("select * from stage_day where account_id = $1", scene.account)
    assert [tuple(row) for row in rows] == [(scene.account, START.date(), "plan", 3, 30, 36, 9, 7, 7, 7)]
    assert await scene.fault() is None
    sums = ("requests", "charge", "input_tokens", "output_tokens", "saved_exact", "saved_semantic", "saved_vendor")
    for change in (*[f"{name} = {name} + 1" for name in sums], "day = day + 1"):
        await _change(scene, "stage_day", change)
        assert "the totals of the stage 'plan'" in str(await scene.fault()), change
        await _change(scene, "stage_day", change.replace("+", "-"))
    assert await scene.fault() is None
    await scene.conn.execute("update request set detail = null, salt = null where id = $1", hold.request_id)
    await _change(scene, "stage_day", "requests = 2")
    assert await scene.fault() is None, "of a day whose details are not all there nothing can be said"


async def test_totals_have_mean_times_and_how_the_unbilled_ended(scene: Scene) -> None:
    await scene.credit(10**9)
    for first_ms, total_ms in ((100, 900), (301, 1100)):
        hold = scene.hold(10)
        await scene.place(hold)
        detail = msgspec.structs.replace(
            _plain_detail(Attempt("p", "m", "ok", 9)), first_ms=first_ms, total_ms=total_ms
        )
        await scene.settle(msgspec.structs.replace(scene.settlement(hold, 10), detail=write_detail(detail)))
    for status, loss in (("failed", 0), ("failed", 0), ("hung_up", 0), ("hung_up", 5)):
        (hold,) = await _held(scene, 1)
        await scene.book.release([msgspec.structs.replace(scene.as_release(hold, loss), status=status)])
    for _ in range(2):
        (total,) = await _read(scene)
        assert (total.timed, total.mean_first_ms, total.mean_total_ms) == (2, 200, 1000)
        assert (total.unbilled, total.failed, total.hung_up) == (4, 2, 2)
        await roll_up(scene.conn, scene.account)
    assert add_up([]).mean_total_ms is None


async def test_a_late_charge_counts_in_the_hour_of_its_time(scene: Scene) -> None:
    """As a replayed journal writes it: its number comes after those of later hours."""
    await scene.credit(10**9)
    await _spend(scene, 10)
    scene.clock.advance(5 * HOUR)
    await _spend(scene, 20)
    await roll_up(scene.conn, scene.account)
    await _spend(scene, 40, before=5 * HOUR - timedelta(minutes=20))
    for _ in range(2):
        totals = await _read(scene, ["hour"])
        assert [(each.start, each.charge) for each in totals] == [(START, 50), (START + 5 * HOUR, 20)]
        since, until = START + timedelta(minutes=10), START + timedelta(hours=5, minutes=1)
        (whole,) = await read_totals(scene.conn, scene.account, since=since, until=until)
        assert (whole.requests, whole.charge) == (2, Usd(60))
        await roll_up(scene.conn, scene.account)


async def test_entries_are_added_up_once_by_several_workers_in_short_steps(scene: Scene) -> None:
    await scene.credit(10**9)
    for _ in range(25):
        await _spend(scene, 10)
    rows = await asyncio.gather(*[_take(scene.url, scene) for _ in range(4)])
    assert sum(rows) == 26  # the credit's entry, too: it has no usage
    (whole,) = await _read(scene)
    assert (whole.requests, whole.charge) == (25, Usd(250))
    assert await scene.conn.fetchval("select sum(requests) from usage_hour where account_id = $1", scene.account) == 25


async def test_the_job_finds_who_has_entries_after_the_mark(scene: Scene) -> None:
    await scene.credit(10**9)
    await _spend(scene, 10)
    idle = await scene.open_account()
    async with asyncpg.create_pool(scene.url, min_size=0, max_size=2) as pool:
        await roll_up_each(pool, EachRow("usage_totals"))  # other tests' accounts may fail
    marks = await scene.conn.fetch("select * from usage_mark where account_id = any ($1)", [scene.account, idle])
    assert [tuple(row) for row in marks] == [(scene.account, 2)]


async def test_often_only_who_has_many_entries_is_added_up(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "_MANY", 3)
    other = await scene.open_account()
    for account in (scene.account, other):
        await scene.credit(10**9, account=account)
    await _spend(scene, 10)
    await _spend(scene, 10)
    with contextlib.suppress(DatabaseUnavailable):  # other tests' accounts may fail
        await roll_up_busy(scene.conn)
    marks = await scene.conn.fetch("select * from usage_mark where account_id = any ($1)", [scene.account, other])
    assert [tuple(row) for row in marks] == [(scene.account, 3)]


async def test_an_account_that_cannot_be_added_up_keeps_no_other_from_it(scene: Scene) -> None:
    other = await scene.open_account()
    for account in (scene.account, other):
        await scene.credit(10**9, account=account)
        hold = scene.hold(10, account)
        await scene.place(hold)
        await scene.settle(scene.settlement(hold, 10))
    await scene.conn.execute("update request set detail = '{' where account_id = $1", min(scene.account, other))
    try:
        with pytest.raises(DatabaseUnavailable):
            await roll_up_all(scene.conn)
        marks = await scene.conn.fetch("select * from usage_mark where account_id = any ($1)", [scene.account, other])
        assert [tuple(row) for row in marks] == [(max(scene.account, other), 2)]
    finally:
        await scene.conn.execute("update request set detail = null where account_id = $1", min(scene.account, other))


async def test_what_a_provider_served_in_a_day_names_no_account(scene: Scene) -> None:
    sold = msgspec.structs.replace(SOLD, provider=f"p{scene.account}")
    await scene.credit(10**9)
    for account in (scene.account, await scene.open_account()):
        await scene.credit(10**9, account=account)
        hold = scene.hold(100, account)
        await scene.place(hold)
        settlement = scene.settlement(hold, 100, vendor_cost=70, product=sold)
        await scene.settle(_with_usage(settlement, Usage(input=3, cache_read=4, output=5, reasoning=1)))
        await roll_up(scene.conn, account)
    rows = await scene.conn.fetch("select * from provider_day where provider = $1", sold.provider)
    assert [tuple(row) for row in rows] == [
        (START.date(), sold.provider, sold.model, "deepseek-chat", 2, 0, 200, 140, 0, 14, 12)
    ]


async def test_usage_whose_request_was_erased_keeps_its_money(scene: Scene) -> None:
    await scene.credit(10**9)
    await _spend(scene, 100, Usage(input=5))
    await scene.conn.execute("delete from request where account_id = $1", scene.account)
    for _ in range(2):
        (total,) = await _read(scene, ["key", "model", "provider"])
        assert (total.key_id, total.model, total.provider, total.charge) == (None, "", SOLD.provider, Usd(100))
        assert total.usage == Usage()
        await roll_up(scene.conn, scene.account)


async def test_a_reader_adds_up_what_is_long_first(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "_LONG_TAIL", 2)
    await scene.credit(10**9)
    for _ in range(3):
        await _spend(scene, 10)
    await shorten_tail(scene.conn, scene.account)
    assert (await _read(scene))[0].charge == Usd(30)
    assert await scene.conn.fetchval("select seq from usage_mark where account_id = $1", scene.account) == 4


async def test_verify_finds_totals_that_are_not_those_of_the_entries(scene: Scene) -> None:
    await scene.credit(10**9)
    await _spend(scene, 100, Usage(input=5))
    await scene.release(*await _held(scene, 1), loss=40)
    await scene.release(*await _held(scene, 1))
    await roll_up(scene.conn, scene.account)
    await _spend(scene, 7)
    assert await scene.fault() is None
    changed = [f"{name} = {name} + 1" for name in ("charge", "fee", "vendor_cost", "over", "loss", "requests")]
    for change in (*changed, "hour = hour + interval '1 hour'"):
        await _change(scene, "usage_hour", change)
        assert "the totals of the hour" in str(await scene.fault()), change
        await _change(scene, "usage_hour", change.replace("+", "-"))
    await scene.conn.execute("update usage_mark set seq = 9 where account_id = $1", scene.account)
    assert "the last entry is 4" in str(await scene.fault())
    await scene.conn.execute("update usage_mark set seq = 3 where account_id = $1", scene.account)
    assert await scene.fault() is None


async def test_verify_finds_savings_that_no_request_says(scene: Scene) -> None:
    """The savings on pages follow from details, and details are covered by their entries."""
    await scene.credit(10**9)
    for cache, saved in (("exact", 100), ("semantic", 20), ("prefix", 4), ("none", -9)):
        (hold,) = await _held(scene, 1)
        settlement = scene.settlement(hold, 10)
        detail = json.loads(settlement.detail) | {"cache": cache, "saved": saved}
        await scene.settle(msgspec.structs.replace(settlement, detail=json.dumps(detail).encode()))
    await roll_up(scene.conn, scene.account)
    (total,) = await _read(scene)
    assert (total.saved_exact, total.saved_semantic, total.saved_vendor) == (100, 20, -5)
    assert await scene.fault() is None
    changed = [f"saved_{name} = saved_{name} + 1" for name in ("exact", "semantic", "vendor")]
    for change in (*changed, "saved_exact = saved_exact + 20, saved_semantic = saved_semantic + -20"):
        await _change(scene, "usage_hour", change)
        assert "the savings of caches in the hour" in str(await scene.fault()), change
        await _change(scene, "usage_hour", change.replace("+", "-"))
    assert await scene.fault() is None
    await scene.conn.execute("update request set detail = null, salt = null where account_id = $1", scene.account)
    assert await scene.fault() is None, "of an hour whose details are not all there nothing can be said"


async def test_every_class_of_usage_has_its_column(scene: Scene) -> None:
    columns = await scene.conn.fetch(
        "select column_name from information_schema.columns where table_name = 'usage_hour' order by ordinal_position"
    )
    names = [row[0] for row in columns]
    assert tuple(names[names.index("input") : names.index("timed")]) == UNITS
    used = Usage(**{unit: number + 1 for number, unit in enumerate(UNITS)})
    await scene.credit(10**9)
    await _spend(scene, 10, used)
    await roll_up(scene.conn, scene.account)
    assert (await _read(scene))[0].usage == used


def test_a_span_is_widened_to_whole_hours() -> None:
    since, until = START + timedelta(minutes=1), START + timedelta(hours=2, seconds=1)
    assert whole_hours(since, until) == (START, START + timedelta(hours=3))
    assert whole_hours(START, START + HOUR) == (START, START + HOUR)


async def _read(scene: Scene, by: Sequence[UsageDimension] = ()) -> Sequence[UsageTotal]:
    return await read_totals(scene.conn, scene.account, since=START, until=START + timedelta(days=1), by=by)


async def _held(scene: Scene, count: int) -> list[Hold]:
    holds = [scene.hold(10) for _ in range(count)]
    await scene.place(*holds)
    return holds


async def _change(scene: Scene, table: str, change: str) -> None:
    sql = f"update {table} set {change} where account_id = $1"  # noqa: S608  each change is a test's own
    await scene.conn.execute(sql, scene.account)


async def _take(url: str, scene: Scene) -> int:
    conn = await asyncpg.connect(url)
    try:
        taken = 0
        while await conn.fetchval("select seq < 26 from usage_mark where account_id = $1", scene.account) is not False:
            taken += await conn.fetchval("select roll_up_usage($1, 3)", scene.account)
        return taken
    finally:
        await conn.close()
