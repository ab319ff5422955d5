"""Settings: each of its pages in each of its states."""

import re

import asyncpg
import pyotp
import pytest
from playwright.async_api import Locator, Page, expect
from tests.browser.conftest import Visit
from tests.browser.site import PASSWORD, Site
from tests.browser.test_passkeys import plug_in
from tests.browser.visitor import Visitor

from tokenharbor.identity.semantic import StoredTrials
from tokenharbor.kernel import ids
from tokenharbor.kernel.world import real_world

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

NEW_PASSWORD = "another walk, a longer one"
PEER = re.compile(r"127\.0\.0\.1:\d+")


def rows(page: Page, table: str) -> Locator:
    return page.get_by_role("table", name=table, exact=True).locator("tbody").get_by_role("row")


async def show_password(page: Page) -> None:
    await page.get_by_role("dialog").get_by_role("textbox", name="Your password").fill(PASSWORD)


async def test_profile_changes_the_address_by_a_mail_to_the_new_one(visit: Visit, site: Site) -> None:
    person, new = site.sign_up(), site.new_email()
    here, elsewhere = await visit(person), await visit()
    elsewhere.watch.expected += ["401 GET /api/session", "401 POST /api/email-change"]
    here.watch.expected += ["401 POST /api/user/email", "400 POST /api/email-change", "401 GET /api/*"]
    page = await here.open("/settings")
    await page.get_by_role("link", name="Change").click()
    panel = page.get_by_role("dialog")
    await panel.get_by_label("New e-mail address").fill(new)
    await panel.get_by_role("textbox", name="Your password").fill("not this one")
    await panel.get_by_role("button", name="Send link").click()
    await expect(panel).to_contain_text("Wrong password.")
    await show_password(page)
    await panel.get_by_role("button", name="Send link").click()
    await expect(panel).to_contain_text(f"We have sent a link to {new}. It works once, for 24 hours.")
    await panel.get_by_role("button", name="Close").last.click()
    await expect(page.get_by_role("main")).to_contain_text(person.email)
    link, undo = site.mailed_link(new), site.mailed_link(person.email)
    for browser, words in (
        (elsewhere, "Sign in as the user who requested this address"),
        (here, "Your e-mail address has changed"),
        (here, "used or has expired"),
    ):
        await browser.open("/sign-in")
        await browser.page.goto(link)
        await browser.page.get_by_role("button", name="Confirm").click()
        await expect(browser.page.get_by_text(words)).to_be_visible()
        assert link.partition("#")[2] not in browser.page.url
    person.new_key(name="made meanwhile")
    await _undo(elsewhere, undo)
    await here.open("/settings")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()  # all sessions are ended
    await _sign_in(elsewhere, person.email, NEW_PASSWORD)
    await expect(elsewhere.page.get_by_role("button", name=f"You: {person.email}")).to_be_visible()


async def _undo(visitor: Visitor, link: str) -> None:
    page = visitor.page
    await page.goto(link)
    await expect(page.get_by_text("API key made meanwhile")).to_be_visible()  # before anything has ended
    await page.get_by_label("New password").fill(NEW_PASSWORD)
    await page.get_by_role("button", name="Keep my address").click()
    await expect(page.get_by_role("heading", name="Your address stays the same")).to_be_visible()
    await expect(page.get_by_text("API key made meanwhile")).to_be_visible()


async def _sign_in(visitor: Visitor, email: str, password: str) -> None:
    page = await visitor.open("/sign-in")
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password", exact=True).fill(password)
    await page.get_by_role("button", name="Sign in", exact=True).click()


