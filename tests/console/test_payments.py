"""Routes of top-ups, refunds, withdrawals and payees."""

import dataclasses
from datetime import timedelta
from typing import Any

import msgspec
from tests.console.conftest import Browser, Office

from tokenharbor.console.context import CONTEXT
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.money import Usd

KEY = {"idempotency-key": "one"}


async def paid(office: Office) -> tuple[Browser, dict[str, Any]]:
    """A top-up of $10 that was paid and read again."""
    billing = office.member(AccountRole.BILLING)
    path = f"{office.account_path}/top-ups"
    opened = (await billing.ask("POST", path, json={"amount_usd": "10"}, headers=KEY)).json()
    office.processor.pay(opened["id"])
    return billing, (await billing.ask("POST", f"{path}/{opened['id']}/sync")).json()


async def test_TH_B3_a_top_up_is_opened_once_and_credited_once_it_is_paid(office: Office) -> None:
    billing = office.member(AccountRole.BILLING)
    path = f"{office.account_path}/top-ups"
    said = await billing.ask("POST", path, json={"amount_usd": "10"}, headers=KEY)
    assert said.status_code == 201, said.text
    opened = said.json()
    assert (opened["state"], opened["credit_usd"], opened["url"][:16]) == ("open", "10.000000000", "https://pay.test")
    assert opened["actor"].startswith("user_")
    assert (await billing.ask("POST", path, json={"amount_usd": "10"}, headers=KEY)).json() == opened
    other = await billing.ask("POST", path, json={"amount_usd": "50"}, headers=KEY)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "conflict")
    assert (await billing.ask("POST", path, json={"amount_usd": "10"})).status_code == 400
    assert (
        await billing.ask("POST", path, json={"amount_usd": "11"}, headers={"idempotency-key": "x"})
    ).status_code == 400
    assert (await billing.ask("POST", f"{path}/{opened['id']}/sync")).json()["state"] == "open"
    office.processor.pay(opened["id"])
    assert (await billing.ask("POST", f"{path}/{opened['id']}/sync")).json()["state"] == "paid"
    assert [each["id"] for each in (await billing.get(f"{path}?state=paid")).json()["data"]] == [opened["id"]]
    assert (await billing.get(f"{path}/{opened['id']}/receipt.pdf")).content.startswith(b"%PDF")
    balance = (await billing.get(f"{office.account_path}/balance")).json()
    assert balance["pools"]["paid"] == "10.000000000"


async def test_whoever_looks_at_a_top_up_all_the_time_asks_the_processor_once_a_second(
    office: Office, clock: ManualClock
) -> None:
    path = f"{office.account_path}/top-ups"
    billing, viewer = office.member(AccountRole.BILLING), office.member(AccountRole.VIEWER)
    made = [
        await billing.ask("POST", path, json={"amount_usd": "10"}, headers={"idempotency-key": key})
        for key in ("one", "two")
    ]
    looks = [f"{path}/{each.json()['id']}/sync" for each in made]
    said = [await viewer.ask("POST", looks[number % 2]) for number in range(310)]
    assert {(each.status_code, each.json().get("state")) for each in said[:300]} == {(200, "open")}
    assert office.processor.reads == 60
    assert {(each.status_code, each.headers["retry-after"]) for each in said[300:]} == {(429, "60")}
    clock.advance(timedelta(minutes=1))
    office.processor.pay(made[0].json()["id"])
    assert (await viewer.ask("POST", looks[0])).json()["state"] == "paid"


async def test_four_pages_that_wait_for_a_payment_are_refused_nothing(office: Office, clock: ManualClock) -> None:
    opened, viewer = f"{office.account_path}/top-ups", office.member(AccountRole.BILLING)
    top_up = (await viewer.ask("POST", opened, json={"amount_usd": "10"}, headers=KEY)).json()
    for _ in range(35):
        for _ in range(4):
            assert (await viewer.ask("POST", f"{opened}/{top_up['id']}/sync")).status_code == 200
        clock.advance(timedelta(seconds=2))
    office.processor.pay(top_up["id"])
    clock.advance(timedelta(minutes=1))
    assert (await viewer.ask("POST", f"{opened}/{top_up['id']}/sync")).json()["state"] == "paid"


