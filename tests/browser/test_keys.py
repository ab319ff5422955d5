"""Keys and a key's page in each of their states."""

import pytest
from playwright.async_api import Locator, Page, expect
from tests.browser.conftest import Visit
from tests.browser.site import Site

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


def _rows(page: Page) -> Locator:
    return page.get_by_role("table", name="Keys").get_by_role("row")


async def test_the_first_key_is_shown_once(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    visitor = await visit(person)
    page = await visitor.open("/keys")
    await expect(page.get_by_text("A key lets your tools call models.")).to_be_visible()
    await page.get_by_role("link", name="Create key").click()
    panel = page.get_by_role("dialog")
    await panel.get_by_text("CI", exact=True).click()
    await panel.get_by_label("Name").fill("of the build")
    await panel.get_by_role("button", name="Create key").click()
    key = await panel.get_by_role("group", name="Your key").inner_text()
    await page.keyboard.press("Escape")
    await expect(panel).to_contain_text("Copy it now. It is not shown again.")
    await panel.get_by_role("button", name="I have copied it").click()
    await expect(panel).to_be_hidden()
    await expect(_rows(page)).to_have_count(1 + 1)
    await expect(_rows(page).last).to_contain_text("of the build")
    await expect(_rows(page).last).to_contain_text("a day")  # a preset has limits
    await expect(_rows(page).last).to_contain_text("never")
    await visitor.shows_no({key})


async def test_a_quota_of_nothing_is_no_limit(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    key = person.new_key(name="without bound", quota_usd="0")
    person.new_key(name="bounded", quota_usd="20", daily_usd="2.5")
    person.call(key, 1000)
    page = await (await visit(person)).open("/keys")
    await expect(_rows(page).filter(has_text="without bound")).to_contain_text("Unlimited, bounded by balance")
    await expect(_rows(page).filter(has_text="without bound")).to_contain_text("within the hour")
    await expect(_rows(page).filter(has_text="bounded", has_not_text="without")).to_contain_text(
        "$20.00 total · $2.50 a day"
    )
    await _rows(page).filter(has_text="without bound").click()
    await expect(page.get_by_role("main")).to_contain_text("Unlimited, bounded by balance")
    await page.get_by_role("link", name="See requests").click()
    await expect(page.get_by_role("table", name="Requests").get_by_role("row")).to_have_count(1 + 1)


async def test_keys_that_are_over_stand_behind_a_switch(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    for name in ("one", "two"):
        person.new_key(name=name)
    for key in person.send("GET", "/keys"):
        person.send("POST", f"/keys/{key['id']}/revocation")
    person.new_key(name="working")
    page = await (await visit(person)).open("/keys")
    await expect(_rows(page)).to_have_count(1 + 1)
    await page.get_by_role("switch", name="Show 2 inactive").check()
    await expect(_rows(page)).to_have_count(1 + 3)
    await _rows(page).filter(has_text="one").click()
    await expect(page.get_by_text("revoked", exact=True)).to_be_visible()
    await expect(page.get_by_role("link", name="Rotate")).to_have_count(0)


async def test_a_viewer_sees_keys_and_is_offered_nothing(visit: Visit, site: Site) -> None:
    owner = site.sign_up()
    visitor = await visit(site.join(owner, "viewer"))
    page = await visitor.open("/keys")
    await expect(page.get_by_text("Members who can manage keys can create one for you.")).to_be_visible()
    owner.new_key(name="theirs")
    await page.reload()
    await expect(page.get_by_role("link", name="Create key")).to_have_count(0)
    await _rows(page).filter(has_text="theirs").click()
    await expect(page.get_by_role("heading", name="Limits and restrictions")).to_be_visible()
    for name in ("Revoke", "Delete", "Rotate", "Change"):
        await expect(page.get_by_text(name, exact=True)).to_have_count(0)


async def test_a_key_is_changed_rotated_and_deleted(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    old = person.new_key(name="mine")
    visitor = await visit(person)
    page = await visitor.open("/keys")
    await _rows(page).last.click()
    await page.get_by_role("link", name="Change").click()
    panel = page.get_by_role("dialog")
    await panel.get_by_label("Daily limit").fill("3")
    await panel.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("main")).to_contain_text("$3.00 a day")
    await page.get_by_role("link", name="Rotate").click()
    await panel.get_by_role("button", name="Create new key").click()
    new = (
        await panel.get_by_role("group", name="Your new key")
        .or_(panel.get_by_role("group", name="Your key"))
        .inner_text()
    )
    await panel.get_by_role("button", name="I have copied it").click()
    for key in (old, new):  # the old one works for a day
        person.call(key, 1)
    await page.get_by_role("button", name="Delete").click()
    await panel.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="Keys", level=1)).to_be_visible()
    await expect(_rows(page)).to_have_count(1 + 1)
    await visitor.shows_no({old, new})


async def test_what_the_api_refuses_is_said_at_its_field(visit: Visit, site: Site) -> None:
    visitor = await visit(site.sign_up())
    visitor.watch.expected.append("4* POST */keys")
    page = await visitor.open("/keys/new")
    panel = page.get_by_role("dialog")
    await panel.get_by_label("Daily limit").fill("much")
    await panel.get_by_role("button", name="Create key").click()
    await expect(panel.get_by_label("Daily limit")).to_have_attribute("aria-invalid", "true")
