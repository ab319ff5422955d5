"""Users of a model are told of its coming price change and retirement, once each."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from tests.alerts.conftest import START, Desk

from tokenharbor.alerts.model_changes import ComingChange, coming_changes, find_model_changes, purge_model_notices
from tokenharbor.alerts.types import NoticeKind
from tokenharbor.catalog.load import load_catalog
from tokenharbor.catalog.types import Catalog
from tokenharbor.db.partitions import lowest_id
from tokenharbor.wire import PROVIDER_DIALECTS

SINCE = datetime(2026, 4, 1, tzinfo=UTC)


def catalog(**model_fields: Any) -> Catalog:
    provider = {"wire": "openai_chat", "base_url": "https://api.acme.example/v1", "credential": "env:ACME_KEY"}
    later = [{"from": since.date(), "input": "3"} for since in (SINCE, datetime(2026, 6, 1, tzinfo=UTC))]
    endpoint = {"provider": "acme", "price": {"input": "2", "output": "10", "later": later}}
    model = {"context": 1000, "max_output": 100, "endpoints": [endpoint], **model_fields}
    return load_catalog({"providers": {"acme": provider}, "models": {"acme-large": model}}, PROVIDER_DIALECTS)


def ours(now: datetime) -> list[ComingChange]:
    return [each for each in coming_changes(catalog(), now) if each.model == "acme-large"]


async def use(desk: Desk, model: str, ago: timedelta) -> None:
    at = desk.clock.now() - ago
    await desk.pool.execute(
        "insert into request values ($1, $2, $1, $3, $4, 'acme', 'ok', 'e', '', '[]', null, null)",
        lowest_id(at), desk.account_id, at, model,
    )  # fmt: skip


def test_a_price_is_coming_thirty_days_before_it_holds() -> None:
    assert ours(SINCE - timedelta(days=31)) == []
    assert ours(SINCE - timedelta(days=30)) == [ComingChange("acme-large", NoticeKind.PRICE_CHANGE, SINCE)]
    assert ours(SINCE) == []


async def test_who_used_the_model_lately_is_told_once(desk: Desk) -> None:
    await desk.pool.execute("create table request_test partition of request default")
    await use(desk, "acme-small", timedelta(days=2))
    await use(desk, "acme-large", timedelta(days=40))
    await find_model_changes(desk.alerting, catalog())
    assert await desk.notices() == []
    await use(desk, "acme-large", timedelta(minutes=-30))
    for _ in range(3):
        desk.clock.advance(timedelta(hours=1))
        await find_model_changes(desk.alerting, catalog())
        await desk.look()
    assert await desk.notices() == [("price_change", "acme-large/2026-04-01T00:00:00Z")]
    assert desk.mail.mails[0]["Subject"] == "Price change: acme-large"
    facts = await desk.pool.fetchval("select facts from notice")
    assert msgspec.json.decode(facts) == {"model": "acme-large", "since": "2026-04-01T00:00:00Z"}
    assert await desk.pool.fetchval("select looked_until from model_change_look") == START + timedelta(hours=3)


async def test_an_earlier_use_within_thirty_days_counts(desk: Desk) -> None:
    await desk.pool.execute("create table request_test partition of request default")
    await use(desk, "acme-large", timedelta(days=29))
    await find_model_changes(desk.alerting, catalog())
    assert [kind for kind, _ in await desk.notices()] == ["price_change"]


async def test_a_notice_that_names_a_model_is_purged_and_who_still_uses_it_is_told_again(desk: Desk) -> None:
    await desk.pool.execute("create table request_test partition of request default")
    await use(desk, "acme-large", timedelta(days=2))
    await find_model_changes(desk.alerting, catalog())
    await find_model_changes(desk.alerting, catalog())
    async with desk.pool.acquire() as conn:
        assert await purge_model_notices(conn, START) == 0
        desk.clock.advance(timedelta(days=7))
        assert await purge_model_notices(conn, desk.clock.now() - timedelta(days=6)) == 1
    assert await desk.notices() == []
    await find_model_changes(desk.alerting, catalog())
    assert await desk.notices() == []
    desk.clock.advance(timedelta(hours=2))
    await use(desk, "acme-large", timedelta(hours=1))
    await find_model_changes(desk.alerting, catalog())
    assert [kind for kind, _ in await desk.notices()] == ["price_change"]


async def test_who_used_a_model_lately_is_told_once_that_it_is_retired(desk: Desk) -> None:
    await desk.pool.execute("create table request_test partition of request default")
    await use(desk, "acme-large", timedelta(days=2))
    retiring = catalog(retires=SINCE.date())  # on the day on which its price changes
    for _ in range(2):
        await asyncio.gather(*(find_model_changes(desk.alerting, retiring) for _ in range(3)))
        desk.clock.advance(timedelta(hours=6))
        await desk.look()
    assert sorted(await desk.notices()) == [
        ("model_retirement", "acme-large/2026-04-01T00:00:00Z"),
        ("price_change", "acme-large/2026-04-01T00:00:00Z"),
    ]
    assert "Model retirement: acme-large" in {str(mail["Subject"]) for mail in desk.mail.mails}
