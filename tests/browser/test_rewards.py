"""Rewards, alerts and the consent to free models, in their states; and that a balance which stays does not move."""

import re

import pytest
from playwright.async_api import expect
from tests.browser.conftest import Visit
from tests.browser.site import Site

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def test_rewards_say_what_can_be_had_until_when_and_what_was_given(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    page = await (await visit(person)).open("/rewards")
    await expect(page.get_by_text("of $500 lifetime cap")).to_be_visible()
    await expect(page.get_by_text(re.compile(r"Your first top-up must be paid by .*; 1\d days left\."))).to_be_visible()
    await expect(page.get_by_text("No sign-ups yet.")).to_be_visible()
    await expect(page.get_by_label("Your referral link")).to_have_text(re.compile(r"/dashboard/sign-up\?referral=\w+$"))
    await page.get_by_role("button", name="Claim $5").click()
    await expect(page.get_by_text(re.compile(r"Unspent credit expires .*; [67] days left\."))).to_be_visible()
    person.top_up("50")
    await page.reload()
    await expect(page.get_by_text("of $50.00 unlocked")).to_be_visible()
    await expect(page.get_by_text(re.compile(r"\$50\.00 is still locked\. Any part still locked on"))).to_be_visible()


async def test_a_viewer_sees_rewards_alerts_and_consent_and_changes_none(visit: Visit, site: Site) -> None:
    viewer = site.join(site.sign_up(), "viewer")
    visitor = await visit(viewer)
    page = await visitor.open("/rewards")
    await expect(page.get_by_text("Members who can spend can claim this.")).to_be_visible()
    await expect(page.get_by_role("button", name="Redeem")).to_have_count(0)
    page = await visitor.open("/settings/alerts")
    await expect(page.get_by_text("No alerts yet")).to_be_visible()
    await expect(page.get_by_role("main").get_by_role("button")).to_have_count(0)
    page = await visitor.open("/settings/free-models")
    await expect(page.get_by_text("Members who can manage the account can change this.")).to_be_visible()


async def test_a_webhooks_secret_is_shown_once_and_a_test_says_what_became_of_it(visit: Visit, site: Site) -> None:
    page = await (await visit(site.sign_up())).open("/settings/alerts")
    await page.get_by_label("Webhook URL").fill("https://hooks.invalid/in")
    await page.get_by_role("button", name="Add webhook").click()
    await expect(page.get_by_label("The webhook's secret")).to_have_text(re.compile("^whsec_"))
    await page.get_by_role("button", name="I have copied it").click()
    await expect(page.get_by_text("https://hooks.invalid/in")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("button", name="Remove")).to_be_visible()
    await expect(page.get_by_text("whsec_")).to_have_count(0)
    await page.get_by_role("button", name="Send a test").click()
    await expect(page.get_by_role("table", name="Sent alerts")).to_contain_text("Test alert")


async def test_TH_F2_somebody_agrees_to_free_models_and_turns_them_off(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    words = person.send("GET", "/free-models")["wording"]
    page = await (await visit(person)).open("/settings/free-models")
    await expect(page.get_by_text("Off: requests to free models are refused.")).to_be_visible()
    await expect(page.get_by_text(words)).to_be_visible()
    await page.get_by_role("button", name="Agree and turn on").click()
    await expect(page.get_by_text(re.compile(r"agreed to these terms on .*:"))).to_be_visible()
    assert person.send("GET", "/free-models")["consent"]["wording"] == words
    await page.get_by_role("button", name="Turn off").click()
    await expect(page.get_by_role("button", name="Agree and turn on")).to_be_visible()
    assert person.send("GET", "/free-models")["on"] is False


async def test_only_digits_that_change_move(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    person.credit("4.80")  # nothing is spent: cashback, which comes a moment after a request, moves digits, too
    page = await (await visit(person)).open("/")
    balance = page.get_by_role("region", name="Balance")
    figure = balance.locator("[aria-hidden=true] > [class*=digit], [aria-hidden=true] > [class*=arriving]")
    await expect(figure).to_have_text(list("$4.80"))
    moved = balance.locator("[class*=arriving]")
    await expect(moved).to_have_count(0)
    person.credit("0.02")
    await expect(figure).to_have_text(list("$4.82"))
    await expect(moved).to_have_text(["2"])
