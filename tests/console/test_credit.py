"""Routes of an account's credit."""

import csv
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from tests.console.conftest import START, Office
from tests.console.spending import spend

from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger.book import wait_for_answers
from tokenharbor.ledger.reversal import Reversal
from tokenharbor.ledger.store import open_book
from tokenharbor.ledger.types import Credit, Hold, Pool
from tokenharbor.ledger.wallets import Wallets


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


async def test_what_is_held_is_listed_by_request_the_oldest_first_and_at_most_fifty(
    office: Office, database_url: str, clock: ManualClock
) -> None:
    """Its sum is the balance's; what costs nothing holds nothing; another account's is not seen."""
    await office.grant("100", Pool.PAID)
    viewer, path = office.member(AccountRole.VIEWER), f"{office.account_path}/holds"
    assert (await viewer.get(path)).json() == {"held_usd": "0.000000000", "count": 0, "oldest": []}
    made = await office.member(AccountRole.OWNER).ask("POST", f"{office.account_path}/keys", json={"name": "ci"})
    payer = Payer(office.account.id, ids.parse("key", made.json()["id"]))
    world, holds = office.context.world, []
    async with open_book(database_url, world.ids.new()) as book:
        for number in range(52):
            clock.advance(timedelta(seconds=1))
            amount = Usd.parse(f"0.{number:03}") if number else ZERO
            holds.append(Hold(world.ids.new(), payer, amount, clock.now()))
        placed: Sequence[Any] = await book.place(holds)
        await wait_for_answers(placed)
        held = (await viewer.get(path)).json()
        balance = (await viewer.get(f"{office.account_path}/balance")).json()
        assert held["held_usd"] == balance["held_usd"] == "1.326000000"
        assert (held["count"], len(held["oldest"])) == (51, 50)
        assert held["oldest"][0] == {
            "request": ids.show("req", holds[1].request_id),
            "key": made.json()["id"],
            "key_name": "ci",
            "model": None,
            "since": "2026-03-01T12:00:02Z",
            "usd": "0.001000000",
            "open": True,
        }
        stranger = office.member(AccountRole.OWNER, world.ids.new())
        assert (await stranger.get(path)).status_code == 404


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
    name = "tokenharbor-statement-2026-03-01-2026-03-02"
    assert said.headers["content-disposition"] == f'attachment; filename="{name}.csv"'
    said = await viewer.get(f"{office.account_path}/statements.pdf?{span}")
    assert said.content.startswith(b"%PDF")
    assert f"{name}.pdf" in said.headers["content-disposition"]


async def test_a_cursor_of_another_list_is_refused(office: Office) -> None:
    said = await office.member(AccountRole.VIEWER).get(f"{office.account_path}/ledger?cursor=x")
    assert (said.status_code, said.json()["error"]["param"]) == (400, "cursor")


async def test_TH_A4_what_is_owed_is_said_to_the_last_digit_until_a_credit_pays_it(
    office: Office, database_url: str
) -> None:
    world, account = office.context.world, office.account.id
    credit = Credit(world.ids.new(), world.ids.new(), account, Pool.PAID, "operator", Usd.parse("5"), START, "x")
    async with office.context.pool.acquire() as conn:
        await Wallets(conn).credit(credit)
    owner = office.member(AccountRole.OWNER)
    key = (await owner.ask("POST", f"{office.account_path}/keys", json={"name": "ci"})).json()["id"]
    await spend(database_url, world, Payer(account, ids.parse("key", key)), "3.200000001")
    assert (await owner.get(f"{office.account_path}/balance")).json()["debt_usd"] == "0.000000000"
    async with office.context.pool.acquire() as conn, conn.transaction():
        await Wallets(conn).reverse(Reversal(credit.entry_id, START))
    for shown in (
        (await owner.get(f"{office.account_path}/balance")).json(),
        (await owner.get(f"{office.account_path}/home")).json()["balance"],
    ):
        assert (shown["balance_usd"], shown["debt_usd"]) == ("0.000000000", "3.200000001")
    await office.grant("5", Pool.PAID)
    shown = (await owner.get(f"{office.account_path}/balance")).json()
    assert (shown["balance_usd"], shown["debt_usd"]) == ("1.799999999", "0.000000000")
