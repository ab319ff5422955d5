"""Usage, Requests and a receipt in each of their states."""

import re

import pytest
from playwright.async_api import expect
from tests.browser.conftest import Visit
from tests.browser.site import Site
from tests.http.support import until

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def test_before_the_first_call_usage_says_how_to_make_it(visit: Visit, site: Site) -> None:
    visitor = await visit(site.sign_up())
    for path in ("/usage", "/usage/requests"):
        page = await visitor.open(path)
        await expect(page.get_by_text("Your first request appears here")).to_be_visible()
    await page.get_by_role("link", name="Send a request").click()
    await expect(page.get_by_role("list", name="Your first request")).to_be_visible()


async def test_usage_adds_up_and_its_rows_lead_to_their_calls(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    for name in ("one", "two"):
        person.call(person.new_key(name=name), 100)
    visitor = await visit(person)
    page = await visitor.open("/usage?by=key")
    main = page.get_by_role("main")
    await expect(main).to_contain_text("Spent$0.20")
    await expect(main).to_contain_text("2 requests")
    await page.get_by_role("table", name="Key").get_by_role("row").filter(has_text="one").click()
    requests = page.get_by_role("table", name="Requests").get_by_role("row")
    await expect(requests).to_have_count(1 + 1)
    await expect(requests.last).to_contain_text("one")


async def test_many_calls_come_by_pages_and_filters_that_find_nothing_can_be_cleared(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    key = person.new_key()
    for tokens in range(1, 106):
        person.call(key, tokens % 20 + 1)
    visitor = await visit(person)
    page = await visitor.open("/usage/requests")
    rows = page.get_by_role("table", name="Requests").get_by_role("row")
    await expect(rows).to_have_count(1 + 100)
    await page.get_by_role("button", name="Show more").click()
    await expect(rows).to_have_count(1 + 105)
    await expect(page.get_by_role("button", name="Show more")).to_have_count(0)
    page = await visitor.open("/usage/requests?status=refused")
    await expect(page.get_by_text("No requests match these filters")).to_be_visible()
    await page.get_by_role("button", name="Clear filters").click()
    await expect(rows).to_have_count(1 + 100)


async def test_rows_wait_while_somebody_reads_them(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    key = person.new_key()
    person.call(key)
    page = await (await visit(person)).open("/usage/requests")
    rows = page.get_by_role("table", name="Requests").get_by_role("row")
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    await rows.last.hover()
    person.call(key)
    await expect(page.get_by_text("paused")).to_be_visible()
    await expect(rows).to_have_count(1 + 1)
    await page.get_by_role("heading", level=1).hover()
    await expect(rows).to_have_count(1 + 2)


async def test_a_receipt_says_why_a_call_was_not_billed_and_one_that_is_not_there_says_so(
    visit: Visit, site: Site
) -> None:
    person = site.sign_up(claims=True)
    key = person.new_key()
    site.vendor.set_answer({"text": ""}, rules=[{"fault": {"kind": "status", "status": 400}}])
    failed = site.ask(key)
    assert failed.status_code == 400, failed.text
    visitor = await visit(person)
    page = await visitor.open(f"/usage/requests/{failed.headers['x-request-id']}")
    receipt = page.get_by_role("article")
    await expect(receipt).to_contain_text("$0 · not billed")
    await expect(receipt).to_contain_text("nothing was charged")
    strangers = site.sign_up(claims=True)
    other = strangers.call(strangers.new_key())
    visitor.watch.expected.append(f"404 GET /api/accounts/*/requests/{other}")
    page = await visitor.open(f"/usage/requests/{other}")
    await expect(page.get_by_role("dialog").get_by_text("Not found")).to_be_visible()


async def test_somebody_elses_account_is_not_in_a_page(visit: Visit, site: Site) -> None:
    """A link with an account that is not the visitor's shows the visitor's own."""
    person, stranger = site.sign_up(claims=True), site.sign_up()
    page = await (await visit(stranger)).open(f"/usage?account={person.account}")
    await expect(page.get_by_role("banner")).to_contain_text(stranger.email)


async def test_a_call_that_is_answered_again_says_what_it_would_have_cost(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    key = person.new_key()
    person.call(key, 100)
    visitor = await visit(person)
    page = await visitor.open("/usage")
    await expect(page.get_by_role("main")).to_contain_text("1 request")
    await expect(page.get_by_text("saved:")).to_have_count(0)
    await expect(page.get_by_text("Savings")).to_have_count(0)
    page = await visitor.open("/")
    await expect(page.get_by_text("Spent today, UTC")).to_be_visible()
    await expect(page.get_by_text("Saved this month")).to_have_count(0)
    hit = person.call(key, 100)
    page = await visitor.open("/")
    await expect(page.get_by_text("Saved this month $0.10")).to_be_visible()
    await expect(page.get_by_text("repeats $0.10", exact=True)).to_be_visible()
    page = await visitor.open("/usage")
    await expect(page.get_by_role("main")).to_contain_text("$0.10 saved: repeats $0.10")
    await page.get_by_role("radiogroup", name="Chart").get_by_text("Savings").click()
    await expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", re.compile(r"\$0\.10 saved$"))
    page = await visitor.open("/usage/requests?cache=exact")
    rows = page.get_by_role("table", name="Requests").get_by_role("row")
    await expect(rows).to_have_count(1 + 1)
    await rows.last.press("Enter")
    await expect(page).to_have_url(re.compile(f"{hit}.*cache=exact"))
    receipt = page.get_by_role("article")
    await expect(receipt.locator("s")).to_have_text("without the cache $0.1000001")
    await expect(receipt).to_contain_text("$0 · exact cache")
    await expect(receipt).to_contain_text("−$0.1000001")
    await expect(receipt).not_to_contain_text("Paid from your balance")


async def test_calls_of_one_session_are_listed_together(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    visitor = await visit(person)
    page = await visitor.open("/usage/sessions")
    await expect(page.get_by_text("No sessions yet")).to_be_visible()
    key = person.new_key()
    for tokens, session in ((100, "one"), (200, "one"), (100, "one"), (300, "two"), (400, "")):
        person.call(key, tokens, session)
    page = await visitor.open("/usage/sessions")
    rows = page.get_by_role("table", name="Sessions").get_by_role("row")
    await expect(rows).to_have_count(1 + 2)
    await expect(rows.nth(1)).to_contain_text("$0.30")
    await expect(rows.last).to_contain_text("$0.10")  # what the repeated call did not cost
    await rows.last.press("Enter")
    panel = page.get_by_role("dialog", name="Session")
    await expect(panel).to_contain_text("3 requests · 9 tokens in")
    await expect(panel).to_contain_text("$0.10 saved: repeats $0.10")
    calls = panel.get_by_role("table", name="Requests").get_by_role("row")
    await expect(calls).to_have_count(1 + 3)
    await calls.last.press("Enter")
    await expect(page.get_by_role("article")).to_contain_text("$0.1000001")
    await page.get_by_role("article").get_by_role("link").click()
    await expect(panel).to_contain_text("3 requests")
    await page.keyboard.press("Escape")
    await expect(panel).to_have_count(0)
    nobody = "conv_" + "0" * 26
    visitor.watch.expected.append(f"404 GET /api/accounts/*/sessions/{nobody}*")
    page = await visitor.open(f"/usage/sessions/{nobody}")
    await expect(page.get_by_role("dialog").get_by_text("Not found")).to_be_visible()


async def test_refused_calls_say_why_on_usage_and_on_the_keys_page(visit: Visit, site: Site) -> None:
    """Also of who never had a call that was served."""
    person = site.sign_up()
    key = person.new_key(name="broke")
    assert [site.ask(key).status_code for _ in range(2)] == [402, 402]
    await until(lambda: bool(person.send("GET", "/refused-calls")))
    visitor = await visit(person)
    page = await visitor.open("/usage")
    table = page.get_by_role("table", name="Refused requests")
    await expect(table).to_contain_text("Balance, limit or budget too low: top up or raise it")
    await expect(table.locator("tbody").get_by_role("row")).to_have_count(1)
    await expect(table).to_contain_text("broke")
    [row] = person.send("GET", "/keys")
    await visitor.open(f"/keys/{row['id']}")
    await expect(table).to_contain_text("Balance, limit or budget too low")
