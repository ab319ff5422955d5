"""Budgets that an account gives itself: who may set them, what is in force beside the operator's limits, and that no
hold gets beyond the lower one.
"""

import asyncio
from typing import Any

import pytest
from tests.console.conftest import Browser, Office
from tests.console.spending import spend

from tokenharbor.accounts.changes import OPERATOR, LimitsChange, change_limits
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel import ids
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger.store import open_book
from tokenharbor.ledger.types import Hold, HoldRefusal, PlacedHold, Pool, RefusedHold

NONE = {"own_usd": None, "limit_usd": None, "in_force_usd": None, "spent_usd": "0.000000000"}


async def set_budgets(office: Office, role: AccountRole = AccountRole.OWNER, **stated: str | None) -> Any:
    said = await office.member(role).ask("PATCH", f"{office.account_path}/budgets", json=stated)
    assert said.status_code == 200, said.text
    return said.json()


async def limit(office: Office, change: LimitsChange) -> None:
    async with office.context.pool.acquire() as conn:
        await change_limits(conn, office.context.world, office.account.id, change, actor=OPERATOR)


async def new_payer(office: Office) -> Payer:
    said = await office.member(AccountRole.DEVELOPER).ask("POST", f"{office.account_path}/keys", json={"name": "ci"})
    return Payer(office.account.id, ids.parse("key", said.json()["id"]))


async def test_an_account_gives_itself_budgets_which_its_documents_show(office: Office) -> None:
    viewer = office.member(AccountRole.VIEWER)
    assert (await viewer.get(f"{office.account_path}/budgets")).json() == {"day": NONE, "month": NONE}
    said = await set_budgets(office, daily_usd="2.5", monthly_usd="40")
    assert said == (await viewer.get(f"{office.account_path}/budgets")).json()
    assert (said["day"]["own_usd"], said["month"]["in_force_usd"]) == ("2.500000000", "40.000000000")
    said = await set_budgets(office, monthly_usd=None)
    assert (said["day"]["own_usd"], said["month"]) == ("2.500000000", NONE)
    account = (await viewer.get(office.account_path)).json()
    assert (account["daily_budget_usd"], account["monthly_budget_usd"]) == ("2.500000000", None)
    assert account["limits"]["daily_usd"] is None
    assert (await set_budgets(office)) == said, "nothing is stated, nothing changes"


@pytest.mark.parametrize("role", AccountRole)
async def test_owner_admin_and_billing_set_budgets_and_nobody_else(office: Office, role: AccountRole) -> None:
    said = await office.member(role).ask("PATCH", f"{office.account_path}/budgets", json={"daily_usd": "1"})
    may = role in (AccountRole.OWNER, AccountRole.ADMIN, AccountRole.BILLING)
    assert said.status_code == (200 if may else 403)
    kept = (await office.member(role).get(f"{office.account_path}/budgets")).json()["day"]["own_usd"]
    assert kept == ("1.000000000" if may else None)


@pytest.mark.parametrize("value", ["0", "-1", "x", 5, "0.0000000001", "99999999999"])
async def test_what_is_no_budget_is_refused_and_changes_nothing(office: Office, value: object) -> None:
    owner = office.member(AccountRole.OWNER)
    for name in ("daily_usd", "monthly_usd"):
        said = await owner.ask("PATCH", f"{office.account_path}/budgets", json={"daily_usd": "3", name: value})
        assert said.status_code == 400
        assert name in said.text
    assert (await owner.get(f"{office.account_path}/budgets")).json() == {"day": NONE, "month": NONE}


async def test_the_audit_log_has_who_changed_a_budget(office: Office) -> None:
    await set_budgets(office, AccountRole.BILLING, daily_usd="2.5", monthly_usd="40")
    await set_budgets(office, AccountRole.ADMIN, daily_usd=None)
    told = (await office.member(AccountRole.ADMIN).get(f"{office.account_path}/audit")).json()["data"]
    assert sorted((each["field"], each["before"], each["after"]) for each in told) == [
        ("account.daily_budget_usd", "", "2.500000000"),
        ("account.daily_budget_usd", "2.500000000", ""),
        ("account.monthly_budget_usd", "", "40.000000000"),
    ]
    assert all(each["actor"].startswith("user_") for each in told)


async def test_of_the_operators_limit_and_the_accounts_own_budget_the_lower_is_in_force(office: Office) -> None:
    async def in_force(browser: Browser) -> tuple[str | None, int, str | None]:
        state = (await browser.get(f"{office.account_path}/budgets")).json()["day"]
        wallet = await office.context.pool.fetchval("select daily from wallet where account_id = $1", office.account.id)
        home = (await browser.get(f"{office.account_path}/home")).json()["spending"]["daily_budget_usd"]
        return state["in_force_usd"], wallet, home

    viewer = office.member(AccountRole.VIEWER)
    await limit(office, LimitsChange(daily=Usd.parse("5")))
    await set_budgets(office, daily_usd="9")
    five, nine = ("5.000000000", 5 * 10**9, "5.000000000"), ("9.000000000", 9 * 10**9, "9.000000000")
    assert await in_force(viewer) == five
    await limit(office, LimitsChange(daily=Usd.parse("20")))
    assert await in_force(viewer) == nine
    await limit(office, LimitsChange(daily=None))
    assert await in_force(viewer) == nine
    await limit(office, LimitsChange(daily=Usd.parse("5")))
    await set_budgets(office, daily_usd=None)
    assert await in_force(viewer) == five
    await limit(office, LimitsChange(daily=None))
    assert await in_force(viewer) == (None, 2**63 - 1, None)


async def test_the_next_hold_is_under_a_changed_budget_and_many_at_once_never_exceed_it(
    office: Office, database_url: str
) -> None:
    """Two gateways place holds of a dollar while the budget is changed; what it leaves is used to the last hold."""
    world, payer = office.context.world, await new_payer(office)
    await office.grant("100", Pool.PAID)
    await spend(database_url, world, payer, "0.5")
    each, placed, budget = Usd.parse("1"), 0, 0

    async def rush(book: Any, count: int) -> list[PlacedHold | RefusedHold | Exception]:
        holds = [Hold(world.ids.new(), payer, each, world.clock.now()) for _ in range(count)]
        return [
            answer for answers in await asyncio.gather(*[book.place([hold]) for hold in holds]) for answer in answers
        ]

    async with open_book(database_url, world.ids.new()) as one, open_book(database_url, world.ids.new()) as other:
        for budget in (7, 3, 12):
            await set_budgets(office, daily_usd=f"{budget}")
            found = [answer for some in await asyncio.gather(rush(one, 20), rush(other, 20)) for answer in some]
            fitted = [answer for answer in found if isinstance(answer, PlacedHold)]
            refused = [answer for answer in found if isinstance(answer, RefusedHold)]
            assert len(fitted) == max(0, budget - 1 - placed), "half a dollar is spent"
            placed += len(fitted)
            assert {answer.reason for answer in refused} == {HoldRefusal.ACCOUNT_DAILY}
            assert len(fitted) + len(refused) == 40
            held = await office.context.pool.fetchval(
                "select held from wallet where account_id = $1", office.account.id
            )
            assert held == placed * each
        await set_budgets(office, daily_usd=None)
        assert len([1 for answer in await rush(one, 5) if isinstance(answer, PlacedHold)]) == 5
    shown = (await office.member(AccountRole.VIEWER).get(f"{office.account_path}/budgets")).json()
    assert shown["day"]["spent_usd"] == "0.500000000"