async def test_security_from_a_password_alone_to_an_app_with_codes_shown_once(visit: Visit, site: Site) -> None:
    visitor = await visit(person := site.sign_up())
    page = await visitor.open("/settings/security/recovery-codes")
    await expect(page.get_by_role("dialog")).to_contain_text("No authenticator app is set up")
    await visitor.open("/settings/security")
    await expect(page.get_by_text("Off: the password alone is enough.")).to_be_visible()
    await expect(page.get_by_role("link", name="New recovery codes")).to_have_count(0)
    await page.get_by_role("link", name="Set up").click()
    panel = page.get_by_role("dialog")
    await show_password(page)
    await panel.get_by_role("button", name="Continue").click()
    secret = (await panel.get_by_role("group", name="The secret").inner_text()).replace(" ", "")
    await panel.get_by_label("Code shown by the app").fill(pyotp.TOTP(secret.split()[0]).now())
    await panel.get_by_role("button", name="Turn on").click()
    first = await _codes(panel)
    await page.keyboard.press("Escape")
    await panel.get_by_role("button", name="I have saved them").click()
    await expect(page.get_by_text("On: sign-in asks for a code.")).to_be_visible()
    await visitor.shows_no(set(first))
    await page.get_by_role("link", name="New recovery codes").click()
    await show_password(page)
    await panel.get_by_label("Code from the app, or a recovery code").fill(first[0])
    await panel.get_by_role("button", name="Create new codes").click()
    await expect(panel).to_contain_text("The old codes no longer work.")
    second = await _codes(panel)
    assert not set(first) & set(second)
    await panel.get_by_role("button", name="I have saved them").click()
    await visitor.shows_no(set(second))
    assert "New recovery codes were created" in site.mail_to(person.email)


async def _codes(panel: Locator) -> list[str]:
    listed = panel.get_by_role("list", name="Recovery codes").get_by_role("listitem")
    await expect(listed).to_have_count(10)
    return await listed.all_inner_texts()


async def test_security_without_passkeys_and_with_one(visit: Visit, site: Site) -> None:
    visitor = await visit(site.sign_up())
    page = await visitor.open("/settings/security")
    await plug_in(page)
    await expect(page.get_by_text("Sign in with your fingerprint, face or PIN")).to_be_visible()
    await page.get_by_role("link", name="Add a passkey").click()
    await page.get_by_role("dialog").get_by_label("Name").fill("laptop")
    await show_password(page)
    await page.get_by_role("button", name="Continue").click()
    await expect(rows(page, "Passkeys")).to_have_count(1)
    await expect(rows(page, "Passkeys")).to_contain_text("laptop")
    await expect(page.get_by_text("Sign in with your fingerprint, face or PIN")).to_have_count(0)


async def test_security_keeps_the_only_service_that_signs_in_until_there_is_a_password(
    visit: Visit, site: Site
) -> None:
    email = site.new_email()
    site.openid.who = (email, email)
    visitor = await visit()
    visitor.watch.expected += ["401 GET /api/session", "409 DELETE /api/user/identities/*"]
    page = await visitor.open("/sign-up")
    await expect(page.get_by_role("link", name="Continue with Peer")).to_be_visible()
    await visitor.open("/sign-in")
    await page.get_by_role("link", name="Continue with Peer").click()
    await expect(page.get_by_role("button", name=f"You: {email}")).to_be_visible()
    await visitor.open("/settings/security")
    await expect(rows(page, "Connected services")).to_contain_text(PEER)
    await page.get_by_role("button", name="Disconnect").click()
    await expect(page.get_by_role("alert")).to_contain_text("Set a password or add a passkey first")
    await page.get_by_label("New password").fill(NEW_PASSWORD)
    await page.get_by_role("button", name="Set password").click()
    await expect(page.get_by_text("Changed. Your other sessions have ended.")).to_be_visible()
    await page.get_by_role("button", name="Disconnect").click()
    await expect(page.get_by_text("Connect it to sign in without a password.")).to_be_visible()
    await page.get_by_role("link", name="Connect Peer").click()
    await expect(page.get_by_role("button", name=f"You: {email}")).to_be_visible()
    await visitor.open("/settings/security")
    await expect(rows(page, "Connected services")).to_have_count(1)


