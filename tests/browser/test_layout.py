"""Lists and tabs at every width: nothing jumps, and each tab can be seen."""

import pytest
from playwright.async_api import expect
from tests.browser.conftest import Visit
from tests.browser.site import Site

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

_HIDDEN_TABS = """(nav) => {
  const room = nav.getBoundingClientRect();
  const seen = ({ left, right }) => left >= room.left && right <= room.right + 0.5;
  return [...nav.querySelectorAll("a")].filter((tab) => !seen(tab.getBoundingClientRect())).map((tab) => tab.innerText);
}"""
_HEIGHTS = """async () => {
  const found = new Set();
  for (let at = 0; at < document.documentElement.scrollHeight; at += innerHeight) {
    scrollTo(0, at);
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    found.add(document.querySelector("table").getBoundingClientRect().height);
  }
  return [...found];
}"""


async def test_a_long_list_keeps_its_height_while_it_is_scrolled(visit: Visit, site: Site) -> None:
    """Rows out of sight are not drawn: their place is as high as they are, on a phone as on a desk."""
    person = site.sign_up(claims=True)
    key = person.new_key()
    for _ in range(160):
        person.call(key, 1)
    for phone in (True, False):
        page = await (await visit(person, phone=phone)).open("/usage/requests")
        table = page.get_by_role("table", name="Requests")
        await expect(table).to_have_attribute("aria-rowcount", "-1")
        await page.get_by_role("button", name="Show more").click()
        await expect(table).to_have_attribute("aria-rowcount", "160")
        heights = await page.evaluate(_HEIGHTS)
        assert max(heights) - min(heights) < 2, (phone, heights)
        assert await table.locator("tbody tr:not([aria-hidden])").count() < 160


async def test_every_tab_is_seen_from_a_tablet_up_and_reached_on_a_phone(visit: Visit, site: Site) -> None:
    visitor = await visit(site.sign_up())
    for width in (768, 834, 900, 960, 1024, 1280):
        await visitor.page.set_viewport_size({"width": width, "height": 800})
        page = await visitor.open("/billing")
        tabs = page.get_by_role("main").get_by_role("navigation", name="Billing")
        await expect(tabs.get_by_role("link", name="Statements")).to_be_attached()
        await expect(tabs.get_by_role("link", name="Auto top-up")).to_be_attached()
        assert await tabs.evaluate(_HIDDEN_TABS) == [], width
    page = await (await visit(site.sign_up(), phone=True)).open("/billing")
    last = page.get_by_role("main").get_by_role("navigation", name="Billing").get_by_role("link").last
    await last.scroll_into_view_if_needed()
    await expect(last).to_be_in_viewport(ratio=0.95)
    await last.tap()
    await expect(last).to_have_attribute("aria-current", "page")
