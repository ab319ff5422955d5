"""What a customer does from the first visit to the last, in a browser, with the books beside it."""

import asyncio
import csv
import re
from decimal import Decimal
from pathlib import Path

import openai
import pytest
from playwright.async_api import Locator, Page, expect
from tests.browser.conftest import Visit
from tests.browser.site import PASSWORD, Person, Site
from tests.browser.visitor import Visitor, until
from tests.e2e.ledger_auditor import audit

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
async def test_the_whole_story(visit: Visit, site: Site, tmp_path: Path, phone: bool) -> None:
    visitor = await visit(phone=phone)
    person = await _sign_up(visitor)
    key = await _claim_and_make_a_key(visitor)
    await _see_the_first_call_arrive(visitor, key)
    await _top_up(visitor, "$10", "PayPal")
    await _spend_some_of_it(visitor, key)
    await _top_up(visitor, "$50", "Card")  # before it moves credit, what is due is done
    await _see_match_unlocked(visitor)
    await _refund_the_first(visitor, person)
    await _reconcile(visitor, person, tmp_path)
    await _revoke(visitor, key)
    assert site.harbor.cli("ledger", "verify")["fault"] is None


async def _sign_up(visitor: Visitor) -> Person:
    page, site, email = visitor.page, visitor.site, visitor.site.new_email()
    await visitor.open("/sign-up")
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("New password").fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_text(f"We have sent a link to {email}.")).to_be_visible()
    await page.goto(site.mailed_link(email))
    await page.get_by_role("button", name="Go to your account").click()
    await expect(page.get_by_role("heading", name="Claim $5")).to_be_visible()
    cookie = next(each for each in await page.context.cookies() if each["name"].endswith("th"))
    session = (cookie["name"], cookie["value"])
    account = site.send("GET", "/api/session", cookie=session).json()["accounts"][0]["id"]
    return Person(site, email, account, session)


async def _claim_and_make_a_key(visitor: Visitor) -> str:
    page = visitor.page
    await page.get_by_role("button", name="Claim $5").click()
    await expect(_pill(page)).to_contain_text("$5.00")
    await page.get_by_role("button", name="Create key", exact=True).click()
    key = await page.get_by_role("group", name="Your key").inner_text()
    await visitor.open("/")
    await expect(page.get_by_role("heading", name="See your request arrive")).to_be_visible()
    await visitor.shows_no({key, PASSWORD})
    return key


async def _see_the_first_call_arrive(visitor: Visitor, key: str) -> None:
    """On Home, which is open, and with what its receipt in the books says."""
    page = visitor.page
    first = await _call(visitor.site, key, 213)
    cost = visitor.site.harbor.cli("receipt", first)["cost_usd"]
    assert Decimal(cost) == Decimal("0.213000213")
    row = page.get_by_role("row").filter(has_text="$0.213000213")
    await expect(row).to_be_visible()
    await expect(_pill(page)).to_contain_text(re.compile(r"\$4\.(78|80)"))  # with its cashback, if that has come
    await row.click()
    receipt = page.get_by_role("article", name=f"Receipt of {first}")
    await expect(receipt).to_contain_text("$0.213000213")
    await page.keyboard.press("Escape")
    await expect(receipt).to_be_hidden()


async def _top_up(visitor: Visitor, pack: str, method: str) -> None:
    """On the processor's page, and back."""
    page = visitor.page
    await visitor.open("/billing/top-up")
    await page.get_by_role("radio", name=pack, exact=True).check()
    await page.get_by_role("radio", name=method, exact=True).check()
    await page.get_by_role("button", name="Continue to payment").click()
    await page.get_by_label("Payer").fill(visitor.payer)
    await page.get_by_role("button", name="Pay", exact=True).click()
    await expect(page.get_by_text("is in your balance.")).to_be_visible()
    await expect(page.get_by_role("main")).to_contain_text(f"{pack}.00")


async def _spend_some_of_it(visitor: Visitor, key: str) -> None:
    """By a call that takes the rest of the trial credit, too; it arrives on Requests."""
    page = visitor.page
    await visitor.open("/billing")
    await expect(page.get_by_role("table", name="Lots")).to_contain_text("unlocks as you spend")
    await visitor.open("/usage/requests")
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    await _call(visitor.site, key, 6000)
    await expect(page.get_by_role("row").filter(has_text="$6.000006")).to_be_visible()


async def _see_match_unlocked(visitor: Visitor) -> None:
    await visitor.open("/billing/ledger")
    await expect(visitor.page.get_by_role("row").filter(has_text="Match unlocked").first).to_be_visible()


async def _refund_the_first(visitor: Visitor, person: Person) -> None:
    """What the panel says, and what came back at PayPal."""
    page = visitor.page
    await visitor.open("/billing/top-ups")
    await page.get_by_role("row").filter(has_text="$10.00").get_by_role("link", name="Refund").click()
    panel = page.get_by_role("dialog")
    button = panel.get_by_role("button", name=re.compile(r"^Refund \$"))
    shown = (await button.inner_text()).removeprefix("Refund ")
    await expect(panel).to_contain_text(f"You get back{shown}to PayPal")
    await expect(panel).to_contain_text("locked match is cancelled.")
    await button.click()
    await panel.get_by_role("button", name="Done").click()
    await expect(page.get_by_role("table", name="Refunds")).to_contain_text(shown)
    await until(lambda: [each["state"] for each in person.send("GET", "/refunds")] == ["done"])
    [refund] = person.send("GET", "/refunds")
    assert visitor.site.paid_back(refund["top_up"]) == [shown.removeprefix("$")]
    await page.reload()
    await expect(page.get_by_role("table", name="Refunds")).to_contain_text("refunded")


async def _reconcile(visitor: Visitor, person: Person, folder: Path) -> None:
    """The auditor has the CSV alone."""
    page = visitor.page
    await visitor.open("/billing/ledger")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Export CSV").click()
    file = folder / (await download.value).suggested_filename
    await (await download.value).save_as(file)
    lines = file.read_text().splitlines()
    captured = audit(lines)
    assert sorted(captured.values()) == [10, 50]
    balance = list(csv.DictReader(lines))[-1]["Running balance USD"]
    assert balance == person.send("GET", "/balance")["balance_usd"]


async def _revoke(visitor: Visitor, key: str) -> None:
    page = visitor.page
    await visitor.open("/keys")
    await page.get_by_role("row").filter(has_text="first key").click()
    await page.get_by_role("button", name="Revoke").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(page.get_by_text("revoked", exact=True)).to_be_visible()
    async with asyncio.timeout(30):  # "within a second"
        while not await _is_refused(visitor.site, key):
            pass


async def _call(site: Site, key: str, tokens: int) -> str:
    """The id of a request by the OpenAI SDK that costs so many tokens of output."""
    site.vendor.set_answer({"text": "one two three", "usage": {"input": 3, "output": tokens}})
    async with openai.AsyncOpenAI(api_key=key, base_url=f"{site.url}/v1", max_retries=0) as client:
        heard = await client.chat.completions.with_raw_response.create(
            model="sim", max_tokens=tokens, messages=[{"role": "user", "content": "Hello"}]
        )
    assert heard.parse().choices[0].message.content == "one two three"
    return heard.headers["x-request-id"]


async def _is_refused(site: Site, key: str) -> bool:
    try:
        await _call(site, key, 1)
    except openai.AuthenticationError as error:
        return error.status_code == 401
    return False


def _pill(page: Page) -> Locator:
    return page.get_by_role("banner").get_by_role("button", name=re.compile("^Balance"))
