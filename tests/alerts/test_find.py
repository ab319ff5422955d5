"""Notices that the job finds: each once in its period, however often it runs."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import msgspec
from tests.alerts.conftest import START, Desk

from tokenharbor.alerts.find import find_notices
from tokenharbor.alerts.preferences import AlertChange, change_alerts
from tokenharbor.identity.keys import make_key
from tokenharbor.identity.store import KeyRules, add_key
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.secret import DerivedSecret
from tokenharbor.ledger.types import Credit, Pool
from tokenharbor.ledger.wallets import Wallets


async def credit(desk: Desk, usd: str, days: int | None = None) -> UUID:
    ids, now = desk.alerting.world.ids, desk.clock.now()
    granted = Credit(
        entry_id=ids.new(),
        lot_id=ids.new(),
        account_id=desk.account_id,
        pool=Pool.PROMO,
        origin="operator",
        amount=Usd.parse(usd),
        at=now,
        reason="test",
        expires_at=None if days is None else now + timedelta(days=days),
    )
    async with desk.pool.acquire() as conn, conn.transaction():
        await Wallets(conn).credit(granted)
    return granted.lot_id


async def spend(desk: Desk, usd: str) -> None:
    """Change the wallet as a settlement does."""
    await desk.set("update wallet set spent = spent + $1", Usd.parse(usd))


async def test_a_low_balance_is_told_when_it_falls_below_the_threshold_and_at_most_once_a_day(desk: Desk) -> None:
    await credit(desk, "10")
    await change_alerts(desk.alerting, desk.account_id, AlertChange(low_balance=Usd.parse("5")))
    await desk.look()
    assert await desk.notices() == []
    await spend(desk, "5.50")
    for _ in range(3):
        await desk.look()
    assert await desk.notices() == [("low_balance", "2026-03-10")]
    assert desk.mail.mails[0]["Subject"] == "Low balance: 4.50 USD left"
    desk.clock.advance(timedelta(days=1))
    await desk.look()
    assert len(await desk.notices()) == 1, "it stays low, which is no news"
    await credit(desk, "10")
    await desk.look()
    await spend(desk, "10")
    await desk.look()
    assert await desk.notices() == [("low_balance", "2026-03-10"), ("low_balance", "2026-03-11")]


async def test_a_threshold_that_is_set_tells_of_a_balance_that_is_low_already(desk: Desk) -> None:
    for threshold in ("5", "6"):
        await change_alerts(desk.alerting, desk.account_id, AlertChange(low_balance=Usd.parse(threshold)))
        await desk.look()
        desk.clock.advance(timedelta(days=1))
    assert len(await desk.notices()) == 2


def told_of(notice: tuple[str, str]) -> tuple[str, str]:
    """Without the amount of the budget."""
    kind, period = notice
    first, _, last = period.split("/")
    return kind, f"{first}/{last}"


async def test_a_budget_is_told_of_at_a_half_four_fifths_and_all_of_it_and_anew_in_each_period(desk: Desk) -> None:
    await desk.set("update account set daily = $1, monthly = $2", Usd.parse("10"), Usd.parse("100"))
    tomorrow = START.replace(day=11, hour=0)
    await desk.set("update wallet set day_end = $1, month_end = $2", tomorrow, tomorrow.replace(month=4, day=1))
    for spent in ("4.99", "5", "7", "9", "10"):
        await desk.set("update wallet set day_spent = $1, month_spent = $1", Usd.parse(spent))
        await desk.look()
    assert [told_of(each) for each in await desk.notices()] == [
        ("daily_budget", f"2026-03-10/{percent}") for percent in (100, 50, 80)
    ]
    await desk.set("update wallet set day_end = $1, month_spent = $2", tomorrow.replace(day=12), Usd.parse("95"))
    desk.clock.advance(timedelta(days=1))
    await desk.look()
    told = [told_of(each) for each in await desk.notices()][3:]
    assert told == [("daily_budget", "2026-03-11/100"), ("monthly_budget", "2026-03/80")], "of a leap, the highest"
    desk.clock.advance(timedelta(days=30))
    await desk.look()
    assert len(await desk.notices()) == 5, "what was spent in a period that is over counts no more"


async def test_the_lower_of_the_operators_limit_and_the_accounts_own_budget_is_told_of_and_a_changed_one_anew(
    desk: Desk,
) -> None:
    await desk.set("update account set daily = $1, daily_budget = $2", Usd.parse("100"), Usd.parse("10"))
    tomorrow = START.replace(day=11, hour=0)
    await desk.set("update wallet set day_end = $1, day_spent = $2", tomorrow, Usd.parse("9"))
    for _ in range(2):
        await desk.look()
    assert [told_of(each) for each in await desk.notices()] == [("daily_budget", "2026-03-10/80")]
    await desk.set("update account set daily_budget = $1", Usd.parse("11"))
    await desk.look()
    assert [told_of(each) for each in await desk.notices()] == [("daily_budget", "2026-03-10/80")] * 2
    await desk.set("update account set daily_budget = null")
    await desk.look()
    assert len(await desk.notices()) == 2, "9 of 100"
    await desk.set("update account set daily = $1, daily_budget = $2", Usd.parse("9"), Usd.parse("1000"))
    await desk.look()
    assert len(await desk.notices()) == 3, "a higher budget of its own lifts no limit"


async def test_a_key_is_told_of_near_its_quota_and_anew_when_the_quota_is_changed(desk: Desk) -> None:
    rules = replace(KeyRules(), quota=Usd.parse("10"))
    async with desk.pool.acquire() as conn:
        key = await add_key(
            conn,
            desk.alerting.world,
            DerivedSecret("x", b"k" * 32),
            account_id=desk.account_id,
            key=make_key(desk.alerting.world.entropy),
            rules=rules,
        )
    for spent in ("7.99", "8", "9", "10", "10"):
        await desk.set("update key_meter set spent = $1", Usd.parse(spent))
        await desk.look()
    assert [period.rpartition("/")[2] for _, period in await desk.notices()] == ["100", "80"]
    await desk.set("update api_key set quota = $1", Usd.parse("12"))
    await desk.look()
    assert len(await desk.notices()) == 3
    await desk.set("update api_key set quota = $1, revoked_at = created_at where id = $2", Usd.parse("11"), key)
    await desk.look()
    assert len(await desk.notices()) == 3, "a key that opens nothing"


async def test_credit_is_told_of_three_days_before_it_expires_unless_it_is_spent(desk: Desk) -> None:
    lot = await credit(desk, "4", days=10)
    await credit(desk, "1", days=2)  # granted for a short time
    spent = await credit(desk, "3", days=9)
    await desk.look()
    assert await desk.notices() == []
    await spend(desk, "4")  # of the soonest first
    desk.clock.advance(timedelta(days=7, hours=1))
    for _ in range(2):
        await desk.look()
    assert await desk.notices() == [("credit_expiring", str(lot))]
    assert lot != spent
    assert "expires at 2026-03-20T12:00:00Z" in desk.mail.mails[0].get_content()


async def test_many_that_look_at_once_tell_once(desk: Desk) -> None:
    await credit(desk, "10", days=5)
    await change_alerts(desk.alerting, desk.account_id, AlertChange(low_balance=Usd.parse("50")))
    await desk.set("update account set daily = 10")
    await desk.set("update wallet set day_spent = 9, day_end = $1", START.replace(day=11, hour=0))
    desk.clock.advance(timedelta(hours=1))
    await asyncio.gather(*(find_notices(desk.alerting) for _ in range(4)))
    await desk.look()
    assert sorted(kind for kind, _ in await desk.notices()) == ["daily_budget", "low_balance"]
    assert len(desk.mail.mails) == 2


async def test_a_notice_holds_no_address(desk: Desk) -> None:
    await change_alerts(desk.alerting, desk.account_id, AlertChange(low_balance=Usd.parse("5")))
    await desk.look()
    rows = await desk.pool.fetch("select facts, fault from notice join notice_delivery on notice_id = id")
    assert all(b"@" not in msgspec.json.encode([str(value) for value in row.values()]) for row in rows)
