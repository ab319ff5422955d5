"""Sign-in over HTTP, with the cookies of a browser, from sign-up to sign-out."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import httpx
import pyotp
import pytest
from tests.console.conftest import SITE, Office
from tests.signin.openid_peer import CLIENT_ID, CLIENT_SECRET, openid_peer

from tokenharbor.console.app import make_app
from tokenharbor.console.authentication import SignInAuthenticator
from tokenharbor.identity.tokens import TokenHasher
from tokenharbor.identity.user_mails import list_mails
from tokenharbor.identity.users import find_user, make_operator
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.secret import RootSecret, SecretPurpose
from tokenharbor.signin.openid_provider import OpenIdConfig, OpenIdProvider
from tokenharbor.signin.sessions import make_operator_link

EMAIL, PASSWORD = "eve@example.com", "dull-otter-91-lamp"
COOKIE = re.compile(r"((?:__Host-th|th)(?:-openid|-sign-up)?)=([^;]*); (.*)")


@dataclass
class Person:
    """Somebody's browser: it keeps its cookie, and says where it comes from."""

    client: httpx.AsyncClient
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=lambda: {"sec-fetch-site": "same-origin"})

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = self.headers | {"cookie": cookie, **{name.replace("_", "-"): value for name, value in headers.items()}}
        said = await self.client.request(method, path, json=body, headers=sent)
        for line in said.headers.get_list("set-cookie"):
            found = COOKIE.match(line)
            assert found is not None, line
            self.cookies[found[1]] = found[2].strip('"')
        return said

    async def signs_up(self, office: Office, email: str = EMAIL) -> httpx.Response:
        said = await self.ask("POST", "/api/sign-up", {"email": email, "password": PASSWORD})
        assert said.status_code == 202, said.text
        return await self.ask("POST", "/api/email-verification", {"token": await token_in_mail(office, email)})


async def token_in_mail(office: Office, email: str) -> str:
    async with office.context.pool.acquire() as conn:
        mails = await list_mails(conn, office.context.sign_in.mail_seal, 100)
    found = re.search(r"#(\S+)", next(mail.text.body for mail in mails if mail.email == email))
    assert found is not None
    return found[1]


@pytest.fixture
async def person(office: Office) -> AsyncIterator[Person]:
    context = replace(office.context, authenticator=SignInAuthenticator(office.context.sign_in))
    transport = httpx.ASGITransport(cast("Any", make_app(context)), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=SITE) as client:
        yield Person(client)


async def test_HUB_4_somebody_signs_up_by_email_and_is_an_owner(office: Office, person: Person) -> None:
    said = await person.signs_up(office)
    assert said.status_code == 201
    session = said.json()
    assert (session["user"]["email"], session["secure"]) == (EMAIL, True)
    [account] = session["accounts"]
    assert account["role"] == "owner"
    assert "manage" in account["rights"]
    assert account["grants"] == ["owner", "admin", "developer", "billing", "viewer"]
    assert (await person.ask("GET", "/api/session")).json() == session
    assert (await person.ask("GET", f"/api/accounts/{account['id']}")).json()["emails"] == [EMAIL]
    assert (await person.ask("GET", office.account_path)).status_code == 404
    assert (await person.ask("DELETE", "/api/session")).status_code == 204
    assert (await person.ask("GET", "/api/session")).status_code == 401


