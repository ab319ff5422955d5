"""Billing in each of its states: overview, top-up and its result, ledger, top-ups, refund."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect
from tests.browser.conftest import Visit
from tests.browser.site import Site

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def test_the_first_day_of_billing_says_what_will_be_listed(visit: Visit, site: Site) -> None:
    visitor = await visit(site.sign_up())
    for path, words in {
        "/billing": "No credit",
        "/billing/ledger": "No entries yet",
        "/billing/top-ups": "No top-ups yet",
    }.items():
        page = await visitor.open(path)
        await expect(page.get_by_text(words)).to_be_visible()


async def test_a_viewer_reads_billing_and_is_offered_nothing(visit: Visit, site: Site) -> None:
    owner = site.sign_up()
    paid = owner.top_up("10")
    visitor = await visit(site.join(owner, "viewer"))
    page = await visitor.open("/billing")
    await expect(page.get_by_role("region", name="Balance")).to_contain_text("$10.00")
    await expect(page.get_by_role("link", name="Top up", exact=True)).to_have_count(0)
    page = await visitor.open("/billing/top-ups")
    await expect(page.get_by_role("cell", name="received", exact=True)).to_be_visible()
    await expect(page.get_by_role("link", name="Refund")).to_have_count(0)
    page = await visitor.open("/billing/top-up")
    await expect(page.get_by_text("Members who can spend can top up.")).to_be_visible()
    page = await visitor.open(f"/billing/top-ups/{paid['id']}/refund")
    await expect(page.get_by_text("Members who can spend can request a refund.")).to_be_visible()


async def test_a_budget_is_set_shown_at_home_and_refuses_what_is_beyond_it(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    key = person.new_key()
    person.call(key)
    visitor = await visit(person)
    visitor.watch.expected.append("400 PATCH */budgets")
    page = await visitor.open("/billing/budgets")
    await expect(page.get_by_text("No budget is set.")).to_be_visible()
    await page.get_by_label("Daily budget").fill("0.0000001")
    await page.get_by_label("Monthly budget").fill("x")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("not an amount")).to_be_visible()
    await page.get_by_label("Monthly budget").fill("$40")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    await expect(page.get_by_text("The daily budget is spent.")).to_be_visible()
    await expect(page.get_by_role("region", name="State")).to_contain_text("of $40.00")
    assert site.ask(key).status_code == 402
    page = await visitor.open("/")
    await expect(page.get_by_role("main")).to_contain_text("of $40.00 this month")
    page = await visitor.open("/billing/budgets")
    await page.get_by_label("Daily budget").fill("")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("A monthly budget is set.")).to_be_visible()
    assert site.ask(key).status_code == 200


async def test_an_operators_limit_stands_beside_a_budget_that_lifts_nothing(visit: Visit, site: Site) -> None:
    owner = site.sign_up()
    owner.send("PATCH", "/budgets", {"daily_usd": "9"})
    site.harbor.cli("accounts", "limits", owner.account, "--daily-usd", "5")
    page = await (await visit(site.join(owner, "viewer"))).open("/billing/budgets")
    state = page.get_by_role("region", name="State")
    await expect(state).to_contain_text("of $5.00")
    await expect(state).to_contain_text(
        "Operator's limit: $5.00 a day. Your budget of $9.00 is higher and has no effect."
    )
    await expect(page.get_by_role("button", name="Save")).to_have_count(0)


async def test_a_held_part_is_shown_while_a_call_is_open(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    key = person.new_key()
    visitor = await visit(person)
    with site.open_call(key):
        page = await visitor.open("/billing")
        await expect(page.get_by_role("main")).to_contain_text("more is held for open requests")
        row = page.get_by_role("table", name="Held now").get_by_role("row").nth(1)
        [hold] = person.send("GET", "/holds")["oldest"]
        await expect(row.get_by_role("link", name="test")).to_have_attribute("href", f"/dashboard/keys/{hold['key']}")
        await expect(row).to_contain_text("known when it ends")
        await expect(row).to_contain_text("$")
    await expect(page.get_by_text("more is held for open requests")).to_have_count(0)
    await expect(page.get_by_text("No open requests, so nothing is held.")).to_be_visible()


async def test_a_payment_that_is_not_made_waits_and_one_that_is_made_is_credited(visit: Visit, site: Site) -> None:
    """The page looks by itself."""
    person = site.sign_up()
    opened = person.open_top_up("50")
    page = await (await visit(person)).open(f"/billing/top-ups/{opened['id']}")
    await expect(page.get_by_text("Waiting for PayPal. This page updates itself.")).to_be_visible()
    await expect(page.get_by_role("link", name="Return to pay $50.00")).to_be_visible()
    person.pay(opened)
    await expect(page.get_by_text("is in your balance.")).to_be_visible()
    await expect(page.get_by_role("main")).to_contain_text("You paid $50.00 with PayPal.")
    await expect(page.get_by_role("main")).to_contain_text(
        "You get a $50.00 match with it. $50.00 is locked: one dollar unlocks for each dollar you spend"
    )
    await expect(page.get_by_role("banner")).to_contain_text("$50.00")


async def test_who_leaves_the_processors_page_may_go_back_to_it(visit: Visit, site: Site) -> None:
    page = await (await visit(site.sign_up())).open("/billing/top-up")
    await expect(page.get_by_text("We match 100% of your first top-up, up to $100.")).to_be_visible()
    await page.get_by_role("radio", name="$100", exact=True).check()
    await page.get_by_role("button", name="Continue to payment").click()
    await page.get_by_role("button", name="Cancel and go back").click()
    await page.get_by_role("link", name="Return to pay $100.00").click()
    await expect(page.get_by_role("heading", name="PayPal, simulated")).to_be_visible()


async def test_a_currency_without_a_rate_is_not_offered_and_each_has_its_own_methods(visit: Visit, site: Site) -> None:
    visitor = await visit(site.sign_up())
    edition = site.send("GET", "/api/edition").json()
    [usd] = edition["topups"]["sold_in"]
    card = {"currency": "CNY", "methods": ["card"], "per_usd": "7.2", "fault": None}

    async def told(currencies: list[str], other: dict[str, Any]) -> Page:
        topups = edition["topups"] | {"currencies": currencies, "sold_in": [usd, other]}
        await visitor.page.unroute_all()
        await visitor.page.route("**/api/edition", lambda route: route.fulfill(json=edition | {"topups": topups}))
        return await visitor.open("/billing/top-up")

    page = await told(["USD"], card | {"per_usd": None, "fault": "no_rate"})
    await expect(page.get_by_text("CNY is unavailable: no exchange rate")).to_be_visible()
    await expect(page.get_by_role("radiogroup", name="Currency")).to_have_count(0)
    await expect(page.get_by_role("button", name="Continue to payment")).to_be_enabled()
    page = await told(["USD", "CNY"], card)
    await expect(page.get_by_role("radio", name="PayPal")).to_be_checked()
    await page.get_by_role("radiogroup", name="Currency").get_by_text("CNY").click()
    await expect(page.get_by_role("radio", name="Card")).to_be_checked()
    await expect(page.get_by_role("radio", name="PayPal")).to_have_count(0)


async def test_a_payment_that_is_refused_adds_no_credit(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    opened = person.open_top_up("10")
    site.paypal.server.capture_status = "DECLINED"  # type: ignore[attr-defined]  # of PayPal's
    try:
        person.pay(opened)
        page = await (await visit(person)).open(f"/billing/top-ups/{opened['id']}")
        await expect(page.get_by_text("No credit was added.")).to_be_visible()
        await page.get_by_role("link", name="Try again").click()
        await expect(page.get_by_role("radio", name="$10", exact=True)).to_be_visible()
    finally:
        site.paypal.server.capture_status = "COMPLETED"  # type: ignore[attr-defined]


async def test_the_ledger_comes_by_pages_and_by_kinds(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    key = person.new_key()
    for _ in range(52):
        person.call(key, 1)
    visitor = await visit(person)
    page = await visitor.open("/billing/ledger")
    rows = page.get_by_role("table", name="Ledger").get_by_role("row")
    await expect(rows).to_have_count(1 + 50)
    await page.get_by_role("button", name="Show more").click()
    await expect(rows.filter(has_text="Welcome grant")).to_have_count(1)
    await page.get_by_role("radiogroup", name="Entry type").get_by_text("Referral").click()
    await expect(page.get_by_text("No entries of this type")).to_be_visible()
    await page.get_by_role("button", name="Show all").click()
    await expect(rows.filter(has_text="Welcome grant")).to_have_count(1)


async def test_a_locked_match_is_in_the_ledger_and_how_far_it_is_above(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    paid = person.top_up("10")
    person.call(person.new_key(), 2_000)
    person.send("POST", f"/top-ups/{paid['id']}/refunds", {"amount_usd": "1"})
    page = await (await visit(person)).open("/billing/ledger?type=promotional")
    rows = page.get_by_role("table", name="Ledger").get_by_role("row")
    await expect(rows.filter(has_text="Match cancelled")).to_contain_text("−$1.00 locked")
    await expect(rows.filter(has_text="Match unlocked")).to_contain_text("+$2.00")
    await expect(rows.filter(has_text="+$10.00 locked")).to_have_count(1)
    await expect(page.get_by_role("main")).to_contain_text(
        "$2.00 of your $10.00 match is unlocked. $7.00 is still locked"
    )
    await page.get_by_role("radiogroup", name="Entry type").get_by_text("Spending").click()
    await expect(page.get_by_text("is still locked")).to_have_count(0)


async def test_a_refund_of_a_part_says_its_sum_and_what_has_come_back_is_not_refunded_again(
    visit: Visit, site: Site
) -> None:
    person = site.sign_up()
    paid = person.top_up("10")
    page = await (await visit(person)).open(f"/billing/top-ups/{paid['id']}/refund")
    panel = page.get_by_role("dialog")
    await expect(panel).to_contain_text("You get back$10.00to PayPal")
    await expect(panel).to_contain_text("$10.00 locked match is cancelled.")
    await panel.get_by_label("Credit to refund").fill("10.5")
    await expect(panel).to_contain_text("At most $10 can be refunded.")
    await panel.get_by_label("Credit to refund").fill("4")
    line = panel.get_by_role("list", name="Credit in spending order").get_by_role("listitem")
    said = [re.compile(r"\$10\.00 paid.*; \$4\.00 to be removed"), re.compile(r"match.*; \$4\.00 to be removed")]
    await expect(line).to_have_text(said)
    for lot in await line.all():  # four tenths of each are hollow
        slice_ = lot.locator("span").last
        widths = [await each.evaluate("e => e.getBoundingClientRect().width") for each in (slice_, lot)]
        assert abs(widths[0] / widths[1] - 0.4) < 0.02, widths
    await panel.get_by_role("button", name="Refund $4.00").click()
    await panel.get_by_role("button", name="Done").click()
    await page.get_by_role("link", name="Refund").click()
    await expect(panel).to_contain_text("You get back$6.00to PayPal")
    await panel.get_by_role("button", name="Refund $6.00").click()
    await panel.get_by_role("button", name="Done").click()
    await expect(page.get_by_role("table", name="Refunds").get_by_role("row")).to_have_count(1 + 2)
    assert site.paid_back(paid["id"]) == ["4.00", "6.00"]


async def test_spent_credit_does_not_come_back(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    paid = person.top_up("10")
    person.call(person.new_key(), 9_999)
    visitor = await visit(person)
    visitor.watch.expected.append("4?? GET */refund-preview")
    visitor.watch.expected.append("4* GET */refund-preview*")
    page = await visitor.open(f"/billing/top-ups/{paid['id']}/refund")
    await expect(page.get_by_text("Nothing to refund.")).to_be_visible()
    await expect(page.get_by_role("button", name=re.compile("^Refund"))).to_have_count(0)