async def test_team_of_one_of_an_invitation_and_for_a_viewer(visit: Visit, site: Site) -> None:
    owner = site.sign_up()
    page = await (await visit(owner)).open("/settings/team")
    await expect(rows(page, "Members")).to_have_count(1)
    await expect(page.get_by_text("You are the only member.")).to_be_visible()
    await page.get_by_role("link", name="Invite").click()
    invited = site.new_email()
    await page.get_by_role("dialog").get_by_label("E-mail").fill(invited)
    await page.get_by_role("button", name="Send invitation").click()
    await expect(rows(page, "Invitations")).to_contain_text(invited)
    await rows(page, "Invitations").get_by_role("button", name="Revoke invitation").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke invitation").click()
    await expect(page.get_by_role("table", name="Invitations")).to_have_count(0)
    page = await (await visit(site.join(owner, "viewer"))).open("/settings/team")
    await expect(rows(page, "Members")).to_have_count(2)
    for offered in ("Invite", "Change"):
        await expect(page.get_by_role("link", name=offered)).to_have_count(0)
    for tab in ("Management keys", "Audit"):
        await expect(page.get_by_role("link", name=tab)).to_have_count(0)


async def test_management_keys_from_none_to_one_that_was_shown_once(visit: Visit, site: Site) -> None:
    owner = site.sign_up()
    visitor = await visit(owner)
    page = await visitor.open("/settings/management-keys")
    await expect(page.get_by_text("Management keys give programs access to the control API.")).to_be_visible()
    await page.get_by_role("link", name="Create key").click()
    panel = page.get_by_role("dialog")
    await panel.get_by_label("Name").fill("nightly report")
    await panel.get_by_role("button", name="Create key").click()
    key = (await panel.get_by_role("group", name="Your management key").inner_text()).split()[0]
    assert key.startswith("thm_live_")
    await page.keyboard.press("Escape")
    await panel.get_by_role("button", name="I have copied it").click()
    await expect(rows(page, "Management keys")).to_contain_text("nightly report")
    await visitor.shows_no({key})
    await rows(page, "Management keys").get_by_role("button", name="Revoke").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(page.get_by_text("No active keys")).to_be_visible()
    await page.get_by_label("Show 1 inactive").check(force=True)
    await expect(rows(page, "Management keys")).to_contain_text("revoked")
    page = await (await visit(site.join(owner, "developer"))).open("/settings/management-keys")
    await expect(page.get_by_text("Your role does not allow this")).to_be_visible()


