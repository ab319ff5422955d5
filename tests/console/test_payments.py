"""Routes of top-ups, refunds, withdrawals and payees."""

from typing import Any

from tests.console.conftest import Browser, Office

from tokenharbor.identity.roles import AccountRole

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


async def test_TH_B5_a_first_top_ups_match_is_locked_beside_it(office: Office) -> None:
    billing, _ = await paid(office)
    lots = (await billing.get(f"{office.account_path}/lots")).json()
    assert [(lot["pool"], lot["restriction"]) for lot in lots] == [("paid", None), ("match", "locked")]
    match = (await billing.get(f"{office.account_path}/rewards")).json()["match"]
    assert (match["stage"], match["locked_usd"], match["unlocked_usd"]) == ("granted", "10.000000000", "0.000000000")


async def test_TH_B9_a_refund_is_shown_before_it_is_asked_for_and_made_once(office: Office) -> None:
    billing, top_up = await paid(office)
    path = f"{office.account_path}/top-ups/{top_up['id']}"
    preview = (await billing.get(f"{path}/refund-preview")).json()
    assert (preview["amount"], preview["locked_usd"], preview["review"]) == ("10.00", "10.000000000", False)
    part = (await billing.get(f"{path}/refund-preview?amount_usd=4")).json()
    assert part["amount"] == "4.00"
    body = {"amount_usd": "4"}
    refund = (await billing.ask("POST", f"{path}/refunds", json=body, headers=KEY)).json()
    assert (refund["state"], refund["amount"], refund["origin"]) == ("done", "4.00", "customer")
    assert (await billing.ask("POST", f"{path}/refunds", json=body, headers=KEY)).json() == refund
    assert len(office.processor.refunds) == 1
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
