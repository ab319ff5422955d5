"""Routes of usage: requests, receipts, totals, CSV."""

import csv
from datetime import timedelta

import msgspec
import pytest
from tests.console.conftest import Office
from tests.console.spending import spend

from tokenharbor.billing.documents import ReceiptDocument
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger import history
from tokenharbor.ledger.types import Pool


async def used(office: Office, database_url: str, clock: ManualClock) -> list[str]:
    """Three requests, the first of another model; the newest first."""
    await office.grant("10", Pool.PAID)
    made = (await office.member(AccountRole.OWNER).ask("POST", f"{office.account_path}/keys", json={})).json()
    payer = Payer(office.account.id, ids.parse("key", made["id"]))
    found: list[UUID] = []
    for model, usd in (("a", "0.5"), ("b", "0.25"), ("b", "0.000000213")):
        clock.advance(timedelta(hours=1))
        found.append(await spend(database_url, office.context.world, payer, usd, model=model))
    return [ids.show("req", each) for each in reversed(found)]


async def test_requests_are_listed_newest_first_and_narrowed(
    office: Office, database_url: str, clock: ManualClock
) -> None:
    made = await used(office, database_url, clock)
    viewer = office.member(AccountRole.VIEWER)
    path = f"{office.account_path}/requests"
    first = (await viewer.get(f"{path}?limit=2")).json()
    assert [each["id"] for each in first["data"]] == made[:2]
    assert first["data"][0]["cost_usd"] == "0.000000213"
    assert (first["data"][0]["usage"]["input"], first["data"][0]["cache"]) == (10, "prefix")
    rest = (await viewer.get(f"{path}?limit=2&cursor={first['next_cursor']}")).json()
    assert ([each["id"] for each in rest["data"]], rest["next_cursor"]) == (made[2:], None)
    for cache, some in (("prefix", made), ("exact", [])):
        kept = (await viewer.get(f"{path}?cache={cache}")).json()["data"]
        assert [each["id"] for each in kept] == some
    assert (await viewer.get(f"{path}?cache=none")).status_code == 400
    narrowed = (await viewer.get(f"{path}?model=a&status=complete&provider=p")).json()["data"]
    assert [each["id"] for each in narrowed] == made[2:]
    assert (await viewer.get(f"{path}?status=failed")).json()["data"] == []
    choices = (await viewer.get(f"{path}/choices")).json()
    assert (choices["models"], choices["providers"]) == (["a", "b"], ["p"])
    assert choices["keys"] == [first["data"][0]["key_id"]]


async def test_rare_requests_are_found_though_each_page_looks_at_few(
    office: Office, database_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_MOST_SEARCHED", 1)
    made = await used(office, database_url, clock)
    viewer, pages = office.member(AccountRole.VIEWER), []
    cursor: str | None = ""
    while cursor is not None:
        page = (await viewer.get(f"{office.account_path}/requests?model=a{cursor}")).json()
        pages.append([each["id"] for each in page["data"]])
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    assert pages == [[], [], made[2:], []]


async def test_a_receipt_is_as_it_is_described(office: Office, database_url: str, clock: ManualClock) -> None:
    made = await used(office, database_url, clock)
    said = await office.member(AccountRole.VIEWER).get(f"{office.account_path}/requests/{made[2]}")
    shown = msgspec.json.decode(said.content)
    known = set(ReceiptDocument.__struct_encode_fields__)
    assert set(shown) <= known
    read = msgspec.convert(shown, ReceiptDocument, dec_hook=lambda _, text: Usd.parse(text))
    assert (read.cost_usd, read.model, read.upstream_request_id) == (Usd.parse("0.5"), "a", "up-1")
    assert not isinstance(read.lots, msgspec.UnsetType)
    assert [(lot.pool, lot.amount_usd) for lot in read.lots] == [(Pool.PAID, Usd.parse("0.5"))]
    assert read.proof["status"] == "pending"


async def test_TH_P3_totals_are_divided_as_asked_and_added_up_here(
    office: Office, database_url: str, clock: ManualClock
) -> None:
    await used(office, database_url, clock)
    viewer = office.member(AccountRole.VIEWER)
    shown = (await viewer.get(f"{office.account_path}/usage?by=model&since=2026-03-01T00:00:00")).json()
    assert [(each["model"], each["requests"], each["cost_usd"]) for each in shown["data"]] == [
        ("a", 1, "0.500000000"),
        ("b", 2, "0.250000213"),
    ]
    assert (shown["total"]["requests"], shown["total"]["cost_usd"]) == (3, "0.750000213")
    assert shown["total"]["input"] == 30
    assert shown["total"]["saved"]["vendor_usd"] == shown["total"]["saved"]["total_usd"] == "0.000000009"
    assert (shown["total"]["mean_first_content_ms"], shown["total"]["mean_total_ms"]) == (300, 1200)
    refused = await viewer.get(f"{office.account_path}/usage?by=hour&since=2025-03-01T00:00:00Z")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "since")


