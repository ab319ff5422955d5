"""Keys by API as clients of model routers ask for them: made, changed, deleted by a management key of the account."""

from typing import Any

import httpx
import pytest
from tests.console.conftest import Office
from tests.console.spending import spend

from tokenharbor.console.principal import Principal
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel import ids
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger.types import Pool


class Program:
    """What holds a management key."""

    def __init__(self, office: Office, role: AccountRole = AccountRole.DEVELOPER, key: str = "") -> None:
        self._client = office.client
        self.key = key or office.management_key(role)

    async def ask(self, method: str, path: str = "", json: Any = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.key}"}
        return await self._client.request(method, f"/v1/keys{path}", headers=headers, json=json)

    async def make(self, **stated: Any) -> dict[str, Any]:
        said = await self.ask("POST", json={"name": "customer", **stated})
        assert said.status_code == 201, said.text
        made: dict[str, Any] = said.json()
        return made


def refusal(said: httpx.Response) -> tuple[int, str]:
    error = said.json()["error"]
    assert error["code"] == said.status_code
    assert error["metadata"]["request_id"] == said.headers["x-request-id"]
    return error["code"], f"{error['metadata']['param']} {error['message']}"


async def test_a_key_is_made_read_changed_and_deleted(office: Office, database_url: str) -> None:
    program = Program(office)
    await office.grant("10", Pool.PAID)
    made = await program.make(limit=12.5, limit_reset="monthly", expires_at="2026-12-31T23:59:59Z")
    shown, key = made["data"], made["key"]
    assert key.startswith("thk_live_")
    assert shown["label"] == f"{key[:13]}…{key[-4:]}"
    assert (shown["name"], shown["disabled"], shown["workspace_id"]) == (
        "customer",
        False,
        ids.show("acct", office.account.id),
    )
    assert (shown["limit"], shown["limit_reset"], shown["limit_remaining"]) == (12.5, "monthly", 12.5)
    assert shown["expires_at"] == "2026-12-31T23:59:59Z"
    path = f"/{shown['hash']}"
    await spend(database_url, office.context.world, Payer(office.account.id, ids.parse("key", shown["hash"])), "0.75")
    said = await program.ask("GET", path)
    read = said.json()["data"]
    assert key not in said.text
    assert [read[name] for name in ("usage", "usage_daily", "usage_weekly", "usage_monthly", "byok_usage")] == [
        *[0.75] * 4,
        0,
    ]
    assert read["limit_remaining"] == 11.75
    changed = (await program.ask("PATCH", path, {"name": "another"})).json()["data"]
    assert changed == read | {"name": "another"}
    assert (await program.ask("GET")).json() == {"data": [changed]}
    gone = await program.ask("DELETE", path)
    assert (gone.status_code, gone.json()) == (200, {"deleted": True})
    assert refusal(await program.ask("GET", path)) == (404, "None There is no such API key.")
    assert (await program.ask("GET", "?include_disabled=true")).json() == {"data": []}


@pytest.mark.parametrize(
    ("begun", "change", "limits"),
    [
        ({"limit": 5}, {"limit": 7}, ("7", None, None)),
        ({"limit": 5}, {"limit_reset": "daily"}, (None, "5", None)),
        ({"limit": 5, "limit_reset": "daily"}, {"limit": 0.1}, (None, "0.1", None)),
        ({"limit": 5, "limit_reset": "daily"}, {"limit_reset": None}, ("5", None, None)),
        ({"limit": 5, "limit_reset": "monthly"}, {"limit": None}, (None, None, None)),
        ({"limit": 5, "limit_reset": "monthly"}, {"limit": None, "limit_reset": None}, (None, None, None)),
        ({}, {"limit": "2.000000001", "limit_reset": "monthly"}, (None, None, "2.000000001")),
    ],
)
async def test_a_limit_takes_the_place_of_the_one_before(
    office: Office, begun: dict[str, Any], change: dict[str, Any], limits: tuple[str | None, ...]
) -> None:
    program = Program(office)
    path = f"/{(await program.make(**begun))['data']['hash']}"
    said = await program.ask("PATCH", path, change)
    assert said.status_code == 200, said.text
    row = (await office.member(AccountRole.VIEWER).get(f"{office.account_path}/keys{path}")).json()
    expected = [None if each is None else f"{each}{'' if '.' in each else '.'}".ljust(11, "0") for each in limits]
    assert [row[name] for name in ("quota_usd", "daily_usd", "monthly_usd")] == expected


