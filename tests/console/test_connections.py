"""Tools that get an API key of their own: by a typed code or by the browser, agreed to with limits, fetched once."""

import base64
import hashlib
from datetime import timedelta
from typing import Any

import pytest
from tests.console.conftest import Office

from tokenharbor.identity import store
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.money import Usd
from tokenharbor.signin.connect import LASTS

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
BROWSER = {
    "name": "editor",
    "code_challenge": CHALLENGE,
    "redirect_uri": "http://127.0.0.1:7777/cb?x=1",
    "state": "s t",
}


async def ask(office: Office, name: str = "editor") -> dict[str, Any]:
    said = await office.anybody.ask("POST", "/api/connections", json={"name": name})
    assert said.status_code == 201
    asked: dict[str, Any] = said.json()
    return asked


async def fetch(office: Office, code: str, verifier: str = "") -> tuple[int, dict[str, Any]]:
    said = await office.client.post("/api/connections/key", json={"code": code, "code_verifier": verifier})
    return said.status_code, said.json()


async def test_a_tool_without_a_browser_gets_a_key_with_the_limits_that_were_agreed_to(office: Office) -> None:
    asked = await ask(office)
    status, said = await fetch(office, asked["device_code"])
    assert (status, said["error"]["code"]) == (400, "authorization_pending")
    developer = office.member(AccountRole.DEVELOPER)
    typed = asked["user_code"].lower().replace("-", " ")
    assert (await developer.get(f"/api/connections/{typed}")).json()["name"] == "editor"
    body = {"user_code": typed, "quota_usd": "5", "expires_at": "2026-04-01T00:00:00Z"}
    assert (await developer.ask("POST", f"{office.account_path}/connections", json=body)).status_code == 204
    assert (await developer.ask("POST", f"{office.account_path}/connections", json=body)).status_code == 404
    status, said = await fetch(office, asked["device_code"])
    assert status == 201
    assert said["key"].startswith("thk_live_")
    async with office.context.pool.acquire() as conn:
        [key] = await store.list_keys(conn, office.account.id)
    assert (key.rules.name, key.rules.quota, str(key.rules.expires_at)[:10]) == ("editor", Usd.parse("5"), "2026-04-01")
    status, said = await fetch(office, asked["device_code"])
    assert (status, said["error"]["param"]) == (400, "code"), "a key is fetched once"


async def test_whoever_is_asked_for_consent_sees_where_the_tool_asked_from(office: Office) -> None:
    headers = {"x-forwarded-for": "203.0.113.9", "user-agent": "editor/1.2 " + "x" * 500}
    asked = (await office.anybody.ask("POST", "/api/connections", json={"name": "editor"}, headers=headers)).json()
    seen = (await office.member(AccountRole.VIEWER).get(f"/api/connections/{asked['user_code']}")).json()
    assert seen.keys() == {"name", "expires_at", "address", "agent"}
    assert seen["address"] == "203.0.113.9"
    assert seen["agent"].startswith("editor/1.2")
    assert len(seen["agent"]) == 200


async def test_a_tool_with_a_browser_proves_that_it_asked(office: Office) -> None:
    owner = office.member(AccountRole.OWNER)
    path = f"{office.account_path}/connections/browser"
    back = (await owner.ask("POST", path, json=BROWSER | {"daily_usd": "2"})).json()["redirect_to"]
    assert back.startswith("http://127.0.0.1:7777/cb?x=1&code=")
    assert back.endswith("&state=s+t")
    code = back.partition("code=")[2].partition("&")[0]
    for verifier in ("", "w" * 43, "v" * 42, "v" * 44):
        assert (await fetch(office, code, verifier))[0] == 400
    status, said = await fetch(office, code, VERIFIER)
    assert (status, said["key"][:9]) == (201, "thk_live_")
    assert (await fetch(office, code, VERIFIER))[0] == 400


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/cb",
        "http://evil.example:80/cb",
        "http://127.0.0.1.evil.example:80/",
        "http://localhost@evil.example:80/",
        "http://127.0.0.1:80\\@evil.example/",
        "http://127.0.0.1/cb",
        "javascript:alert(1)//127.0.0.1:80",
        "//127.0.0.1:80/cb",
        "http://127.0.0.1:7777/#",
        "http://127.0.0.1:99999/",
    ],
)
async def test_a_browser_is_sent_to_its_own_machine_only(office: Office, uri: str) -> None:
    owner = office.member(AccountRole.OWNER)
    said = await owner.ask("POST", f"{office.account_path}/connections/browser", json=BROWSER | {"redirect_uri": uri})
    assert (said.status_code, said.json()["error"]["param"]) == (400, "redirect_uri")


