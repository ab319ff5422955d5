"""A passkey in a browser: added in Settings, used at sign-in, refused once it is removed. The device is Chromium's."""

import pytest
from playwright.async_api import Page, expect
from tests.browser.conftest import Visit
from tests.browser.site import PASSWORD, Site

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


async def plug_in(page: Page) -> None:
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})


async def test_a_passkey_signs_in_without_a_password_until_it_is_removed(visit: Visit, site: Site) -> None:
    person = site.sign_up()
    visitor = await visit(person)
    visitor.watch.expected += ["401 GET /api/session", "401 POST /api/passkey-session"]
    page = await visitor.open("/settings/security")
    await plug_in(page)
    await page.get_by_role("link", name="Add a passkey").click()
    await page.get_by_label("Name").fill("laptop")
    await page.get_by_role("textbox", name="Your password").fill(PASSWORD)
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("row", name="laptop")).to_contain_text("never")

    await _sign_out(page, person.email)
    await page.get_by_role("button", name="Sign in with a passkey").click()
    await expect(page.get_by_role("button", name=f"You: {person.email}")).to_be_visible()

    await visitor.open("/settings/security")
    await page.get_by_role("row", name="laptop").get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("Sign in with your fingerprint, face or PIN")).to_be_visible()
    await _sign_out(page, person.email)
    await page.get_by_role("button", name="Sign in with a passkey").click()
    await expect(page.get_by_role("alert")).to_contain_text("passkey is unknown")


async def _sign_out(page: Page, email: str) -> None:
    await page.get_by_role("button", name=f"You: {email}").click()
    await page.get_by_role("menuitem", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
