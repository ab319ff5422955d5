"""Auto top-up, withdrawals and statements in each of their states."""

from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest
from playwright.async_api import expect
from tests.browser.conftest import Visit
from tests.browser.site import Person, Site
from tests.browser.visitor import until

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

WISH = {"threshold_usd": "5", "amount_usd": "10", "month_usd": "100"}


def _save_a_card(person: Person) -> str:
    """The id of the top-up that saves it; $10 are in the balance then."""
    opened = person.send(
        "POST", "/top-ups", {"amount_usd": "10", "currency": "USD", "method": "card", "save_method": True}
    )
    payer = {"outcome": "paid", "payer": person.email.partition("@")[0]}
    assert httpx.post(opened["url"], data=payer).status_code == 303
    assert person.send("POST", f"/top-ups/{opened['id']}/sync")["state"] == "paid"
    top_up: str = opened["id"]
    return top_up


async def test_auto_top_up_is_off_on_stopped_and_waits_for_a_debt(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    visitor = await visit(person)
    page = await visitor.open("/billing/auto-top-up")
    state = page.get_by_role("region", name="State")
    await expect(state).to_contain_text("Auto top-up is off.")
    await expect(page.get_by_text("No saved payment method yet.")).to_be_visible()
    saved = _save_a_card(person)
    disputed = person.top_up("10")
    person.send("PUT", "/auto-top-up", WISH)
    await page.reload()
    await expect(state).to_contain_text("Auto top-up is on.")
    await expect(state).to_contain_text("When the balance falls below $5.00, $10.00 is charged to")
    await page.get_by_role("button", name="Turn off").click()
    await expect(state).to_contain_text("Auto top-up is off.")
    person.send("PUT", "/auto-top-up", WISH)
    person.send("POST", f"/top-ups/{saved}/refunds", {"amount_usd": "4", "reason": ""})
    await page.reload()
    await expect(state).to_contain_text("Auto top-up was stopped.")
    await expect(state).to_contain_text("A top-up was refunded.")
    person.call(person.new_key(), 15_900)
    person.dispute(disputed)
    await until(lambda: Decimal(person.send("GET", "/balance")["debt_usd"]) > 0)
    person.send("PUT", "/auto-top-up", WISH)
    await page.reload()
    await expect(state).to_contain_text("Paused until your debt is paid: top up manually.")
    page = await (await visit(site.join(person, "viewer"))).open("/billing/auto-top-up")
    await expect(page.get_by_role("region", name="State")).to_contain_text("Auto top-up is on.")
    await expect(page.get_by_role("button", name="Turn off")).to_have_count(0)


async def test_withdrawals_say_that_nothing_can_leave_what_waits_and_what_was_paid(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    visitor = await visit(person)
    page = await visitor.open("/billing/withdrawals")
    leaves = page.get_by_role("region", name="Available now")
    await expect(leaves).to_contain_text("$0.00")
    await expect(page.get_by_role("cell", name="never: granted credit")).to_be_visible()
    await expect(page.get_by_role("link", name="Withdraw", exact=True)).to_have_count(0)
    top_up = person.top_up("50")
    await page.reload()
    await expect(leaves).to_contain_text("$50.00")
    await page.get_by_role("link", name="Withdraw", exact=True).click()
    panel = page.get_by_role("dialog")
    await panel.get_by_label("Credit to withdraw").fill("12")
    await panel.get_by_role("button", name="Withdraw $12.00").click()
    await panel.get_by_role("button", name="Done").click()
    asked = page.get_by_role("table", name="Withdrawals").get_by_role("row").last
    await expect(asked).to_contain_text("$12.00")
    await expect(asked.get_by_role("button", name="Cancel")).to_be_visible()
    [withdrawal] = person.send("GET", "/withdrawals")
    site.harbor.cli("withdrawals", "approve", withdrawal["id"], "--by", "keeper")
    await until(lambda: person.send("GET", "/withdrawals")[0]["state"] == "done")
    await page.reload()
    await expect(asked).to_contain_text("paid")
    await expect(asked.get_by_role("button", name="Cancel")).to_have_count(0)
    assert site.paid_back(top_up["id"]) == ["12.00"]


async def test_who_may_not_spend_sees_what_can_leave_and_withdraws_nothing(visit: Visit, site: Site) -> None:
    owner = site.sign_up()
    owner.top_up("50")
    visitor = await visit(site.join(owner, "viewer"))
    page = await visitor.open("/billing/withdrawals")
    await expect(page.get_by_role("region", name="Available now")).to_contain_text("$50.00")
    await expect(page.get_by_role("link", name="Withdraw", exact=True)).to_have_count(0)
    await expect(page.get_by_role("link", name="Add a payee")).to_have_count(0)
    page = await visitor.open("/billing/withdrawals/new")
    await expect(page.get_by_text("Members who can spend can request a withdrawal.")).to_be_visible()


async def test_a_statement_has_nothing_then_a_month_and_its_files(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    page = await (await visit(person)).open("/billing/statements")
    paper = page.get_by_role("region", name="Statement")
    await expect(paper).to_contain_text("No changes to your credit in this period.")
    top_up = person.top_up("50")
    await page.reload()
    await expect(paper).to_contain_text("Top-up")
    await expect(paper).to_contain_text("$50.00")
    await expect(page.get_by_role("table", name="Payments").get_by_role("row")).to_have_count(1 + 1)
    for link, beginning in (("Statement PDF", b"%PDF-"), ("Statement CSV", b""), ("Ledger CSV", b"")):
        async with page.expect_download() as started:
            await page.get_by_role("link", name=link).click()
        downloaded = await (await started.value).path()
        content = downloaded.read_bytes()
        assert content.startswith(beginning)
        assert link.endswith("PDF") or top_up["id"].encode() in content or b"50" in content
    year = datetime.now(UTC).year
    page = await (await visit(person)).open(f"/billing/statements?from={year}-02-02&to={year}-02-01")
    await expect(page.get_by_text("The range ends before it starts.")).to_be_visible()