async def test_TH_P3_totals_of_keys_are_added_up_by_their_labels(
    office: Office, database_url: str, clock: ManualClock
) -> None:
    await office.grant("10", Pool.PAID)
    owner, keys = office.member(AccountRole.OWNER), f"{office.account_path}/keys"
    for label, usd in (("shop", "0.5"), ("shop", "0.25"), ("", "0.125")):
        made = (await owner.ask("POST", keys, json={"label": label})).json()
        await spend(database_url, office.context.world, Payer(office.account.id, ids.parse("key", made["id"])), usd)
    path = f"{office.account_path}/usage?by=label"
    rows = (await owner.get(path)).json()["data"]
    found = [(each["label"], each["requests"], each["cost_usd"]) for each in rows]
    assert found == [("", 1, "0.125000000"), ("shop", 2, "0.750000000")]
    assert "key" not in rows[0]
    divided = (await owner.get(f"{path}&by=key")).json()["data"]
    assert [each["label"] for each in divided] == ["", "shop", "shop"]
    await owner.ask("PATCH", f"{keys}/{made['id']}", json={"label": "lab"})
    await owner.ask("DELETE", f"{keys}/{made['id']}")
    assert [each["label"] for each in (await owner.get(path)).json()["data"]] == ["lab", "shop"]


async def test_TH_B11_the_whole_history_is_csv(office: Office, database_url: str, clock: ManualClock) -> None:
    made = await used(office, database_url, clock)
    said = await office.member(AccountRole.VIEWER).get(f"{office.account_path}/usage.csv")
    rows = list(csv.DictReader(said.text.splitlines()))
    assert [row["Request ID"] for row in rows] == made[::-1]
    assert [row["Cost USD"] for row in rows] == ["0.500000000", "0.250000000", "0.000000213"]


async def test_TH_B11_home_shows_all_in_one_call(office: Office, database_url: str, clock: ManualClock) -> None:
    viewer = office.member(AccountRole.VIEWER)
    first_day = (await viewer.get(f"{office.account_path}/home")).json()
    steps = {"claimed": False, "has_key": False, "has_called": False, "topped_up": False}
    assert (first_day["first_steps"], first_day["lots"], first_day["requests"]) == (steps, [], [])
    made = await used(office, database_url, clock)
    shown = (await viewer.get(f"{office.account_path}/home")).json()
    assert shown["balance"]["balance_usd"] == "9.249999787"
    assert [each["id"] for each in shown["requests"]] == made
    assert shown["spending"] == {
        "day_usd": "0.750000213",
        "month_usd": "0.750000213",
        "daily_budget_usd": None,
        "monthly_budget_usd": None,
    }
    assert shown["first_steps"] == steps | {"has_key": True, "has_called": True}
    assert shown["rewards"]["welcome"]["stage"] == "open"
