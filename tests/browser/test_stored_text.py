"""Text that somebody else wrote is text on every page: names, addresses, what a model said."""

import pytest
from playwright.async_api import Page, expect
from tests.browser.conftest import Visit
from tests.browser.site import PASSWORD, Person, Site
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

SCRIPT = "<img src=x onerror='window.taken=1'><script>window.taken=1</script>{{7*7}}"
LINK = "javascript:window.taken=1"
PAGES = (
    "/",
    "/usage?by=key",
    "/usage/requests",
    "/billing",
    "/billing/ledger",
    "/billing/top-ups",
    "/keys",
    "/models",
    "/rewards",
    "/settings",
    "/settings/security",
    "/settings/team",
    "/settings/management-keys",
    "/settings/alerts",
    "/settings/audit",
)


def write_everywhere(site: Site, person: Person) -> str:
    """Whatever of an account is written by people, tools and vendors; the id of a request."""
    site.send("PATCH", "/api/user", {"name": SCRIPT}, cookie=person.cookie)
    key = person.new_key(name=SCRIPT)
    person.send("POST", "/management-keys", {"name": SCRIPT, "role": "viewer"})
    person.send("POST", "/invitations", {"email": "x'onclick='window.taken=1@example.com", "role": "viewer"})
    person.send("PUT", "/alerts/webhook", {"url": "https://example.com/<img/src=x/onerror=window.taken=1>"})
    person.top_up("10")
    site.vendor.set_answer({"text": SCRIPT, "usage": {"input": 3, "output": 100}})
    answer = site.ask(key)
    assert answer.json()["choices"][0]["message"]["content"] == SCRIPT
    return answer.headers["x-request-id"]


async def check(page: Page) -> None:
    await expect(page.locator("h1").first).to_be_visible()
    await page.wait_for_load_state("networkidle")
    assert await page.evaluate("window.taken") is None, page.url
    assert await page.locator("img[src=x], #root script, a[href^='javascript:']").count() == 0, page.url


async def test_stored_text_is_never_markup(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    request_id = write_everywhere(site, person)
    visitor = await visit(person)
    visitor.watch.expected.append("404 GET *")  # a page that is not built yet
    key_id = person.send("GET", "/keys")[0]["id"]
    for path in (*PAGES, f"/usage/requests/{request_id}", f"/keys/{key_id}"):
        await check(await visitor.open(path))
    shown = (await visitor.open("/keys")).get_by_text(SCRIPT)
    await expect(shown.first).to_be_visible()


async def test_a_tools_name_is_text_where_somebody_agrees(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    asked = site.send("POST", "/api/connections", {"name": SCRIPT}).json()
    visitor = await visit(person)
    page = await visitor.open("/connect")
    await page.get_by_role("textbox").first.fill(asked["user_code"])
    await page.keyboard.press("Enter")
    await expect(page.get_by_text(SCRIPT).first).to_be_visible()
    await check(page)


LEADS = ("//evil.example", "https://evil.example", LINK, "/..//evil.example", "/../api/openid/start", "/\\evil.example")


@pytest.mark.parametrize("leads", LEADS)
async def test_after_the_sign_in_one_is_here(visit: Visit, site: Site, leads: str) -> None:
    person = site.sign_up()
    visitor: Visitor = await visit()
    visitor.watch.expected += ["401 GET /api/session", "404 GET *"]
    page = await visitor.open(f"/sign-in?next={leads}")
    await page.get_by_label("E-mail").fill(person.email)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await page.wait_for_url(lambda url: "/sign-in" not in url)
    assert page.url.startswith(f"{site.url}/dashboard/"), page.url
    assert await page.evaluate("window.taken") is None