async def test_TH_B5_a_first_top_ups_match_is_locked_beside_it(office: Office) -> None:
    billing, top_up = await paid(office)
    lots = (await billing.get(f"{office.account_path}/lots")).json()
    assert [(lot["pool"], lot["restriction"]) for lot in lots] == [("paid", None), ("match", "locked")]
    match = (await billing.get(f"{office.account_path}/rewards")).json()["match"]
    assert (match["stage"], match["locked_usd"], match["unlocked_usd"]) == ("granted", "10.000000000", "0.000000000")
    assert top_up["match"] == {
        "granted_usd": "10.000000000",
        "unlocked_usd": "0.000000000",
        "locked_usd": "10.000000000",
        "cancelled_usd": "0.000000000",
        "expires_at": match["expires_at"],
    }
    path = f"{office.account_path}/top-ups"
    await billing.ask("POST", f"{path}/{top_up['id']}/refunds", json={"amount_usd": "4"}, headers=KEY)
    [listed] = (await billing.get(path)).json()["data"]
    assert (listed["match"]["locked_usd"], listed["match"]["cancelled_usd"]) == ("6.000000000", "4.000000000")
    second = (await billing.ask("POST", path, json={"amount_usd": "10"}, headers={"idempotency-key": "2"})).json()
    office.processor.pay(second["id"])
    assert (await billing.ask("POST", f"{path}/{second['id']}/sync")).json()["match"] is None, "only the first has one"


async def test_TH_B9_a_refund_is_shown_before_it_is_asked_for_and_made_once(office: Office) -> None:
    billing, top_up = await paid(office)
    path = f"{office.account_path}/top-ups/{top_up['id']}"
    preview = (await billing.get(f"{path}/refund-preview")).json()
    assert (preview["amount"], preview["locked_usd"], preview["review"]) == ("10.00", "10.000000000", False)
    part = (await billing.get(f"{path}/refund-preview?amount_usd=4")).json()
    assert (part["amount"], part["max_usd"]) == ("4.00", "10.000000000")
    lots = {lot["id"]: lot["pool"] for lot in (await billing.get(f"{office.account_path}/lots")).json()}
    leaving = [(lots[each["lot"]], each["restriction"], each["usd"]) for each in part["leaving"]]
    assert leaving == [("paid", None, "4.000000000"), ("match", "locked", "4.000000000")]
    body = {"amount_usd": "10.01"}
    for said in (
        await billing.get(f"{path}/refund-preview?amount_usd=10.01"),
        await billing.ask("POST", f"{path}/refunds", json=body, headers={"idempotency-key": "too-much"}),
    ):
        error = said.json()["error"]
        assert (said.status_code, error["param"]) == (400, "amount")
        assert error["message"] == f"at most $10.00 of {top_up['id']} can be refunded now"
    assert office.processor.refunds == {}
    body = {"amount_usd": "4"}
    refund = (await billing.ask("POST", f"{path}/refunds", json=body, headers=KEY)).json()
    assert (refund["state"], refund["amount"], refund["origin"]) == ("done", "4.00", "customer")
    assert (await billing.ask("POST", f"{path}/refunds", json=body, headers=KEY)).json() == refund
    assert len(office.processor.refunds) == 1
    match = (await billing.get(f"{office.account_path}/rewards")).json()["match"]
    figures = {name: match[f"{name}_usd"] for name in ("granted", "unlocked", "locked", "cancelled")}
    assert figures == {
        "granted": "10.000000000",
        "unlocked": "0.000000000",
        "locked": "6.000000000",
        "cancelled": "4.000000000",
    }
    assert [each["id"] for each in (await billing.get(f"{office.account_path}/refunds")).json()] == [refund["id"]]
    for wrong in ({"amount_usd": "0"}, {"amount_usd": "-1"}, {"amount": "1"}):
        said = await billing.ask("POST", f"{path}/refunds", json=wrong, headers={"idempotency-key": "two"})
        assert said.status_code == 400, wrong


