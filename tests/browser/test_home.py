"""Home in each of its states."""

import re
from decimal import ROUND_DOWN, Decimal

import pytest
from playwright.async_api import expect
from tests.browser.conftest import Visit
from tests.browser.site import Site
from tests.browser.visitor import until

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def test_the_first_day_has_four_steps_and_a_viewer_no_action(visit: Visit, site: Site) -> None:
    owner = site.sign_up()
    page = await (await visit(owner)).open("/")
    steps = page.get_by_role("list", name="Your first request").get_by_role("heading")
    await expect(steps).to_have_text(["Claim $5", "Create key", "Copy a command", "See your request arrive"])
    await expect(page.get_by_text("Yours for 7 days, no card.")).to_be_visible()
    viewer = site.join(owner, "viewer")
    page = await (await visit(viewer)).open("/")
    await expect(page.get_by_text("Members who can spend can claim this.")).to_be_visible()
    main = page.get_by_role("main")
    await expect(main.get_by_role("button")).to_have_count(0)
    await expect(main.get_by_role("link", name="Top up")).to_have_count(0)
    owner.send("POST", "/rewards/welcome-grant")
    await page.reload()
    await expect(page.get_by_text("Members who can manage keys can create one for you.")).to_be_visible()


async def test_the_first_call_can_be_sent_from_the_page(visit: Visit, site: Site) -> None:
    page = await (await visit(site.sign_up(claims=True))).open("/")
    await page.get_by_role("button", name="Create key", exact=True).click()
    site.vendor.set_answer({"text": "one two three", "usage": {"input": 3, "output": 20}})
    await page.get_by_role("button", name="Send it from here").click()
    await expect(page.get_by_role("table", name="Latest requests").get_by_role("row")).to_have_count(2)


async def test_one_call_and_then_the_last_ten(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    key = person.new_key()
    person.call(key)
    page = await (await visit(person)).open("/")
    rows = page.get_by_role("table", name="Latest requests").get_by_role("row")
    await expect(rows).to_have_count(1 + 1)
    await expect(rows.last).to_contain_text("$0.213000213")
    for tokens in range(1, 13):
        person.call(key, tokens)
    await expect(rows).to_have_count(1 + 10)
    await expect(rows.nth(1)).to_contain_text("$0.012000012")


async def test_a_stream_that_is_lost_says_so_and_comes_back(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    key = person.new_key()
    person.call(key)
    visitor = await visit(person)
    visitor.watch.expected.append("failed GET *events: *")
    await visitor.page.route("**/events", lambda route: route.abort())
    page = await visitor.open("/")
    await expect(page.get_by_text(re.compile(r"as of \d\d:\d\d:\d\d, reconnecting"))).to_be_visible()
    await page.unroute("**/events")
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    person.call(key, 77)
    await expect(page.get_by_role("row").filter(has_text="$0.077000077")).to_be_visible()


async def test_debt_stops_calls_and_the_next_top_up_pays_it(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    top_up = person.top_up("10")
    person.call(person.new_key(), 6000)
    person.dispute(top_up)
    await until(lambda: Decimal(person.send("GET", "/balance")["debt_usd"]) > 0)
    owed = Decimal(person.send("GET", "/balance")["debt_usd"])
    visitor = await visit(person)
    for path in ("/", "/billing"):
        page = await visitor.open(path)
        words = f"Requests are paused: you owe ${owed:.2f}. The next top-up pays it first."
        await expect(page.get_by_role("region", name="Balance")).to_contain_text(words)
    person.top_up("50")
    await page.reload()
    left = (50 - owed).quantize(Decimal("0.01"), ROUND_DOWN)
    await expect(page.get_by_role("region", name="Balance")).to_contain_text(f"${left}")
    await expect(page.get_by_text("Requests are paused")).to_have_count(0)


async def test_trial_credit_that_has_expired_is_gone(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    await person.credit_for_a_moment("5")
    visitor = await visit(person)
    page = await visitor.open("/")
    await expect(page.get_by_role("region", name="Balance")).to_contain_text("$0.00")
    page = await visitor.open("/billing")
    await expect(page.get_by_text("No credit")).to_be_visible()
