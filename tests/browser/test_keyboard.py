"""Without a pointer: sign in, go from page to page, make a key, open and close panels."""

import pytest
from playwright.async_api import Locator, Page, expect
from tests.browser.conftest import Visit
from tests.browser.site import PASSWORD, Site

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def _tab_to(page: Page, wanted: Locator) -> None:
    await expect(wanted).to_be_visible()
    for _ in range(60):
        if await wanted.evaluate("(element) => element === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {wanted}")


async def _press(page: Page, wanted: Locator) -> None:
    await _tab_to(page, wanted)
    await page.keyboard.press("Enter")


async def test_everything_is_done_with_the_keyboard(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    page = await (await visit()).open("/sign-in")
    await _tab_to(page, page.get_by_label("E-mail"))
    await page.keyboard.type(person.email)
    await _tab_to(page, page.get_by_label("Password", exact=True))
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("list", name="Your first request")).to_be_visible()

    await _press(page, page.get_by_role("link", name="Skip to content"))
    await expect(page.get_by_role("main")).to_be_focused()
    await _press(page, page.get_by_role("navigation").get_by_role("link", name="Keys"))
    action = page.get_by_role("link", name="Create key")
    await _press(page, action)
    panel = page.get_by_role("dialog")
    await expect(panel).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(action).to_be_focused()

    await page.keyboard.press("Enter")
    await _tab_to(page, panel.get_by_label("Name"))
    await page.keyboard.type("by hand")
    await _press(page, panel.get_by_role("button", name="Create key"))
    await _press(page, panel.get_by_role("button", name="I have copied it"))
    await expect(panel).to_be_hidden()

    await _press(page, page.get_by_role("row").filter(has_text="by hand"))
    await _press(page, page.get_by_role("button", name="Revoke"))
    await expect(page.get_by_role("button", name="Keep")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(page.get_by_role("button", name="Revoke")).to_be_focused()


async def test_rows_are_walked_with_arrows_and_a_receipt_gives_the_focus_back(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    key = person.new_key()
    for tokens in (1, 2, 3):
        person.call(key, tokens)
    page = await (await visit(person)).open("/usage/requests")
    rows = page.get_by_role("table", name="Requests").get_by_role("row")
    await _tab_to(page, rows.nth(1))
    await page.keyboard.press("ArrowDown")
    await expect(rows.nth(2)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("article")).to_contain_text("$0.002000002")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("article")).to_be_hidden()
    await expect(rows.nth(2)).to_be_focused()