async def test_a_link_asks_for_a_password_in_a_browser_that_did_not_sign_up(office: Office, person: Person) -> None:
    thief, https = Person(person.client), {"host": "harbor.example", "x_forwarded_proto": "https"}
    said = await thief.ask("POST", "/api/sign-up", {"email": EMAIL, "password": "the-thiefs-own-77"}, **https)
    found = COOKIE.match(said.headers["set-cookie"])
    assert found is not None
    assert found[1] == "__Host-th-sign-up"
    attributes = {each.strip().lower() for each in found[3].split(";")}
    assert {"httponly", "secure", "path=/", "samesite=lax", "max-age=86400"} <= attributes
    body = {"token": await token_in_mail(office, EMAIL)}
    said = await person.ask("POST", "/api/email-verification", body | {"password": None}, **https)
    assert (said.status_code, said.json()["error"]["param"]) == (400, "password")
    said = await person.ask("POST", "/api/email-verification", body | {"password": PASSWORD}, **https)
    assert said.status_code == 201
    assert (await thief.ask("POST", "/api/email-verification", body, **https)).status_code == 400
    for password, status in (("the-thiefs-own-77", 401), (PASSWORD, 201)):
        said = await thief.ask("POST", "/api/session", {"email": EMAIL, "password": password}, **https)
        assert said.status_code == status, password


async def test_the_browser_forgets_its_sign_up_once_the_link_is_opened(office: Office, person: Person) -> None:
    await person.signs_up(office)
    assert person.cookies["__Host-th-sign-up"] == ""
    assert (await person.ask("GET", "/api/session")).status_code == 200


async def test_what_a_stranger_hears_does_not_tell_who_has_an_account(office: Office, person: Person) -> None:
    await person.signs_up(office)
    stranger = Person(person.client)
    asks: list[tuple[str, str, dict[str, str]]] = [
        ("POST", "/api/sign-up", {"password": PASSWORD}),
        ("POST", "/api/password-reset", {}),
        ("POST", "/api/session", {"password": "not-the-password"}),
    ]
    for method, path, body in asks:
        answers = []
        for email in (EMAIL, "nobody@example.com"):
            said = await stranger.ask(method, path, {"email": email, **body})
            text = re.sub(r'"request_id":"[^"]*"', "", said.text)
            kept = {
                name: value for name, value in said.headers.items() if name not in ("x-request-id", "content-length")
            }
            if "set-cookie" in kept:
                kept["set-cookie"] = re.sub(r"=[0-9a-f]{64};", "=…;", kept["set-cookie"])
            answers.append((said.status_code, text, kept))
        assert answers[0] == answers[1], path


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({}, "__Host-th"),
        ({"host": "127.0.0.1:8080"}, "__Host-th"),
        ({"host": "[::1]:8080"}, "__Host-th"),
        ({"host": "harbor.example", "x_forwarded_proto": "https"}, "__Host-th"),
        ({"host": "harbor.example"}, "th"),
        ({"host": "harbor.example", "x_forwarded_proto": "http"}, "th"),
        ({"host": "localhost.evil.example"}, "th"),
    ],
)
async def test_the_cookie_is_as_strict_as_the_connection_allows(
    office: Office, person: Person, headers: dict[str, str], name: str
) -> None:
    await person.signs_up(office)
    said = await Person(person.client).ask("POST", "/api/session", {"email": EMAIL, "password": PASSWORD}, **headers)
    found = COOKIE.match(said.headers["set-cookie"])
    assert found is not None
    assert found[1] == name
    attributes = {each.strip().lower() for each in found[3].split(";")}
    assert {"httponly", "path=/", "samesite=lax"} <= attributes
    assert ("secure" in attributes) == (name == "__Host-th")
    assert not any(each.startswith("domain") for each in attributes)
    assert said.json()["secure"] == (name == "__Host-th")


async def test_a_cookie_that_a_neighbouring_host_can_set_is_not_read_over_tls(office: Office, person: Person) -> None:
    await person.signs_up(office)
    token = person.cookies["__Host-th"]
    over_tls = {"host": "harbor.example", "x_forwarded_proto": "https"}
    assert (await Person(person.client, {"th": token}).ask("GET", "/api/session", **over_tls)).status_code == 401
    assert (await Person(person.client, {"__Host-th": token}).ask("GET", "/api/session", **over_tls)).status_code == 200