async def test_only_who_may_make_keys_agrees(office: Office) -> None:
    asked = await ask(office)
    body = {"user_code": asked["user_code"]}
    for role in (AccountRole.VIEWER, AccountRole.BILLING):
        member = office.member(role)
        assert (await member.ask("POST", f"{office.account_path}/connections", json=body)).status_code == 403
        assert (await member.ask("POST", f"{office.account_path}/connections/browser", json=BROWSER)).status_code == 403
    assert (await office.operator.ask("POST", f"{office.account_path}/connections", json=body)).status_code == 404
    assert (await office.anybody.get(f"/api/connections/{asked['user_code']}")).status_code == 401
    assert (await fetch(office, asked["device_code"]))[1]["error"]["code"] == "authorization_pending"


async def test_what_is_refused_or_late_gets_no_key(office: Office, clock: ManualClock) -> None:
    owner = office.member(AccountRole.OWNER)
    asked = await ask(office)
    assert (await owner.ask("DELETE", f"/api/connections/{asked['user_code']}")).status_code == 204
    assert (await fetch(office, asked["device_code"]))[1]["error"]["param"] == "code"
    late = await ask(office)
    clock.advance(LASTS)
    said = await owner.ask("POST", f"{office.account_path}/connections", json={"user_code": late["user_code"]})
    assert said.status_code == 404
    assert (await fetch(office, late["device_code"]))[1]["error"]["param"] == "code"
    past = {"user_code": (await ask(office))["user_code"], "expires_at": "2026-03-01T00:00:00Z"}
    assert (await owner.ask("POST", f"{office.account_path}/connections", json=past)).status_code == 400


async def test_codes_that_people_type_are_guessed_few_times(office: Office, clock: ManualClock) -> None:
    owner = office.member(AccountRole.OWNER)
    answers = [(await owner.get(f"/api/connections/BBBB-BB{number:02}")).status_code for number in range(21)]
    assert answers == [404] * 20 + [429]
    body = {"user_code": "BBBB-BBBB"}
    assert (await owner.ask("POST", f"{office.account_path}/connections", json=body)).status_code == 429
    assert (await owner.ask("DELETE", "/api/connections/BBBB-BBBB")).status_code == 429
    clock.advance(timedelta(minutes=15))
    assert (await owner.get("/api/connections/BBBB-BBBB")).status_code == 404
    said = await office.anybody.ask("POST", "/api/connections", json={"name": "  "})
    assert said.json()["error"]["param"] == "name"


@pytest.mark.parametrize("way", ["agree", "refuse"])
async def test_agreeing_and_refusing_do_not_guess_codes_either(office: Office, clock: ManualClock, way: str) -> None:
    asked, owner = await ask(office), office.member(AccountRole.OWNER)

    async def guess(code: str) -> int:
        if way == "refuse":
            return (await owner.ask("DELETE", f"/api/connections/{code}")).status_code
        path = f"{office.account_path}/connections"
        return (await owner.ask("POST", path, json={"user_code": code})).status_code

    assert [await guess(f"BBBB-BB{number:02}") for number in range(20)] == [404] * 20
    assert await guess(asked["user_code"]) == 429, "the right one is not told from a wrong one"
    assert (await fetch(office, asked["device_code"]))[1]["error"]["code"] == "authorization_pending"
    clock.advance(timedelta(minutes=15))
    assert await guess((await ask(office))["user_code"]) == 204


async def test_a_tool_that_does_not_wait_is_told_to(office: Office, clock: ManualClock) -> None:
    code = (await ask(office))["device_code"]
    answers = [(await fetch(office, code))[0] for _ in range(61)]
    assert answers == [400] * 60 + [429]
    clock.advance(timedelta(minutes=2))
    assert (await fetch(office, code))[1]["error"]["code"] == "authorization_pending"
