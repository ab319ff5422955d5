"""Plans, limits and consent of accounts: changed at once, each recorded, other fields left as they are."""

from datetime import timedelta

import asyncpg
import pytest
from msgspec.structs import replace
from tests.editions.derived import derive

from tokenharbor.accounts.changes import (
    OPERATOR,
    LimitsChange,
    change_consent,
    change_limits,
    change_plan,
    check_plans,
    list_changes,
)
from tokenharbor.catalog.types import Catalog
from tokenharbor.editions.load import load_edition
from tokenharbor.identity.caller import StatedRates
from tokenharbor.identity.changes import AccountChange, count_plans
from tokenharbor.identity.store import Account, AccountLimits, get_account
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import Misconfigured, Missing, Rejected
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.world import World

POLICY = load_edition("tokenhub")
NO_LIMIT = 2**63 - 1


async def test_LNK_2_a_plan_is_changed_at_once_and_stands_on_the_record(
    conn: asyncpg.Connection, world: World, account: Account, clock: ManualClock
) -> None:
    first = clock.now()
    pro = await change_plan(conn, world, account.id, "pro", policy=POLICY, actor=OPERATOR)
    assert pro.plan == (await get_account(conn, account.id)).plan == "pro"
    clock.advance(timedelta(hours=1))
    await change_plan(conn, world, account.id, "pro", policy=POLICY, actor=OPERATOR)
    await change_plan(conn, world, account.id, "default", policy=POLICY, actor="ada")
    assert await list_changes(conn, account.id) == [
        AccountChange(first, OPERATOR, "plan", "", "pro"),
        AccountChange(clock.now(), "ada", "plan", "pro", ""),
    ]


async def test_LNK_2_a_plan_is_one_of_the_editions(conn: asyncpg.Connection, world: World, account: Account) -> None:
    with pytest.raises(Rejected, match="did you mean 'pro'") as rejected:
        await change_plan(conn, world, account.id, "por", policy=POLICY, actor=OPERATOR)
    assert rejected.value.param == "plan"
    with pytest.raises(Missing):
        await change_plan(conn, world, world.ids.new(), "pro", policy=POLICY, actor=OPERATOR)
    assert await list_changes(conn, account.id) == []


async def test_HUB_6_limits_are_changed_one_by_one_and_given_back_to_the_plan(
    conn: asyncpg.Connection, world: World, account: Account
) -> None:
    for change in (LimitsChange(rpm=900, key_rpm=0), LimitsChange(concurrency=5), LimitsChange(rpm=None)):
        await change_limits(conn, world, account.id, change, actor=OPERATOR)
    limits = (await get_account(conn, account.id)).limits
    assert limits == AccountLimits(StatedRates(concurrency=5), StatedRates(rpm=0))
    changes = [(each.field, each.before, each.after) for each in await list_changes(conn, account.id)]
    assert changes == [("rpm", "", "900"), ("key_rpm", "", "0"), ("concurrency", "", "5"), ("rpm", "900", "")]


async def test_TH_B13_an_accounts_budgets_reach_its_wallet(
    conn: asyncpg.Connection, world: World, account: Account
) -> None:
    async def wallet() -> tuple[int, int]:
        row = await conn.fetchrow("SELECT daily, monthly FROM wallet WHERE account_id = $1", account.id)
        return row["daily"], row["monthly"]

    assert await wallet() == (NO_LIMIT, NO_LIMIT)
    await change_limits(conn, world, account.id, LimitsChange(daily=Usd(5), monthly=Usd(7)), actor=OPERATOR)
    assert await wallet() == (5, 7)
    await change_limits(conn, world, account.id, LimitsChange(daily=None), actor=OPERATOR)
    assert await wallet() == (NO_LIMIT, 7)


async def test_TH_F2_consent_is_recorded_with_time_and_wording_and_revocable(
    conn: asyncpg.Connection, world: World, account: Account, clock: ManualClock
) -> None:
    assert not account.free_models
    on = await change_consent(conn, world, account.id, POLICY.free.consent, actor="ada")
    off = await change_consent(conn, world, account.id, "", actor="ada")
    assert (on.free_models, off.free_models) == (True, False)
    assert await list_changes(conn, account.id) == [
        AccountChange(clock.now(), "ada", "free_models", "off", "on", POLICY.free.consent),
        AccountChange(clock.now(), "ada", "free_models", "on", "off", ""),
    ]


async def test_LNK_8_an_edition_without_a_plan_that_accounts_have_is_refused(
    conn: asyncpg.Connection, world: World, account: Account, catalog: Catalog
) -> None:
    check_plans(load_edition("relay"), await count_plans(conn), catalog)
    await change_plan(conn, world, account.id, "pro", policy=POLICY, actor=OPERATOR)
    check_plans(POLICY, await count_plans(conn), catalog)
    with pytest.raises(Misconfigured, match="no plan 'pro', which 1 accounts have"):
        check_plans(load_edition("relay"), await count_plans(conn), catalog)


def test_LNK_8_a_plans_providers_are_in_the_catalogue(catalog: Catalog) -> None:
    pro = replace(POLICY.plans["pro"], providers=("openai", "opnai"))
    with pytest.raises(Misconfigured, match=r"\[plans.pro\]: providers: no provider 'opnai'; did you mean 'openai'"):
        check_plans(replace(derive("tokenhub"), plans={"pro": pro}), {}, catalog)