async def test_a_session_that_was_fixed_before_the_sign_in_opens_nothing_after_it(
    office: Office, person: Person
) -> None:
    await person.signs_up(office)
    thief = Person(person.client, {"__Host-th": person.cookies["__Host-th"]})
    await person.ask("POST", "/api/session", {"email": EMAIL, "password": PASSWORD})
    assert (await person.ask("GET", "/api/session")).status_code == 200
    assert (await thief.ask("GET", "/api/session")).status_code == 401


async def test_no_other_site_signs_somebody_in_or_out(office: Office, person: Person) -> None:
    await person.signs_up(office)
    for method, path, body in (
        ("POST", "/api/session", {"email": EMAIL, "password": PASSWORD}),
        ("DELETE", "/api/session", None),
        ("POST", "/api/sign-up", {"email": "x@example.com", "password": PASSWORD}),
    ):
        said = await person.ask(method, path, body, sec_fetch_site="cross-site")
        assert said.status_code == 403, path
    assert (await person.ask("GET", "/api/session")).status_code == 200


async def test_links_and_forms_lead_nowhere_but_here(office: Office, person: Person) -> None:
    """No answer of sign-in redirects, whatever the request says."""
    await person.signs_up(office)
    for next_page in ("https://evil.example", "//evil.example", "/\\evil.example"):
        said = await person.ask(
            "POST", f"/api/session?next={next_page}&return_to={next_page}", {"email": EMAIL, "password": PASSWORD}
        )
        assert said.status_code == 201
        assert "location" not in said.headers
        assert "evil" not in said.text
    async with office.context.pool.acquire() as conn:
        mails = await list_mails(conn, office.context.sign_in.mail_seal, 100)
    links = [link for mail in mails for link in re.findall(r"http\S+", mail.text.body)]
    assert links
    assert all(link.startswith(f"{SITE}/dashboard/") for link in links)


async def test_a_link_of_another_purpose_opens_nothing(office: Office, person: Person) -> None:
    await person.signs_up(office)
    await person.ask("POST", "/api/password-reset", {"email": EMAIL})
    token = await token_in_mail(office, EMAIL)
    for method, path, body in (
        ("POST", "/api/email-verification", {"token": token}),
        ("POST", "/api/operator-sign-in", {"token": token}),
        ("POST", "/api/invitation-acceptance", {"token": token, "password": PASSWORD}),
        ("PUT", "/api/password-reset", {"token": person.cookies["__Host-th"], "password": "another-good-1"}),
    ):
        said = await person.ask(method, path, body)
        assert (said.status_code, said.json()["error"]["param"]) == (400, "token"), path
    said = await person.ask("PUT", "/api/password-reset", {"token": token, "password": "another-good-1"})
    assert said.status_code == 204
    assert (await person.ask("GET", "/api/session")).status_code == 401, "a reset ends all sessions"


async def test_too_many_guesses_are_told_when_to_come_again(office: Office, person: Person) -> None:
    await person.signs_up(office)
    body = {"email": EMAIL, "password": "not-the-password"}
    answers = [await person.ask("POST", "/api/session", body, x_forwarded_for="192.0.2.1") for _ in range(11)]
    assert [said.status_code for said in answers] == [401] * 10 + [429]
    assert (answers[0].json()["error"]["code"], answers[-1].headers["retry-after"]) == ("sign_in_refused", "900")