async def test_alerts_from_nothing_told_to_a_webhook_that_fails(visit: Visit, site: Site) -> None:
    owner = site.sign_up()
    page = await (await visit(owner)).open("/settings/alerts")
    await expect(page.get_by_text("No alerts yet")).to_be_visible()
    await page.get_by_label("Webhook URL").fill("https://hooks.invalid/in")
    await page.get_by_role("button", name="Add webhook").click()
    await page.get_by_role("button", name="I have copied it").click()
    await expect(page.get_by_text("https://hooks.invalid/in", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Send a test").click()
    await expect(page.get_by_role("status").filter(has_text="Webhook")).to_contain_text(re.compile("failed|processing"))
    await expect(rows(page, "Sent alerts")).to_have_count(1)
    page = await (await visit(site.join(owner, "viewer"))).open("/settings/alerts")
    await expect(page.get_by_text("https://hooks.invalid/in", exact=True)).to_be_visible()
    for offered in ("Change", "Remove", "Send a test", "Save", "Add webhook"):
        await expect(page.get_by_role("button", name=offered)).to_have_count(0)


async def test_audit_from_nothing_to_rows_that_open(visit: Visit, site: Site) -> None:
    owner = site.sign_up()
    page = await (await visit(owner)).open("/settings/audit")
    await expect(page.get_by_text("No changes yet")).to_be_visible()
    owner.new_key(name="audited", daily_usd="2.5")
    await page.reload()
    await rows(page, "Audit log").first.click()
    panel = page.get_by_role("dialog", name="Key")
    for words in (owner.email, "name: audited", "daily limit: $2.5"):
        await expect(panel).to_contain_text(words)
    page = await (await visit(site.join(owner, "billing"))).open("/settings/audit")
    await expect(page.get_by_text("Your role does not allow this")).to_be_visible()


async def test_free_models_off_on_and_for_a_viewer(visit: Visit, site: Site) -> None:
    owner = site.sign_up()
    page = await (await visit(owner)).open("/settings/free-models")
    await expect(page.get_by_text("Off: requests to free models are refused.")).to_be_visible()
    await page.get_by_role("button", name="Agree and turn on").click()
    await expect(page.get_by_text(f"{owner.email} agreed to these terms on")).to_be_visible()
    page = await (await visit(site.join(owner, "viewer"))).open("/settings/free-models")
    await expect(page.get_by_text("Members who can manage the account can change this.")).to_be_visible()
    await expect(page.get_by_role("main").get_by_role("button", name=re.compile("Turn off|I agree"))).to_have_count(0)


async def test_caches_off_on_stopped_and_for_a_viewer(visit: Visit, site: Site) -> None:
    owner = site.sign_up()
    page = await (await visit(owner)).open("/settings/caches")
    await expect(page.get_by_text("Separate for each key and end user")).to_be_visible()
    await page.get_by_role("button", name="Turn on").click()
    await expect(page.get_by_text("On: 0 of 20 answers compared, none served yet")).to_be_visible()
    assert owner.send("GET", "/caching")["semantic"]["state"] == "on"
    conn = await asyncpg.connect(site.database_url)
    try:
        trials, account = StoredTrials(conn, real_world()), ids.parse("acct", owner.account)
        for agreed in (False, False):
            await trials.note(account, agreed=agreed, trial=20)
    finally:
        await conn.close()
    page = await (await visit(site.join(owner, "viewer"))).open("/settings/caches")
    await expect(page.get_by_text("two of the last 50 answers differed from the provider's")).to_be_visible()
    await expect(page.get_by_text("Owners can change this.")).to_have_count(3)
    await expect(page.get_by_role("main").get_by_role("button", name=re.compile("Turn|Share|Refuse"))).to_have_count(0)
    page = await (await visit(owner, phone=True, dark=True)).open("/settings/caches")
    await page.get_by_role("button", name="Turn on").click()
    await expect(page.get_by_text("On: 0 of 20 answers compared, none served yet")).to_be_visible()
    await page.get_by_role("button", name="Turn off").click()
    await expect(page.get_by_role("button", name="Turn on")).to_be_visible()
    await page.get_by_role("button", name="Refuse").click()
    await expect(page.get_by_text("While off, requests that ask for it are refused")).to_be_visible()
    assert owner.send("GET", "/caching")["semantic"]["by_request"] is False
    await page.get_by_role("button", name="Allow").click()
    await expect(page.get_by_text("While off, single requests can ask for it")).to_be_visible()


async def test_connect_says_where_the_tool_asked_from(visit: Visit, site: Site) -> None:
    asked = site.send("POST", "/api/connections", {"name": "harbor-cli"}).json()
    page = await (await visit(site.sign_up())).open("/connect")
    await page.get_by_label("Code").fill(asked["user_code"])
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("main")).to_contain_text(
        re.compile(r"from 198\.18\.\d+\.\d+, Chrome on Linux\. If your tool does not run there, deny it\.")
    )
    await page.get_by_role("button", name="Deny").click()
    await expect(page.get_by_text("harbor-cli was denied a key.")).to_be_visible()
    await page.goto(
        f"{site.url}/dashboard/connect?name=ed&code_challenge={'c' * 43}&redirect_uri=http://127.0.0.1:7777/in"
    )
    await expect(page.get_by_role("main")).to_contain_text("The key is sent to 127.0.0.1:7777")
