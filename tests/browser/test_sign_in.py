"""The pages before sign-in in each of their states, and the way to a page that was asked for."""

import pytest
from playwright.async_api import expect
from tests.browser.conftest import Visit
from tests.browser.site import PASSWORD, Site

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

NEW_PASSWORD = "another walk, a longer one"


async def test_who_is_signed_out_comes_to_the_page_that_was_asked_for(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    visitor = await visit()
    visitor.watch.expected += ["401 GET /api/session", "401 POST /api/session"]
    page = await visitor.open("/billing/ledger?type=spending")
    await page.get_by_label("E-mail").fill(person.email)
    await page.get_by_label("Password", exact=True).fill("not this one, no")
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.get_by_text("No entries of this type")).to_be_visible()
    await page.get_by_role("button", name=f"You: {person.email}").click()
    await page.get_by_role("menuitem", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await visitor.open("/")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_nobody_is_led_to_another_site(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    visitor = await visit()
    page = await visitor.open("/sign-in?next=//evil.example/")
    await page.get_by_label("E-mail").fill(person.email)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(
        page.get_by_role("banner").or_(page.get_by_text("No page exists at this address.")).first
    ).to_be_visible()
    assert page.url.startswith(f"{site.url}/dashboard")


async def test_a_password_that_is_common_is_refused_at_its_field(visit: Visit, site: Site) -> None:
    visitor = await visit()
    visitor.watch.expected.append("4* POST /api/sign-up")
    page = await visitor.open("/sign-up")
    await expect(page.get_by_text("$5 to try every model. Yours for 7 days, no card.")).to_be_visible()
    await page.get_by_label("E-mail").fill(site.new_email())
    await page.get_by_label("New password").fill("password1234")
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_label("New password")).to_have_attribute("aria-invalid", "true")


async def test_an_address_that_is_known_is_answered_like_a_new_one(visit: Visit, site: Site) -> None:
    known = site.sign_up().email
    for email in (known, site.new_email()):
        page = await (await visit()).open("/sign-up")
        await page.get_by_label("E-mail").fill(email)
        await page.get_by_label("New password").fill(PASSWORD)
        await page.get_by_role("button", name="Create account").click()
        await expect(page.get_by_role("main")).to_have_text(
            "Check your e-mail"
            f"We have sent a link to {email}. It works once, for a short time."
            "No mail? Check your spam folder, or try again in a minute."
            "Back to sign-in"
        )


async def test_a_link_that_is_opened_on_another_device_asks_for_a_password(visit: Visit, site: Site) -> None:
    email, browser, phone = site.new_email(), await visit(), await visit(phone=True)
    phone.watch.expected.append("4* POST /api/email-verification")
    page = await browser.open("/sign-up")
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("New password").fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_text(f"We have sent a link to {email}.")).to_be_visible()
    page = phone.page
    await page.goto(site.mailed_link(email))
    await expect(page.get_by_label("New password")).to_have_count(0)
    await page.get_by_role("button", name="Go to your account").click()
    await expect(page.get_by_text("in a different browser")).to_be_visible()
    await page.get_by_label("New password").fill("password1234")
    await page.get_by_role("button", name="Go to your account").click()
    await expect(page.get_by_label("New password")).to_have_attribute("aria-invalid", "true")
    await page.get_by_label("New password").fill(NEW_PASSWORD)
    await page.get_by_role("button", name="Go to your account").click()
    await expect(page.get_by_role("heading", name="Claim $5")).to_be_visible()


async def test_a_forgotten_password_is_set_anew_and_its_link_works_once(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    visitor = await visit()
    visitor.watch.expected.append("4* PUT /api/password-reset")
    page = await visitor.open("/reset-password")
    await page.get_by_label("E-mail").fill(person.email)
    await page.get_by_role("button", name="Send link").click()
    await expect(page.get_by_text(f"We have sent a link to {person.email}.")).to_be_visible()
    link = site.mailed_link(person.email)
    await page.goto(link)
    await page.get_by_label("New password").fill(NEW_PASSWORD)
    assert link.partition("#")[2] not in page.url
    await page.get_by_role("button", name="Change password").click()
    await page.get_by_role("link", name="Sign in").click()
    await page.get_by_label("E-mail").fill(person.email)
    await page.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.get_by_role("list", name="Your first request")).to_be_visible()
    await page.goto(link)
    await page.get_by_label("New password").fill(PASSWORD)
    await page.get_by_role("button", name="Change password").click()
    await expect(page.get_by_role("alert")).to_be_visible()


async def test_six_digits_are_asked_for_where_they_are_on(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    recovery = site.turn_codes_on(person)
    visitor = await visit()
    visitor.watch.expected.append("4* POST /api/session")
    page = await visitor.open("/sign-in")
    await page.get_by_label("E-mail").fill(person.email)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    code = page.get_by_label("Authenticator code")
    await expect(code).to_be_focused()
    await code.fill(recovery)
    await code.press("Enter")
    await expect(page.get_by_role("list", name="Your first request")).to_be_visible()


async def test_who_is_invited_chooses_a_password_and_is_in_the_account(visit: Visit, site: Site) -> None:
    owner = site.sign_up()
    email = site.new_email()
    owner.send("POST", "/invitations", {"email": email, "role": "developer"})
    visitor = await visit()
    visitor.watch.expected.append("4* POST /api/invitation-acceptance")
    page = visitor.page
    await page.goto(site.mailed_link(email))
    await page.get_by_role("button", name="Join").click()
    await page.get_by_label("New password").fill(PASSWORD)
    await page.get_by_role("button", name="Join").click()
    await expect(page.get_by_text("Members who can spend can claim this.")).to_be_visible()


async def test_the_operators_link_signs_in_once(visit: Visit, site: Site) -> None:
    link = site.harbor.cli("operators", "sign-in")["link"].replace("127.0.0.1", "localhost")
    for fresh in (True, False):
        visitor = await visit()
        visitor.watch.expected.append("4* POST /api/operator-sign-in")
        await visitor.page.goto(link)
        await visitor.page.get_by_role("button", name="Sign in", exact=True).click()
        shown = (
            visitor.page.get_by_role("banner") if fresh else visitor.page.get_by_role("link", name="Back to sign-in")
        )
        await expect(shown).to_be_visible()
        assert link.partition("#")[2] not in visitor.page.url