async def test_users_end_sessions_and_set_up_a_second_factor(
    office: Office, person: Person, clock: ManualClock
) -> None:
    await person.signs_up(office)
    other = Person(person.client)
    await other.ask("POST", "/api/session", {"email": EMAIL, "password": PASSWORD}, user_agent="phone")
    found = (await person.ask("GET", "/api/user/sessions")).json()["data"]
    theirs = next(each["id"] for each in found if not each["current"])
    assert (await person.ask("DELETE", f"/api/user/sessions/{theirs}")).status_code == 204
    assert (await other.ask("GET", "/api/session")).status_code == 401
    assert (await person.ask("DELETE", f"/api/user/sessions/{theirs}")).status_code == 404

    said = await person.ask("POST", "/api/user/totp", {})
    assert (said.status_code, said.json()["error"]["param"]) == (401, "password")
    setup = (await person.ask("POST", "/api/user/totp", {"password": PASSWORD})).json()
    app = pyotp.TOTP(setup["secret"])
    said = await person.ask("PUT", "/api/user/totp", {"code": app.at(clock.now())})
    assert len(said.json()["recovery_codes"]) == 10
    body = {"email": EMAIL, "password": PASSWORD}
    said = await other.ask("POST", "/api/session", body)
    assert (said.status_code, said.json()["error"]["code"]) == (401, "totp_required")
    recovery = (await person.ask("GET", "/api/user")).json()
    assert recovery["totp"] is True
    said = await other.ask("POST", "/api/session", body | {"totp": "123"})
    assert (said.status_code, said.json()["error"]["code"]) == (401, "sign_in_refused")


async def test_all_other_sessions_are_ended_at_once_and_nobody_elses(office: Office, person: Person) -> None:
    await person.signs_up(office)
    others = [Person(person.client) for _ in range(2)]
    for other in others:
        await other.ask("POST", "/api/session", {"email": EMAIL, "password": PASSWORD})
    bob = Person(person.client)
    await bob.signs_up(office, "bob@example.com")
    assert (await person.ask("DELETE", "/api/user/sessions")).status_code == 204
    seen = [(await each.ask("GET", "/api/session")).status_code for each in (person, *others, bob)]
    assert seen == [200, 401, 401, 200]


async def test_a_changed_password_keeps_only_who_changed_it(office: Office, person: Person) -> None:
    await person.signs_up(office)
    other = Person(person.client)
    await other.ask("POST", "/api/session", {"email": EMAIL, "password": PASSWORD})
    said = await person.ask("PUT", "/api/user/password", {"current": "wrong", "new": "another-good-1"})
    assert (said.status_code, said.json()["error"]["param"]) == (401, "current")
    said = await person.ask("PUT", "/api/user/password", {"current": PASSWORD, "new": "short"})
    assert (said.status_code, said.json()["error"]["param"]) == (400, "new")
    said = await person.ask("PUT", "/api/user/password", {"current": PASSWORD, "new": "another-good-1"})
    assert said.status_code == 201
    assert (await person.ask("GET", "/api/session")).status_code == 200
    assert (await other.ask("GET", "/api/session")).status_code == 401
    said = await person.ask("PATCH", "/api/user", {"name": "Eve"})
    assert (said.json()["name"], said.json()["email"], said.json()["has_password"]) == ("Eve", EMAIL, True)


async def test_an_operator_signs_in_by_the_servers_link_and_reads_mails_that_did_not_leave(
    office: Office, person: Person
) -> None:
    await person.ask("POST", "/api/sign-up", {"email": EMAIL, "password": PASSWORD})
    hasher = TokenHasher(RootSecret("of-the-tests-" * 4).derive(SecretPurpose.SIGN_IN))
    async with office.context.pool.acquire() as conn:
        ada = await find_user(conn, "ada@example.com")
        assert ada is not None
        await make_operator(conn, ada.id)
        token = await make_operator_link(conn, office.context.world, hasher, ada.id)
    said = await person.ask("POST", "/api/operator-sign-in", {"token": token})
    user = said.json()["user"]
    assert (said.status_code, user["operator"], user["has_password"]) == (201, True, False)
    [mail] = (await person.ask("GET", "/api/operator/mails")).json()["data"]
    assert (mail["to"], mail["kind"], mail["state"]) == (EMAIL, "verify", "waiting")
    assert f"{SITE}/dashboard/verify-email#" in mail["body"]
    said = await person.ask("PUT", "/api/user/password", {"current": "", "new": "another-good-1"})
    assert (said.status_code, said.json()["user"]["has_password"]) == (201, True)
    assert (await Person(person.client).ask("POST", "/api/operator-sign-in", {"token": token})).status_code == 400
    eve = Person(person.client)
    opened = {"token": await token_in_mail(office, EMAIL), "password": PASSWORD}
    assert (await eve.ask("POST", "/api/email-verification", opened)).status_code == 201
    assert (await eve.ask("GET", "/api/operator/mails")).status_code == 403


