"""Usage as a use case: by day, model and provider, of the requests that ended in a span."""

import csv
from datetime import date, timedelta

import asyncpg
import pytest
from tests.accounts.conftest import START
from tests.accounts.requests import write_entry, write_request

from tokenharbor.accounts import usage_export
from tokenharbor.accounts.usage import read_usage
from tokenharbor.accounts.usage_export import UsageSpan, export_usage
from tokenharbor.billing.detail import Attempt
from tokenharbor.identity.store import Account
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.usage import Usage
from tokenharbor.kernel.world import World

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


async def test_usage_is_summed_by_day_model_and_provider(
    conn: asyncpg.Connection, world: World, account: Account
) -> None:
    used = Usage(input=3, cache_read=5, cache_write_5m=1, cache_write_1h=2, output=7, reasoning=4)
    for seq, (at, provider, amount) in enumerate((
        (START, "p", 30),
        (START, "p", 12),
        (START, "q", 0),
        (START + timedelta(hours=13), "p", 5),
        (START + DAY, "p", 99),  # the end is exclusive
    )):  # fmt: skip
        request_id = world.ids.new()
        await write_request(
            conn, request_id, account.id, at=at, attempts=(Attempt(provider, "m", "ok", 1),), usage=used
        )
        await write_entry(conn, request_id, account.id, at=at, provider=provider, seq=seq + 1, amount=amount)
    await write_request(conn, world.ids.new(), world.ids.new(), at=START, usage=used)
    found = await read_usage(conn, account.id, since=START, until=START + DAY)
    assert [
        (each.start.date() if each.start else None, each.model, each.provider, each.requests, each.charge, each.usage)
        for each in found.totals
    ] == [
        (date(2026, 3, 1), "m", "p", 2, Usd(42), Usage(6, 10, 2, 4, 14, 8)),
        (date(2026, 3, 1), "m", "q", 1, Usd(0), used),
        (date(2026, 3, 2), "m", "p", 1, Usd(5), used),
    ]


async def test_usage_is_of_whole_hours(conn: asyncpg.Connection, world: World, account: Account) -> None:
    for number in range(4):
        await write_entry(
            conn, world.ids.new(), account.id, at=START + number * HOUR / 2, provider="p", seq=number + 1, amount=1
        )
    minute = timedelta(minutes=1)
    found = await read_usage(conn, account.id, since=START + 31 * minute, until=START + 59 * minute, by=["key"])
    assert (found.since, found.until) == (START, START + HOUR)
    assert [(each.requests, each.charge) for each in found.totals] == [(2, Usd(2))]


async def test_TH_B11_the_whole_history_is_a_row_for_each_request(
    conn: asyncpg.Connection, world: World, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In short pages, in order, each with tokens, cache layer and exact cost."""
    monkeypatch.setattr(usage_export, "_PAGE", 2)
    used = Usage(input=3, cache_read=5, cache_write_5m=1, cache_write_1h=2, output=7, reasoning=4)
    made = []
    for number in range(5):
        made.append(world.ids.new())
        at = START + number * timedelta(hours=1)
        await write_request(conn, made[-1], account.id, at=at, attempts=(Attempt("p", "=m", "ok", 1),), usage=used)
        if number:
            await write_entry(conn, made[-1], account.id, at=at, provider="p", seq=number, amount=number)
    await write_request(conn, world.ids.new(), world.ids.new(), at=START, usage=used)

    async def export(span: UsageSpan) -> list[dict[str, str]]:
        return list(csv.DictReader([line async for line in export_usage(conn, account.id, span)]))

    rows = await export(UsageSpan())
    assert [row["Request ID"] for row in rows] == [ids.show("req", each) for each in made]
    assert [row["Cost USD"] for row in rows] == [f"0.00000000{number}" for number in range(5)]
    assert list(rows[0].values()) == [
        "2026-03-01T12:00:00.000000Z", rows[0]["Request ID"], ids.show("key", account.id), "'=m", "p", "complete",
        "3", "5", "3", "7", "4", "none", "prefix", "0.000000000", "0.000000000", "0.000000012",
    ]  # fmt: skip
    some = await export(UsageSpan(START + timedelta(hours=1), START + timedelta(hours=3)))
    assert [row["Request ID"] for row in some] == [ids.show("req", each) for each in made[1:3]]


async def test_usage_is_of_an_account_that_is_there(conn: asyncpg.Connection, world: World) -> None:
    nobody = world.ids.new()
    with pytest.raises(Missing, match=ids.show("acct", nobody)):
        await read_usage(conn, nobody, since=START - DAY, until=START)
