"""Routes of rewards and alerts."""

import json
from datetime import timedelta

from tests.console.conftest import SITE, Office

from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel.money import Usd
from tokenharbor.rewards.codes import CodeTerms, create_code


async def test_TH_B4_the_welcome_grant_is_claimed_once(office: Office) -> None:
    owner = office.member(AccountRole.OWNER)
    path = f"{office.account_path}/rewards"
    before = (await owner.get(path)).json()["welcome"]
    assert (before["stage"], before["usd"], before["expires_at"]) == ("open", "5.000000000", None)
    said = await owner.ask("POST", f"{path}/welcome-grant")
    assert (said.status_code, said.json()["usd"]) == (201, "5.000000000")
    assert (await owner.ask("POST", f"{path}/welcome-grant")).status_code == 409
    after = (await owner.get(path)).json()
    assert (after["welcome"]["stage"], after["welcome"]["expires_at"]) == ("granted", "2026-03-08T12:00:00Z")
    assert (after["life_granted_usd"], after["life_max_usd"]) == ("5.000000000", "500.000000000")
    assert (await owner.get(f"{office.account_path}/balance")).json()["pools"]["trial"] == "5.000000000"


async def test_TH_B6_an_account_has_a_referral_link_of_its_own(office: Office) -> None:
    owner = office.member(AccountRole.OWNER)
    first = (await owner.get(f"{office.account_path}/rewards")).json()["referral"]
    assert first["url"] == f"{SITE}/dashboard/sign-up?referral={first['code']}"
    assert (first["reward_usd"], first["referrals"]) == ("2.000000000", [])
    assert (await owner.get(f"{office.account_path}/rewards")).json()["referral"] == first


async def test_TH_B8_cashback_says_how_its_rate_grows(office: Office) -> None:
    said = (await office.member(AccountRole.VIEWER).get(f"{office.account_path}/rewards")).json()["cashback"]
    assert [said[field] for field in ("rate_bp", "base_bp", "step_bp", "max_bp")] == [1000, 1000, 10, 2000]
    assert (said["today_usd"], said["day_max_usd"]) == ("0.000000000", "10.000000000")


async def test_a_code_is_redeemed_once(office: Office) -> None:
    terms = CodeTerms(amount=Usd.parse("3"), uses=5, note="a test", lasts=timedelta(days=3))
    async with office.context.pool.acquire() as conn:
        made = await create_code(conn, office.context.world, terms, actor="operator")
    billing = office.member(AccountRole.BILLING)
    path = f"{office.account_path}/codes"
    said = await billing.ask("POST", path, json={"code": made.text.lower()})
    assert (said.status_code, said.json()["usd"]) == (201, "3.000000000")
    assert (await billing.ask("POST", path, json={"code": made.text})).status_code == 409
    assert (await billing.ask("POST", path, json={"code": "nothing"})).status_code == 404


async def test_alerts_change_only_what_is_named(office: Office) -> None:
    admin = office.member(AccountRole.ADMIN)
    path = f"{office.account_path}/alerts"
    assert (await admin.ask("PATCH", path, json={"low_balance_usd": "5"})).json()["low_balance_usd"] == "5.000000000"
    shown = (await admin.ask("PATCH", path, json={"mail": False})).json()
    assert (shown["mail"], shown["low_balance_usd"]) == (False, "5.000000000")
    assert (await admin.ask("PATCH", path, json={"low_balance_usd": None})).json()["low_balance_usd"] is None
    assert (await admin.ask("PATCH", path, json={"mails": True})).status_code == 400
    made = (await admin.ask("PUT", f"{path}/webhook", json={"url": "https://hooks.test/in"})).json()
    assert made["secret"]
    shown = (await admin.get(path)).json()
    assert shown["webhook"] == "https://hooks.test/in"
    assert made["secret"] not in str(shown)
    assert (await admin.ask("DELETE", f"{path}/webhook")).status_code == 204
    assert (await admin.get(path)).json()["webhook"] is None
    assert (await admin.get(f"{office.account_path}/notices")).json() == []


async def test_the_audit_log_says_who_changed_alerts_and_keys(office: Office) -> None:
    admin = office.member(AccountRole.ADMIN)
    await admin.ask("PATCH", f"{office.account_path}/alerts", json={"low_balance_usd": "5"})
    await admin.ask("PUT", f"{office.account_path}/alerts/webhook", json={"url": "https://hooks.test/in"})
    await admin.ask("POST", f"{office.account_path}/keys", json={"name": "ci"})
    changes = (await admin.get(f"{office.account_path}/audit")).json()["data"]
    assert len(changes) > 2
    assert {each["actor"][:5] for each in changes} == {"user_"}, changes


async def test_the_audit_log_says_who_claimed_the_welcome_grant_and_redeemed_a_code(office: Office) -> None:
    """Each once, with what it gave, at our clock's time and from where it was asked for."""
    terms = CodeTerms(amount=Usd.parse("3"), uses=5, note="a test", lasts=timedelta(days=3))
    async with office.context.pool.acquire() as conn:
        made = await create_code(conn, office.context.world, terms, actor="operator")
    owner = office.member(AccountRole.OWNER)
    here = {"x-forwarded-for": "192.0.2.7"}
    await owner.ask("POST", f"{office.account_path}/rewards/welcome-grant", headers=here)
    await owner.ask("POST", f"{office.account_path}/codes", json={"code": made.text}, headers=here)
    changes = (await owner.get(f"{office.account_path}/audit")).json()["data"]
    told = {each["field"]: (each["before"], json.loads(each["after"]), each["address"], each["at"]) for each in changes}
    assert len(changes) == 2
    assert told == {
        name: ("", {"state": "granted", "amount_usd": usd, "reason": ""}, "192.0.2.7", "2026-03-01T12:00:00Z")
        for name, usd in {"welcome_grant": "5.000000000", "code": "3.000000000"}.items()
    }
    assert {each["actor"][:5] for each in changes} == {"user_"}
    assert made.text not in str(changes)