async def test_a_browser_comes_back_from_another_service_to_a_page_of_ours(office: Office, person: Person) -> None:
    said = await person.ask("GET", "/api/openid/start")
    assert (said.status_code, said.headers["location"]) == (303, "/dashboard/sign-in?problem=not_found")
    with openid_peer() as peer:
        peer.now = office.context.world.clock.unix_ms() // 1_000
        config = OpenIdConfig(name="Peer", issuer=peer.url, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
        provider = OpenIdProvider(config, office.context.world)
        sign_in = replace(office.context.sign_in, openid=provider)
        context = replace(office.context, sign_in=sign_in, authenticator=SignInAuthenticator(sign_in))
        transport = httpx.ASGITransport(cast("Any", make_app(context)), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=SITE) as client:
            eve = Person(client)
            assert (await eve.ask("GET", "/api/edition")).json()["openid"] == "Peer"
            said = await eve.ask("GET", "/api/openid/start?next=https://evil.example")
            assert said.headers["location"].startswith(f"{peer.url}/authorize?")
            assert "evil" not in said.headers["location"]
            assert "__Host-th-openid" in eve.cookies
            led = await Person(client).ask("GET", "/api/openid/start", sec_fetch_site="cross-site")
            assert led.headers["location"] == "/dashboard/sign-in?problem=permission_denied"
            assert "set-cookie" not in led.headers, "a page of another site begins nothing"
            code, state = peer.authorize(said.headers["location"])
            back = f"/api/openid/callback?code={code}&state={state}"
            said = await Person(client).ask("GET", back, sec_fetch_site="cross-site")
            assert said.headers["location"] == "/dashboard/sign-in?problem=sign_in_refused", "not this browser's"
            said = await eve.ask("GET", back, sec_fetch_site="cross-site")
            assert (said.status_code, said.headers["location"]) == (303, "/dashboard/")
            assert eve.cookies["__Host-th-openid"] == ""
            assert (await eve.ask("GET", "/api/session")).json()["user"]["email"] == EMAIL


async def test_a_team_is_managed_by_session_and_by_management_key(office: Office, person: Person) -> None:
    account = (await person.signs_up(office)).json()["accounts"][0]["id"]
    base = f"/api/accounts/{account}"
    said = await person.ask("POST", f"{base}/management-keys", {"name": "ci", "role": "admin"})
    assert said.status_code == 201
    program = Person(person.client, headers={"authorization": f"Bearer {said.json()['secret']}"})
    assert (await program.ask("GET", "/api/session")).status_code == 403
    said = await program.ask("POST", f"{base}/invitations", {"email": "bob@example.com", "role": "owner"})
    assert (said.status_code, said.json()["error"]["code"]) == (403, "permission_denied")
    said = await program.ask("POST", f"{base}/invitations", {"email": "bob@example.com", "role": "viewer"})
    assert said.status_code == 201

    bob = Person(person.client)
    body = {"token": await token_in_mail(office, "bob@example.com"), "password": PASSWORD}
    said = await bob.ask("POST", "/api/invitation-acceptance", body)
    assert said.json() == {"account_id": account, "signed_in": True}
    members = (await bob.ask("GET", f"{base}/members")).json()["data"]
    assert [(each["email"], each["role"]) for each in members] == [(EMAIL, "owner"), ("bob@example.com", "viewer")]
    shown = members[1]["id"]
    for method, path, sent in (
        ("GET", f"{base}/management-keys", None),
        ("POST", f"{base}/management-keys", {"name": "x", "role": "viewer"}),
        ("PATCH", f"{base}/members/{shown}", {"role": "owner"}),
        ("DELETE", f"{base}/members/{members[0]['id']}", None),
        ("GET", f"{base}/audit", None),
    ):
        assert (await bob.ask(method, path, sent)).status_code == 403, path
    assert (await program.ask("PATCH", f"{base}/members/{shown}", {"role": "developer"})).status_code == 204
    assert (await person.ask("DELETE", f"{base}/membership")).json()["error"]["code"] == "conflict"
    assert (await bob.ask("DELETE", f"{base}/membership")).status_code == 204
    assert (await bob.ask("GET", base)).status_code == 404

    said = await program.ask("POST", f"{base}/management-keys", {"name": "more", "role": "admin"})
    made = said.json()["key"]
    assert made["created_by"] == (await person.ask("GET", "/api/user")).json()["id"], "who made the key answers for it"
    assert (await person.ask("DELETE", f"{base}/management-keys/{made['id']}")).status_code == 204
    keys = (await person.ask("GET", f"{base}/management-keys")).json()["data"]
    assert "secret" not in str(keys)
    assert (await person.ask("DELETE", f"{base}/management-keys/{keys[0]['id']}")).status_code == 204
    assert (await program.ask("GET", base)).status_code == 401
    audit = (await person.ask("GET", f"{base}/audit?limit=4")).json()
    rest = (await person.ask("GET", f"{base}/audit?cursor={audit['next_cursor']}")).json()
    told = [(each["field"], each["before"], each["after"]) for each in [*audit["data"], *rest["data"]]]
    assert told == [
        ("management_key", "ci", ""),
        ("management_key", "more", ""),
        ("management_key", "", "admin more"),
        ("role", "developer", ""),
        ("role", "viewer", "developer"),
        ("role", "", "viewer"),
        ("invitation", "", "viewer"),
        ("management_key", "", "admin ci"),
    ]
    assert [each["actor"][:4] for each in rest["data"]] == ["mkey", "user", "mkey", "user"]
    assert [(each["actor_name"], each["subject_name"]) for each in rest["data"]] == [
        ("ci", "bob@example.com"),
        ("bob@example.com", "bob@example.com"),
        ("ci", "bob@example.com"),
        (EMAIL, "ci"),
    ]


async def test_a_key_that_is_made_and_changed_is_told_with_who_and_from_where(
    office: Office, person: Person, clock: ManualClock
) -> None:
    session = (await person.signs_up(office)).json()
    base = f"/api/accounts/{session['accounts'][0]['id']}"
    here = {"x_forwarded_for": "192.0.2.7"}
    made = (await person.ask("POST", f"{base}/keys", {"name": "ci"}, **here)).json()
    clock.advance(timedelta(milliseconds=1))  # the log is in the order of its times
    await person.ask("PATCH", f"{base}/keys/{made['id']}", {"daily_usd": "1.5"}, **here)
    told = (await person.ask("GET", f"{base}/audit")).json()["data"]
    assert [(each["field"], each["before"], each["after"]) for each in told][:1] == [
        ("key.daily_usd", "", "1.500000000")
    ]
    assert [each["field"] for each in told] == ["key.daily_usd", "key"]
    seen = {(each["actor"], each["address"], each["subject"]) for each in told}
    assert seen == {(session["user"]["id"], "192.0.2.7", made["id"])}
    assert made["key"] not in str(told)


async def test_mails_follow_the_language_in_which_the_pages_are_used(office: Office, person: Person) -> None:
    await person.signs_up(office)
    for asked, stored in (("zh", "zh"), ("fr, x, zh-CN;q=0.8", "zh"), ("fr", "zh"), ("", "zh"), ("en-GB,zh", "en")):
        assert (await person.ask("GET", "/api/session", accept_language=asked)).status_code == 200
        async with office.context.pool.acquire() as conn:
            user = await find_user(conn, EMAIL)
        assert user is not None
        assert (user.locale, user.language) == ("", stored), asked
