"""Chinese pages hold no English sentence: neither at rest nor where something is refused."""

import json
import re

import pytest
from playwright.async_api import Page, expect
from tests.browser.conftest import Visit
from tests.browser.site import Site
from tests.browser.test_every_page import OPERATOR, PAGES, PUBLIC
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

_IN_CHINESE = 'localStorage.setItem("th-language", "zh")'
_TEXTS = """() => {
  const said = [...document.querySelectorAll("[title], [aria-label], [placeholder]")]
    .flatMap((each) => [each.title, each.ariaLabel, each.placeholder]).filter(Boolean);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode()); )
    if (!node.parentElement.closest("code, pre, .mono, script, style, noscript, blockquote")) said.push(node.data);
  return said;
}"""
_SENTENCE = re.compile(r"[A-Za-z]+(?:[ ,'’]+[A-Za-z]+){2,}")
"""Three English words in a row: names are shorter. Texts of an edition (`blockquote`) are in its language."""
_BROWSER = "Mozilla/5.0"  # in the name that is proposed for a passkey


async def _read(page: Page) -> list[str]:
    """The English sentences of a page that is at rest."""
    await expect(page.locator("html")).to_have_attribute("lang", "zh")
    await expect(page.get_by_role("heading").first).to_be_attached()
    await expect(page.get_by_role("status", name="加载中")).to_have_count(0)
    return [text for text in await page.evaluate(_TEXTS) if _SENTENCE.search(text) and not text.startswith(_BROWSER)]


async def _in_chinese(visitor: Visitor) -> Visitor:
    await visitor.page.add_init_script(_IN_CHINESE)
    return visitor


async def test_no_page_has_an_english_sentence(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    key = person.new_key(quota_usd="20")
    top_up = person.top_up("50")
    request = person.call(key, 6000, session="one")
    session = person.send("GET", f"/requests/{request}")["session"]
    person.send("POST", f"/top-ups/{top_up['id']}/refunds", {"amount_usd": "10", "reason": ""})
    person.send("PUT", "/alerts/webhook", {"url": "https://127.0.0.1/hook"})
    person.send("POST", "/alerts/test")
    [row] = person.send("GET", "/keys")
    site.join(person, "viewer")
    member = person.send("GET", "/members")["data"][-1]["id"]
    places = {"requestId": request, "topUpId": top_up["id"], "keyId": row["id"], "userId": member, "sessionId": session}
    visitor = await _in_chinese(await visit(person))
    found = {}
    for path in (path for part, paths in PAGES.items() if part not in {PUBLIC, OPERATOR} for path in paths):
        page = await visitor.open(re.sub(r"\$(\w+)", lambda match: places[match[1]], path))
        english = await _read(page)
        if english:
            found[path] = english
    assert found == {}, json.dumps(found, indent=1)


async def test_what_is_refused_is_said_in_chinese(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    visitor = await _in_chinese(await visit())
    visitor.watch.expected += ["401 POST /api/session", "400 POST /api/sign-up"]
    page = await visitor.open("/sign-in")
    await page.get_by_label("邮箱").fill(person.email)
    await page.get_by_role("textbox", name="密码").fill("not this one, surely")
    await page.get_by_role("button", name="登录", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("邮箱或密码错误")
    page = await visitor.open("/sign-up")
    await page.get_by_label("邮箱").fill(site.new_email())
    await page.get_by_role("textbox", name="密码").fill("password1234")
    await page.get_by_role("button", name="创建账户").click()
    await expect(page.get_by_text("此密码曾在数据泄露中出现")).to_be_visible()
    assert await _read(page) == []


async def test_why_a_call_was_not_billed_is_said_in_chinese(visit: Visit, site: Site) -> None:
    person = site.sign_up(claims=True)
    site.vendor.set_answer({"text": ""}, rules=[{"fault": {"kind": "status", "status": 500}}])
    failed = site.ask(person.new_key())
    assert failed.status_code == 502, failed.text
    visitor = await _in_chinese(await visit(person))
    page = await visitor.open(f"/usage/requests/{failed.headers['x-request-id']}")
    await expect(page.get_by_role("article")).to_contain_text("提供方出错。未计费。")
    assert await _read(page) == []


async def test_who_turns_the_pages_to_chinese_gets_mails_in_chinese(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    page = await (await visit(person)).open("/")
    await page.get_by_role("button", name=f"You: {person.email}").click()
    async with page.expect_response(lambda said: said.url.endswith("/api/user") and said.request.method == "PATCH"):
        await page.get_by_text("中文").click()
    await expect(page.locator("html")).to_have_attribute("lang", "zh")
    site.send("POST", "/api/password-reset", {"email": person.email})
    assert "设置新密码" in site.mail_to(person.email)
