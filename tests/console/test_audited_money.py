"""The audit log of money: top-ups, refunds, withdrawals, payees and auto top-up, each change once, by whoever asked."""

import dataclasses
import json
from datetime import timedelta
from typing import Any, cast

import msgspec
from tests.console.conftest import Browser, Office

from tokenharbor.console.context import CONTEXT
from tokenharbor.funding.auto import top_up_low_accounts
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.payments.types import PaymentState

WANTED = {"threshold_usd": "15", "amount_usd": "10", "month_usd": "100"}


async def ask(office: Office, person: Browser, method: str, path: str, body: Any = None, idem: str = "") -> Any:
    """From an address, a second after what was before."""
    cast("ManualClock", office.context.world.clock).advance(timedelta(seconds=1))
    headers = {"x-forwarded-for": "192.0.2.7"} | ({"idempotency-key": idem} if idem else {})
    said = await person.ask(method, f"{office.account_path}{path}", json=body, headers=headers)
    assert said.is_success, said.text
    return said.json() if said.content else None


async def paid(office: Office, billing: Browser, *, save: bool = False) -> str:
    body = {"amount_usd": "10", "save_method": save}
    top_up: str = (await ask(office, billing, "POST", "/top-ups", body, "top-up"))["id"]
    office.processor.pay(top_up)
    await ask(office, billing, "POST", f"/top-ups/{top_up}/sync")
    return top_up


async def told(office: Office) -> list[dict[str, Any]]:
    """Oldest first."""
    changes = await office.member(AccountRole.OWNER).get(f"{office.account_path}/audit?limit=100")
    return [*reversed(changes.json()["data"])]


def offer_auto_top_up(office: Office) -> None:
    policy = office.context.policy()
    offering = msgspec.structs.replace(policy, auto_topup=msgspec.structs.replace(policy.auto_topup, enabled=True))
    funding = dataclasses.replace(office.context.funding, policy=lambda: offering)
    office.context = dataclasses.replace(office.context, funding=funding)
    office.app.state[CONTEXT] = office.context


async def test_a_top_up_is_told_when_it_is_opened_by_a_person_and_when_the_server_credits_it(
    office: Office,
) -> None:
    top_up = await paid(office, office.member(AccountRole.BILLING))
    opened, credited = await told(office)
    assert (opened["field"], opened["subject"], opened["actor"][:5]) == ("top_up", top_up, "user_")
    assert (opened["address"], opened["at"]) == ("192.0.2.7", "2026-03-01T12:00:01Z")
    assert json.loads(opened["after"]) == {
        "state": "open",
        "processor": "paypal",
        "method": "paypal",
        "currency": "USD",
        "credit_usd": "10.000000000",
        "save_method": "false",
    }
    assert {name: credited[name] for name in ("field", "subject", "before", "after", "actor", "address", "at")} == {
        "field": "top_up.state",
        "subject": top_up,
        "before": "open",
        "after": "paid",
        "actor": "server",
        "address": "",
        "at": "2026-03-01T12:00:02Z",
    }


async def test_a_refund_is_told_when_it_is_asked_for_and_when_it_ends(office: Office) -> None:
    billing = office.member(AccountRole.BILLING)
    top_up = await paid(office, billing)
    before = len(await told(office))
    refund = await ask(office, billing, "POST", f"/top-ups/{top_up}/refunds", {"amount_usd": "0.5"}, "r")
    asked, done = sorted((await told(office))[before:], key=lambda each: each["field"])
    assert [(each["field"], each["subject"], each["before"]) for each in (asked, done)] == [
        ("refund", refund["id"], ""),
        ("refund.state", refund["id"], "asked"),
    ]
    assert (json.loads(asked["after"])["amount_usd"], done["after"]) == ("0.500000000", "done")
    assert (asked["actor"][:5], asked["address"]) == ("user_", "192.0.2.7")


async def test_a_withdrawal_is_told_when_it_is_asked_for_and_when_it_is_taken_back(office: Office) -> None:
    billing = office.member(AccountRole.BILLING)
    top_up = await paid(office, billing)
    before = len(await told(office))
    asked = await ask(office, billing, "POST", "/withdrawals", {"top_up": top_up, "amount_usd": "10"}, "w")
    await ask(office, billing, "POST", f"/withdrawals/{asked['id']}/cancellation")
    log = (await told(office))[before:]
    assert [(each["field"], each["subject"], each["before"]) for each in log] == [
        ("withdrawal", asked["id"], ""),
        ("withdrawal.state", asked["id"], "asked"),
    ]
    assert log[1]["after"] == "cancelled"
    assert {(each["actor"][:5], each["address"]) for each in log} == {("user_", "192.0.2.7")}


