"""What holds on every page: nothing that keeps people out, nothing secret, no fault, nothing wider than the window."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect
from tests.browser.conftest import Visit
from tests.browser.site import Person, Site
from tests.browser.visitor import DESKTOP, PHONE, Visitor

pytestmark = pytest.mark.slow
on_one_loop = pytest.mark.asyncio(loop_scope="session")

_DASHBOARD = Path(__file__).resolve().parents[2] / "dashboard"
_AXE = _DASHBOARD / "node_modules/axe-core/axe.min.js"
_HOSTILE = "<img src=x onerror=alert(1)>"
_SERIOUS = {"serious", "critical"}
_VIOLATIONS = """async (rules) => (await axe.run(document, { ...rules, resultTypes: ["violations"] })).violations.map(
  ({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map(({ html, failureSummary: why }) => `${html} ${why}`) }))"""
_AT_REST = """Promise.all(document.getAnimations()
  .filter((each) => Number.isFinite(each.effect.getComputedTiming().endTime))
  .map((each) => each.finished.catch(() => null)))"""

_WIDTHS = (320, 375, 768, 834, 1024)
_TOO_WIDE = """() => {
  const found = [];
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) found.push(`the page is ${scrollWidth} wide`);
  for (const table of document.querySelectorAll("table")) {
    const place = table.parentElement;
    const over = table.getBoundingClientRect().right - place.getBoundingClientRect().right;
    if (over > 0.5 && getComputedStyle(place).overflowX !== "auto")
      found.push(`${table.ariaLabel ?? table.className} leaves its place by ${over}`);
    for (const head of table.tHead?.rows[0].cells ?? [])
      if (head.innerText.trim() && head.offsetParent && head.scrollWidth > head.clientWidth)
        found.push(`no room for ${head.innerText}`);
  }
  return found;
}"""

NOWHERE = "/no-such-page"
OUTSIDE = "outside"
PUBLIC = "models"
OPERATOR = "operator"
PAGES: Mapping[str, Sequence[str]] = {
    PUBLIC: (
        "/models",
        "/models/sim",
        "/models/gift",
        "/models?compare=sim&compare=gift",
        "/models?q=nothing-of-that-name",
    ),
    OUTSIDE: (
        "/sign-in",
        "/sign-up",
        "/reset-password",
        "/verify-email",
        "/invitation",
        "/operator-sign-in",
        "/confirm-email",
        "/undo-email",
    ),
    "home": ("/", "/rewards", "/connect", NOWHERE),
    "usage": (
        "/usage",
        "/usage/requests",
        "/usage/requests/$requestId",
        "/usage/sessions",
        "/usage/sessions/$sessionId",
    ),
    "billing": (
        "/billing",
        "/billing/top-up",
        "/billing/ledger",
        "/billing/top-ups",
        "/billing/top-ups/$topUpId",
        "/billing/top-ups/$topUpId/refund",
        "/billing/auto-top-up",
        "/billing/budgets",
        "/billing/withdrawals",
        "/billing/withdrawals/new",
        "/billing/withdrawals/payee",
        "/billing/statements",
    ),
    "keys": ("/keys", "/keys/new", "/keys/$keyId", "/keys/$keyId/change", "/keys/$keyId/rotate"),
    "settings": (
        "/settings",
        "/settings/email",
        "/settings/security",
        "/settings/security/recovery-codes",
        "/settings/security/authenticator",
        "/settings/security/passkey",
        "/settings/team",
        "/settings/team/invite",
        "/settings/team/$userId",
        "/settings/management-keys",
        "/settings/management-keys/new",
        "/settings/audit",
        "/settings/alerts",
        "/settings/free-models",
        "/settings/caches",
    ),
    OPERATOR: ("/operator", "/operator/$mailId"),
}
"""Those of whoever is not signed in, and the others by what they are about."""


@dataclass(frozen=True)
class Customer:
    """Somebody with something on each page."""

    person: Person
    places: Mapping[str, str]
    key: str

    def address(self, path: str) -> str:
        return re.sub(r"\$(\w+)", lambda match: self.places[match[1]], path)

    def secrets(self) -> set[str]:
        return {*self.person.site.secrets(), self.person.cookie[1], self.key}


@pytest.fixture(scope="module")
def customer(site: Site) -> Customer:
    person = site.connect(site.sign_up(claims=True))
    key = person.new_key(name=_HOSTILE, quota_usd="20")
    top_up = person.top_up("50")
    request = person.call(key, 6000, session="one")
    session = person.send("GET", f"/requests/{request}")["session"]
    person.send("POST", f"/top-ups/{top_up['id']}/refunds", {"amount_usd": "10", "reason": ""})
    [row] = person.send("GET", "/keys")
    site.join(person, "viewer")
    member = person.send("GET", "/members")["data"][-1]["id"]
    mail = site.kept_mails()[0]["id"]
    places = {
        "mailId": mail,
        "requestId": request,
        "topUpId": top_up["id"],
        "keyId": row["id"],
        "userId": member,
        "sessionId": session,
    }
    return Customer(person, places, key)


def test_every_page_of_the_router_is_looked_at() -> None:
    router = (_DASHBOARD / "src/app/router.tsx").read_text()
    routes = dict(re.findall(r"const (\w+) = createRoute\(\{(.*?)\n\}\)", router, re.DOTALL))

    def whole(name: str) -> str:
        path = re.search(r'\n  path: "/?([^"]*)"', routes[name])
        above = re.search(r"getParentRoute: \(\) => (\w+)", routes[name])
        before = whole(above[1]) if above and above[1] in routes else ""
        return f"{before}/{path[1]}".rstrip("/") if path else before

    listed = {path for part, paths in PAGES.items() if part != PUBLIC for path in paths}
    assert len(routes) > 20
    assert {whole(name) or "/" for name in routes} == listed - {NOWHERE}


@on_one_loop
@pytest.mark.parametrize("part", PAGES)
async def test_no_page_keeps_anybody_out_or_shows_a_secret(visit: Visit, customer: Customer, part: str) -> None:
    """In light, in dark, and as wide as phones and tablets."""
    people = {OUTSIDE: None, PUBLIC: None, OPERATOR: customer.person.site.operator()}
    visitor = await visit(people.get(part, customer.person))
    found: list[str] = []
    for path in PAGES[part]:
        page = await _opened(visitor, customer.address(path))
        await visitor.shows_no(customer.secrets())
        found += [f"{path}: {each}" for each in await _violations(page)]
        await page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        if part != PUBLIC:  # whose style sheet asks for itself
            await expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
        await page.set_viewport_size(PHONE)
        await page.evaluate(_AT_REST)
        found += [f"{path} in the dark: {each}" for each in await _violations(page, "color-contrast")]
        for width in _WIDTHS:
            await page.set_viewport_size({"width": width, "height": PHONE["height"]})
            found += [f"{path} at {width}: {each}" for each in await page.evaluate(_TOO_WIDE)]
        await page.set_viewport_size(DESKTOP)
        await page.emulate_media(color_scheme="light", reduced_motion="reduce")
    assert not found, "\n".join(found)


async def _opened(visitor: Visitor, path: str) -> Page:
    """With what it has asked for, and at rest."""
    page = await visitor.open(path)
    await expect(page.get_by_role("heading").first).to_be_attached()
    await expect(page.get_by_role("status", name="Loading")).to_have_count(0)
    await page.evaluate(_AT_REST)
    return page


async def _violations(page: Page, *rules: str) -> Sequence[str]:
    """What axe calls serious; by these rules alone, if any."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(await asyncio.to_thread(_AXE.read_text))
    found: list[Mapping[str, Any]] = await page.evaluate(_VIOLATIONS, {"runOnly": rules} if rules else {})
    return [f"{each['id']}: {each['nodes']}" for each in found if each["impact"] in _SERIOUS]