async def test_another_accounts_top_up_is_not_refunded(office: Office) -> None:
    billing, top_up = await paid(office)
    other = office.member(AccountRole.OWNER, office.context.world.ids.new())
    assert billing is not other
    for method, path in (("GET", "refund-preview"), ("POST", "refunds"), ("GET", "receipt.pdf")):
        said = await other.ask(method, f"{office.account_path}/top-ups/{top_up['id']}/{path}", json={}, headers=KEY)
        assert said.status_code == 404, path
    assert office.processor.refunds == {}


async def test_TH_B9_credit_is_withdrawn_to_what_paid_for_it(office: Office) -> None:
    billing, top_up = await paid(office)
    outlook = (await billing.get(f"{office.account_path}/withdrawals/outlook")).json()
    assert (outlook["lots"][0]["way"], outlook["lots"][0]["to"]) == ("original", top_up["id"])
    preview = await billing.get(f"{office.account_path}/withdrawals/preview?top_up={top_up['id']}&amount_usd=10")
    assert preview.json()["amount"] == "10.00", preview.text
    body = {"top_up": top_up["id"], "amount_usd": "10"}
    asked = (await billing.ask("POST", f"{office.account_path}/withdrawals", json=body, headers=KEY)).json()
    assert (await billing.ask("POST", f"{office.account_path}/withdrawals", json=body, headers=KEY)).json() == asked
    if asked["state"] == "asked":
        cancelled = await billing.ask("POST", f"{office.account_path}/withdrawals/{asked['id']}/cancellation")
        assert cancelled.json()["state"] == "cancelled"
    listed = (await billing.get(f"{office.account_path}/withdrawals")).json()
    assert [each["id"] for each in listed] == [asked["id"]]
    both = {"top_up": top_up["id"], "payee": "payee_x"}
    said = await billing.ask("POST", f"{office.account_path}/withdrawals", json=both, headers=KEY)
    assert said.status_code == 400


async def test_a_payee_is_added_and_removed(office: Office) -> None:
    billing = office.member(AccountRole.BILLING)
    body = {"processor": "paypal", "kind": "email", "address": "ada@example.com"}
    said = await billing.ask("POST", f"{office.account_path}/payees", json=body)
    assert said.status_code == 201, said.text
    made = said.json()
    assert (made["verified_at"], made["address"]) == (None, "ada@example.com")
    assert (await billing.ask("DELETE", f"{office.account_path}/payees/{made['id']}")).status_code == 204
    listed = (await billing.get(f"{office.account_path}/payees")).json()
    assert all(each["removed_at"] for each in listed)


async def test_TH_B9_a_top_up_says_what_is_left_of_it_and_what_can_come_back(office: Office) -> None:
    billing, top_up = await paid(office)
    path = f"{office.account_path}/top-ups"

    async def rests() -> tuple[str, str]:
        one, [listed] = (await billing.get(f"{path}/{top_up['id']}")).json(), (await billing.get(path)).json()["data"]
        assert one == listed
        return one["left_usd"], one["refundable_usd"]

    assert (top_up["left_usd"], top_up["refundable_until"]) == ("10.000000000", "2026-03-31T12:00:00Z")
    assert await rests() == ("10.000000000", "10.000000000")
    await billing.ask("POST", f"{path}/{top_up['id']}/refunds", json={"amount_usd": "4"}, headers=KEY)
    assert await rests() == ("6.000000000", "6.000000000")
    async with office.context.pool.acquire() as conn:  # held by an open request
        await conn.execute("update wallet set held = $1", Usd.parse("2.5"))
    assert await rests() == ("3.500000000", "3.500000000")
    async with office.context.pool.acquire() as conn:
        await conn.execute("update wallet set held = 0")
    await billing.ask("POST", f"{path}/{top_up['id']}/refunds", json={}, headers={"idempotency-key": "rest"})
    assert await rests() == ("0.000000000", "0.000000000")
    again = (await billing.ask("POST", path, json={"amount_usd": "10"}, headers={"idempotency-key": "new"})).json()
    assert (again["left_usd"], again["refundable_until"]) == ("0.000000000", None), "nothing is paid yet"


