"""Mails to users where no mail server is set: operators read them, and nobody else finds a way to them."""

import re

import pytest
from playwright.async_api import Route, expect
from tests.browser.conftest import Visit
from tests.browser.site import PASSWORD, Site

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def test_the_operator_hands_over_the_link_of_who_signs_up(visit: Visit, site: Site) -> None:
    email = site.new_email()
    site.enter("/api/sign-up", {"email": email, "password": PASSWORD, "referral": None})
    page = await (await visit(site.operator())).open("/")
    await page.get_by_role("button", name="You: ").click()
    await page.get_by_role("menuitem", name="Mails").click()
    row = page.get_by_role("row").filter(has_text=email)
    await expect(row).to_contain_text("Not sent: no mail server")
    await row.click()
    mail = page.get_by_role("dialog", name="Confirm your e-mail address")
    await expect(mail).to_contain_text(email)
    await expect(page).to_have_url(re.compile("/dashboard/operator/mail_"))
    await page.reload()
    link = mail.get_by_role("link")
    await expect(link).to_have_text(site.mailed_link(email))
    async with page.expect_popup() as opened:
        await link.click()
    opened_page = await opened.value
    await expect(opened_page.get_by_role("button", name="Go to your account")).to_be_visible()
    await mail.get_by_role("button", name="Close").click()
    await expect(mail).to_have_count(0)


async def test_a_mail_links_to_this_service_only(visit: Visit, site: Site) -> None:
    """Users write some of its words."""
    site.sign_up()
    mail = site.kept_mails()[0]
    ours = f"{site.url}/dashboard/sign-in"
    told = mail | {
        "body": f"Join https://evil.example/dashboard {site.url}.evil.example/ javascript:alert(1) at\n\n{ours}\n"
    }
    page = (visitor := await visit(site.operator())).page
    await page.route("**/api/operator/mails*", lambda route: route.fulfill(json={"data": [told], "next_cursor": None}))
    await visitor.open(f"/operator/{mail['id']}")
    shown = page.get_by_role("dialog")
    await expect(shown).to_contain_text("evil.example")
    await expect(shown.get_by_role("link")).to_have_text([ours])


async def test_a_queued_mail_shows_its_final_state_without_a_reload(visit: Visit, site: Site) -> None:
    site.sign_up()
    mail = site.kept_mails()[0]
    state = "waiting"

    async def answer(route: Route) -> None:
        await route.fulfill(json={"data": [mail | {"state": state}], "next_cursor": None})

    page = (visitor := await visit(site.operator())).page
    await page.route("**/api/operator/mails*", answer)
    await visitor.open("/operator")
    row = page.get_by_role("row").filter(has_text=mail["to"])
    await expect(row).to_contain_text("Queued")
    state = "kept"
    await expect(row).to_contain_text("Not sent: no mail server")


async def test_nobody_else_is_led_to_mails(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    mail = site.kept_mails()[0]["id"]
    page = await (await visit(person)).open("/")
    await page.get_by_role("button", name="You: ").click()
    await expect(page.get_by_role("menuitem", name="Sign out")).to_be_visible()
    await expect(page.get_by_role("menuitem", name="Mails")).to_have_count(0)
    for path in ("/operator", f"/operator/{mail}"):
        page = await (await visit(person)).open(path)
        await expect(page.get_by_role("heading", name="Page not found")).to_be_visible()
        await expect(page.get_by_role("dialog")).to_have_count(0)