async def test_a_disabled_key_is_revoked_and_stays_so(office: Office) -> None:
    program = Program(office)
    path = f"/{(await program.make())['data']['hash']}"
    other = (await program.make(name="other"))["data"]
    said = await program.ask("PATCH", path, {"disabled": True, "name": "ended"})
    assert (said.json()["data"]["disabled"], said.json()["data"]["name"]) == (True, "ended")
    assert (await program.ask("PATCH", path, {"disabled": True})).status_code == 200
    assert refusal(await program.ask("PATCH", path, {"disabled": False}))[0] == 409
    assert (await program.ask("GET")).json()["data"] == [other]
    everything = (await program.ask("GET", "?include_disabled=true")).json()["data"]
    assert [each["name"] for each in everything] == ["other", "ended"]
    assert (await program.ask("GET", "?include_disabled=true&offset=1")).json()["data"] == everything[1:]
    row = await office.context.pool.fetchrow("select revoked_at from api_key where name = 'ended'")
    assert row["revoked_at"] is not None


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"limit_reset": "weekly", "limit": 5}, "limit_reset"),
        ({"limit_reset": "hourly", "limit": 5}, "limit_reset"),
        ({"limit_reset": "daily"}, "limit_reset"),
        ({"limit": 0}, "limit"),
        ({"limit": -1}, "limit"),
        ({"limit": 1e300}, "limit"),
        ({"limit": "1e999999999"}, "limit"),
        ({"limit": "1e-999999999"}, "limit"),
        ({"limit": "NaN"}, "limit"),
        ({"limit": 1.0000000001}, "limit"),
        ({"limit": True}, "limit"),
        ({"include_byok_in_limit": True}, "include_byok_in_limit"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2027-01-01T00:00:00"}, "expires_at"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"creator_user_id": "user_1"}, "creator_user_id"),
    ],
)
async def test_what_is_not_supported_is_refused_by_its_name(office: Office, body: dict[str, Any], named: str) -> None:
    program = Program(office)
    status, words = refusal(await program.ask("POST", json={"name": "customer", **body}))
    assert (status, named in words) == (400, True), words
    if named not in ("expires_at", "creator_user_id"):
        made = await program.make()
        status, words = refusal(await program.ask("PATCH", f"/{made['data']['hash']}", body))
        assert (status, named in words) == (400, True), words


async def test_only_a_management_key_with_the_role_may(office: Office) -> None:
    owner = office.member(AccountRole.OWNER)
    made = await Program(office).make()
    for session in (owner, office.anybody):
        said = await session.get("/v1/keys")
        assert refusal(said)[0] == 401
        assert "management key" in said.text
    for key in (made["key"], "thk_live_none", "thm_live_none", "x"):
        assert refusal(await Program(office, key=key).ask("GET"))[0] == 401
    assert "management key" in (await Program(office, key=made["key"]).ask("GET")).text
    path = f"/{made['data']['hash']}"
    changes = (("POST", "", {"name": "x"}), ("PATCH", path, {"name": "x"}), ("DELETE", path, None))
    for role in (AccountRole.VIEWER, AccountRole.BILLING):
        program = Program(office, role)
        assert (await program.ask("GET")).status_code == 200
        assert (await program.ask("GET", path)).status_code == 200
        for method, where, body in changes:
            assert refusal(await program.ask(method, where, body))[0] == 403, (role, method)


async def test_another_accounts_keys_are_not_there(office: Office) -> None:
    made = await Program(office).make()
    office.doorman.keys["thm_live_foreign"] = Principal("mkey_2", {office.context.world.ids.new(): AccountRole.ADMIN})
    stranger = Program(office, key="thm_live_foreign")
    assert (await stranger.ask("GET")).json() == {"data": []}
    for hash_ in (made["data"]["hash"], "key_none", ids.show("key", office.context.world.ids.new()), "a/b"):
        for method, body in (("GET", None), ("PATCH", {"disabled": True}), ("DELETE", None)):
            assert refusal(await stranger.ask(method, f"/{hash_}", body))[0] == 404, (hash_, method)
    assert refusal(await stranger.ask("GET", f"?workspace_id={ids.show('acct', office.account.id)}"))[0] == 404
    (kept,) = (await Program(office).ask("GET", f"?workspace_id={ids.show('acct', office.account.id)}")).json()["data"]
    assert kept["disabled"] is False


async def test_the_audit_log_names_the_management_key(office: Office) -> None:
    program = Program(office)
    made = await program.make()
    await program.ask("PATCH", f"/{made['data']['hash']}", {"limit": 3})
    told = (await office.member(AccountRole.ADMIN).get(f"{office.account_path}/audit")).json()["data"]
    assert {(each["actor"], each["subject"], each["field"]) for each in told} == {
        ("mkey_1", made["data"]["hash"], "key"),
        ("mkey_1", made["data"]["hash"], "key.quota_usd"),
    }
