"""Routes of an account's credit."""

import csv

from tests.console.conftest import Office

from tokenharbor.identity.roles import AccountRole
from tokenharbor.ledger.types import Pool


async def test_a_balance_and_its_lots_say_the_same(office: Office) -> None:
    await office.grant("5", Pool.TRIAL)
    await office.grant("2.5", Pool.PAID)
    viewer = office.member(AccountRole.VIEWER)
    balance = (await viewer.get(f"{office.account_path}/balance")).json()
    assert (balance["balance_usd"], balance["held_usd"], balance["currency"]) == ("7.500000000", "0.000000000", "USD")
    assert balance["pools"]["trial"] == "5.000000000"
    lots = (await viewer.get(f"{office.account_path}/lots")).json()
    assert [(lot["pool"], lot["remaining_usd"], lot["restriction"]) for lot in lots] == [
        ("trial", "5.000000000", None),
        ("paid", "2.500000000", None),
    ]


async def test_TH_B12_the_ledger_is_read_page_by_page_and_as_csv(office: Office) -> None:
    for usd in ("1", "2", "3"):
        await office.grant(usd, Pool.PROMO)
    viewer = office.member(AccountRole.VIEWER)
    first = (await viewer.get(f"{office.account_path}/ledger?limit=2")).json()
    assert [each["usd"] for each in first["data"]] == ["3.000000000", "2.000000000"]
    second = (await viewer.get(f"{office.account_path}/ledger?limit=2&cursor={first['next_cursor']}")).json()
    assert [(each["usd"], each["balance_usd"]) for each in second["data"]] == [("1.000000000", "1.000000000")]
    assert second["next_cursor"] is None
    assert (await viewer.get(f"{office.account_path}/ledger?type=spending")).json()["data"] == []
    said = await viewer.get(f"{office.account_path}/ledger.csv?type=promotional")
    assert said.headers["content-disposition"] == 'attachment; filename="tokenharbor-ledger-2026-03-01.csv"'
    rows = list(csv.DictReader(said.text.splitlines()))
    assert [row["Amount USD"] for row in rows] == ["1.000000000", "2.000000000", "3.000000000"]


async def test_a_statement_opens_and_closes_with_what_there_is(office: Office) -> None:
    await office.grant("4", Pool.PROMO)
    viewer = office.member(AccountRole.VIEWER)
    span = "since=2026-03-01T00:00:00Z&until=2026-03-02T00:00:00Z"
    shown = (await viewer.get(f"{office.account_path}/statements?{span}")).json()
    assert (shown["opening_usd"], shown["closing_usd"]) == ("0.000000000", "4.000000000")
    assert shown["movements"] == [{"type": "operator", "pool": "promo", "usd": "4.000000000"}]
    said = await viewer.get(f"{office.account_path}/statements.csv?{span}")
    assert "closing balance" in said.text
    said = await viewer.get(f"{office.account_path}/statements.pdf?{span}")
    assert said.content.startswith(b"%PDF")


async def test_a_cursor_of_another_list_is_refused(office: Office) -> None:
    said = await office.member(AccountRole.VIEWER).get(f"{office.account_path}/ledger?cursor=x")
    assert (said.status_code, said.json()["error"]["param"]) == (400, "cursor")
