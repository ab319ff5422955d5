"""How soon a page shows its largest part: under 1.5 s, by the best of some loads, since others use the machine too."""

import pytest
from playwright.async_api import Page, expect
from tests.browser.conftest import Visit
from tests.browser.site import Site

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

MOST_MS = 1500
LOADS = 20  # the last ones only where the machine is busy
_LARGEST = """() => new Promise((resolve) =>
  new PerformanceObserver((list) => resolve(list.getEntries().at(-1).startTime))
    .observe({ type: "largest-contentful-paint", buffered: true }))"""
_DRAWN = "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"


async def test_each_page_shows_its_largest_part_within_a_second_and_a_half(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    key = person.new_key()
    for tokens in range(1, 21):
        person.call(key, tokens)
    visitor = await visit(person)
    for path in ("/", "/usage", "/usage/requests", "/billing", "/billing/ledger", "/keys", "/models", "/models/sim"):
        best = float("inf")
        for _ in range(LOADS):
            best = min(best, await _largest(await visitor.open(path)))
            if best < MOST_MS:
                break
        print(f"{path}: {best:.0f} ms")
        assert best < MOST_MS, path


async def _largest(page: Page) -> float:
    """In ms after the visitor asked for the page, once it has its contents."""
    await expect(page.get_by_role("main").get_by_role("heading").first).to_be_attached()
    await expect(page.get_by_role("status", name="Loading")).to_have_count(0)
    await page.evaluate(_DRAWN)
    found: float = await page.evaluate(_LARGEST)
    return found
