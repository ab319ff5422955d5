"""The public pages of models: without scripts by their forms, with them at once; and what who is signed in sees."""

import re

import pytest
from playwright.async_api import Page, expect
from tests.browser.conftest import Visit
from tests.browser.site import Site

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def listed(page: Page, *names: str) -> None:
    """The list has these models, in this order."""
    found = page.locator("table.list tbody th a")
    await expect(found).to_have_text([re.compile(f"^{re.escape(name)}") for name in names])


async def test_TH_A7_without_scripts_a_form_narrows_compares_and_tells_a_calls_cost(visit: Visit) -> None:
    page = await (await visit(scripts=False)).open("/models")
    await page.get_by_role("searchbox").fill("sims")
    await page.get_by_role("button", name="Show").click()
    await listed(page, "gift", "sim")
    await page.get_by_role("checkbox", name="Free", exact=True).check()
    await page.get_by_role("button", name="Show").click()
    await listed(page, "gift")
    await expect(page.get_by_role("row", name=re.compile("^Compare gift|gift"))).to_contain_text("$0")
    await page.get_by_role("link", name="Clear filters").click()
    await page.get_by_role("checkbox", name="Compare gift").check()
    await page.get_by_role("checkbox", name="Compare sim").check()
    await page.get_by_role("button", name="Compare").click()
    beside = page.get_by_role("region", name="Comparison")
    await expect(beside.get_by_role("row", name=re.compile("^Request cost"))).to_contain_text("$1.000001")
    await beside.get_by_role("link", name="sim", exact=True).click()
    await page.get_by_label("Output tokens").fill("2,000")
    await page.get_by_label("Requests").fill("3")
    await page.get_by_role("button", name="Show").click()
    await expect(page.get_by_role("status")).to_contain_text("$6.000006")
    await expect(page.get_by_role("button", name="Copy")).to_have_count(0)


async def test_TH_A7_with_the_script_the_list_follows_what_one_types_on_the_same_page(visit: Visit) -> None:
    page = await (await visit()).open("/models")
    await page.evaluate("window.same = true")
    await page.get_by_role("searchbox").press_sequentially("sims")
    await listed(page, "gift", "sim")
    await expect(page).to_have_url(re.compile(r"/models\?q=sims$"))
    await page.get_by_role("link", name="Context").click()
    await listed(page, "sim", "gift")
    await page.get_by_role("checkbox", name="Compare gift").check()
    await expect(page.get_by_role("region", name="Comparison")).to_be_visible()
    await expect(page.get_by_role("checkbox", name="Compare gift")).to_be_focused()
    await page.get_by_role("searchbox").fill("no such thing")
    await expect(page.get_by_text("No models match.")).to_be_visible()
    await expect(page.get_by_role("region", name="Comparison")).to_be_visible()
    assert await page.evaluate("window.same") is True


async def test_a_models_page_tells_provider_price_health_and_cost_and_copies_commands(visit: Visit) -> None:
    page = await (await visit()).open("/models/sim")
    await expect(page.get_by_role("heading", name="sim", level=1)).to_be_visible()
    providers = page.get_by_role("table").first
    await expect(providers.get_by_role("columnheader")).to_have_text(
        ["Provider", "Region", "Data retention", "APIs", "Success rate 7 days"]
    )
    await expect(page.get_by_role("row", name=re.compile("^Now"))).to_contain_text("$1,000.001")
    await page.get_by_label("Output tokens").fill("5")
    await expect(page.get_by_role("status")).to_contain_text("$0.005000005")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.get_by_text("opencode", exact=True).click()
    command = page.get_by_role("group").filter(has=page.locator("#code-opencode"))
    await command.get_by_role("button", name="Copy").click()
    await expect(command.get_by_role("button", name="Copied")).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied == await page.locator("#code-opencode").text_content()
    await page.get_by_role("link", name="Sign in").click()
    await expect(page).to_have_url(re.compile("/dashboard/sign-in$"))


async def test_TH_F1_who_is_signed_in_sees_what_is_left_of_free_calls_and_has_a_way_back(
    visit: Visit, site: Site
) -> None:
    person = site.sign_up()
    page = await (await visit(person, phone=True)).open("/models/gift")
    await expect(page.get_by_text("Free models are off for your account.")).to_be_visible()
    await page.get_by_role("link", name="Turn on").click()
    await page.get_by_role("button", name="Agree and turn on").click()
    await expect(page.get_by_role("button", name="Turn off")).to_be_visible()
    await page.goto(f"{site.url}/models/gift")
    await expect(page.get_by_text(re.compile(r"^25 of 25 left\.$"))).to_be_visible()
    site.vendor.set_answer({"text": "one", "usage": {"input": 3, "output": 1}})
    assert site.ask(person.new_key(), model="gift").status_code == 200
    await page.reload()
    await expect(page.get_by_text(re.compile(r"^24 of 25 left, resets \d\d:\d\d\.$"))).to_be_visible()
    await page.goto(f"{site.url}/models?lang=zh&free=1")
    await expect(page.get_by_text(re.compile(r"^还剩 24 / 25 次，\d\d:\d\d 重置。$"))).to_be_visible()
    await page.get_by_role("link", name="控制台").click()
    await expect(page).to_have_url(re.compile("/dashboard/$"))