async def test_auto_top_up_is_told_by_who_set_it_and_by_itself_where_it_stopped(
    office: Office, clock: ManualClock
) -> None:
    offer_auto_top_up(office)
    billing = office.member(AccountRole.BILLING)
    await paid(office, billing, save=True)
    before = len(await told(office))
    await ask(office, billing, "PUT", "/auto-top-up", WANTED)
    await ask(office, billing, "PUT", "/auto-top-up", WANTED | {"threshold_usd": "12"})
    clock.advance(timedelta(hours=1))
    office.processor.charge_state = PaymentState.FAILED
    await top_up_low_accounts(office.context.funding)
    on, changed, *rest = (await told(office))[before:]
    stopped, charged = sorted(rest, key=lambda each: each["field"])
    assert (on["field"], json.loads(on["after"])["amount_usd"]) == ("auto_top_up", "10.000000000")
    assert (changed["field"], changed["before"], changed["after"]) == (
        "auto_top_up.threshold_usd",
        "15.000000000",
        "12.000000000",
    )
    assert {(each["actor"][:5], each["address"]) for each in (on, changed)} == {("user_", "192.0.2.7")}
    assert (charged["field"], charged["actor"], charged["address"]) == ("top_up", "auto-topup", "")
    assert (stopped["field"], stopped["before"], stopped["after"]) == ("auto_top_up.enabled", "true", "false")
    assert (stopped["actor"], stopped["address"]) == ("auto-topup", "")
    assert "card declined" in stopped["wording"]
    assert [each["at"] for each in (on, changed, charged, stopped)] == [
        "2026-03-01T12:00:03Z",
        "2026-03-01T12:00:04Z",
        "2026-03-01T13:00:04Z",
        "2026-03-01T13:00:04Z",
    ]


async def test_a_refund_that_stops_auto_top_up_is_a_persons_and_the_stop_is_its_own(office: Office) -> None:
    offer_auto_top_up(office)
    billing = office.member(AccountRole.BILLING)
    top_up = await paid(office, billing, save=True)
    await ask(office, billing, "PUT", "/auto-top-up", WANTED)
    await ask(office, billing, "POST", f"/top-ups/{top_up}/refunds", {}, "r")
    actors = {each["field"]: (each["actor"][:5], each["address"]) for each in await told(office)}
    assert (actors["refund"], actors["auto_top_up.enabled"]) == (("user_", "192.0.2.7"), ("auto-", ""))


async def test_switching_off_is_the_persons_and_a_saved_method_is_told_without_its_ids(office: Office) -> None:
    offer_auto_top_up(office)
    billing = office.member(AccountRole.BILLING)
    await paid(office, billing, save=True)
    await ask(office, billing, "PUT", "/auto-top-up", WANTED)
    await ask(office, billing, "DELETE", "/auto-top-up")
    log = await told(office)
    off = log[-1]
    assert (off["field"], off["before"], off["after"]) == ("auto_top_up.enabled", "true", "false")
    assert (off["actor"][:5], off["address"], off["wording"]) == ("user_", "192.0.2.7", "")
    [saved] = [each for each in log if each["field"] == "saved_method"]
    assert set(json.loads(saved["after"])) == {"processor", "saved_at"}


async def test_a_payee_is_told_by_who_added_and_who_removed_it(office: Office) -> None:
    billing = office.member(AccountRole.BILLING)
    body = {"processor": "paypal", "kind": "email", "address": "ada@example.com"}
    made = await ask(office, billing, "POST", "/payees", body)
    await ask(office, billing, "DELETE", f"/payees/{made['id']}")
    log = await told(office)
    assert [(each["field"], each["subject"]) for each in log] == [
        ("payee", made["id"]),
        ("payee.removed_at", made["id"]),
    ]
    assert {(each["actor"][:5], each["address"]) for each in log} == {("user_", "192.0.2.7")}
    assert "ada@example.com" not in str(log)