async def test_after_the_refund_window_nothing_is_offered(office: Office, clock: ManualClock) -> None:
    billing, top_up = await paid(office)
    clock.advance(timedelta(days=30, seconds=1))
    shown = (await billing.get(f"{office.account_path}/top-ups/{top_up['id']}")).json()
    assert (shown["left_usd"], shown["refundable_usd"]) == ("10.000000000", "0.000000000")
    said = await billing.get(f"{office.account_path}/top-ups/{top_up['id']}/refund-preview")
    assert said.status_code == 409


async def test_auto_top_up_that_was_never_set_is_off_and_says_its_bounds(office: Office) -> None:
    billing = office.member(AccountRole.BILLING)
    path = f"{office.account_path}/auto-top-up"
    shown = (await billing.get(path)).json()
    assert (shown["enabled"], shown["amount_usd"], shown["saved_methods"]) == (False, None, [])
    assert shown["bounds"] == {
        "offered": False,
        "min_threshold_usd": "1.000000000",
        "max_month_usd": "500.000000000",
        "cooldown_minutes": 10,
    }
    assert (await billing.ask("DELETE", path)).json() == shown
    wanted = {"threshold_usd": "5", "amount_usd": "10", "month_usd": "100"}
    said = await billing.ask("PUT", path, json=wanted)
    assert said.status_code == 400, "this edition does not offer it"


async def test_auto_top_up_is_switched_on_with_a_saved_method_and_off_at_once(office: Office) -> None:
    policy = office.context.policy()
    offering = msgspec.structs.replace(policy, auto_topup=msgspec.structs.replace(policy.auto_topup, enabled=True))
    context = dataclasses.replace(
        office.context, funding=dataclasses.replace(office.context.funding, policy=lambda: offering)
    )
    office.app.state[CONTEXT] = context
    billing = office.member(AccountRole.BILLING)
    path = f"{office.account_path}/auto-top-up"
    wanted = {"threshold_usd": "5", "amount_usd": "10", "month_usd": "100"}
    assert (await billing.ask("PUT", path, json=wanted)).json()["error"]["param"] == "processor"
    body = {"amount_usd": "10", "save_method": True}
    opened = (await billing.ask("POST", f"{office.account_path}/top-ups", json=body, headers=KEY)).json()
    office.processor.pay(opened["id"])
    await billing.ask("POST", f"{office.account_path}/top-ups/{opened['id']}/sync")
    on = (await billing.ask("PUT", path, json=wanted)).json()
    assert (on["enabled"], on["brake"], on["amount_usd"]) == (True, None, "10.000000000")
    assert [(each["processor"], each["method"]) for each in on["saved_methods"]] == [("paypal", "paypal")]
    for field, wrong in (("threshold_usd", "0.5"), ("month_usd", "501"), ("amount_usd", "0")):
        assert (await billing.ask("PUT", path, json=wanted | {field: wrong})).status_code == 400, field
    off = (await billing.ask("DELETE", path)).json()
    assert (off["enabled"], off["stop_reason"], off["amount_usd"]) == (False, None, "10.000000000")


async def test_TH_B9_the_outlook_says_what_can_leave_now_where_to_and_the_bounds(office: Office) -> None:
    billing, top_up = await paid(office)
    path = f"{office.account_path}/withdrawals/outlook"
    outlook = (await billing.get(path)).json()
    assert (outlook["now_usd"], outlook["min_usd"], outlook["approval"]) == ("10.000000000", "10.000000000", True)
    assert outlook["ways"] == [{"top_up": top_up["id"], "amount_usd": "10.000000000"}]
    assert (outlook["payee_kinds"], outlook["payee_days"]) == ({"paypal": ["email"]}, 0)
    async with office.context.pool.acquire() as conn:
        await conn.execute("update wallet set debt = 1")
    frozen = (await billing.get(path)).json()
    assert (frozen["now_usd"], frozen["ways"]) == ("0.000000000", [])
    assert frozen["frozen"]
