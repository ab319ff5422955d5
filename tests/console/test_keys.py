"""Routes of API keys."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.console.conftest import Browser, Office
from tests.console.spending import spend

from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.store import create_account
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger.types import Pool


async def make(office: Office, **rules: Any) -> tuple[Browser, dict[str, Any]]:
    developer = office.member(AccountRole.DEVELOPER)
    said = await developer.ask("POST", f"{office.account_path}/keys", json=rules)
    assert said.status_code == 201, said.text
    return developer, said.json()


async def test_TH_A4_a_key_is_shown_once_and_listed_without_itself(office: Office) -> None:
    developer, made = await make(office, name="ci", daily_usd="2.5", deny_providers=["openai"])
    assert made["key"].startswith("thk_live_")
    (listed,) = (await developer.get(f"{office.account_path}/keys")).json()
    assert (listed["id"], listed["name"], listed["daily_usd"]) == (made["id"], "ci", "2.500000000")
    assert listed["deny_providers"] == ["openai"]
    assert made["key"] not in str(listed)
    assert listed["spending"]["life_usd"] == "0.000000000"


async def test_a_change_names_what_it_changes_and_nothing_else(office: Office) -> None:
    developer, made = await make(office, name="ci", quota_usd="5", rpm=10, ip=["192.0.2.0/24"])
    path = f"{office.account_path}/keys/{made['id']}"
    before = (await developer.get(path)).json()
    said = await developer.ask("PATCH", path, json={"quota_usd": None})
    assert said.status_code == 200
    after = (await developer.get(path)).json()
    assert after == before | {"quota_usd": None}
    assert (await developer.ask("PATCH", path, json={"rpm": 0})).json()["rpm"] is None
    for body, param in (
        ({"quota": "1"}, "quota"),
        ({"quota_usd": "-1"}, "quota_usd"),
        ({"ip": ["nowhere"]}, "ip"),
        ({"models": ["no-such-model"]}, "models"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "a\nb"}, "name"),
    ):
        said = await developer.ask("PATCH", path, json=body)
        assert said.status_code == 400, body
        assert said.json()["error"]["param"] == param or param in said.json()["error"]["message"], said.text
    assert (await developer.get(path)).json() == after | {"rpm": None}


async def test_RLY_3_a_keys_spending_stands_beside_its_limits(
    office: Office, database_url: str, clock: ManualClock
) -> None:
    await office.grant("10", Pool.PAID)
    developer, made = await make(office, monthly_usd="3")
    await spend(database_url, office.context.world, Payer(office.account.id, ids.parse("key", made["id"])), "0.75")
    (listed,) = (await developer.get(f"{office.account_path}/keys")).json()
    assert listed["spending"]["month_usd"] == "0.750000000"
    clock.advance(timedelta(days=40))
    (listed,) = (await developer.get(f"{office.account_path}/keys")).json()
    assert (listed["spending"]["month_usd"], listed["spending"]["life_usd"]) == ("0.000000000", "0.750000000")


async def test_a_rotated_key_has_a_successor_with_its_rules_and_ends_after_the_overlap(office: Office) -> None:
    developer, made = await make(office, name="ci", quota_usd="5")
    path = f"{office.account_path}/keys/{made['id']}"
    said = await developer.ask("POST", f"{path}/rotation", json={"overlap_hours": 2})
    assert said.status_code == 201
    assert said.json()["key"] != made["key"]
    old, new = (await developer.get(f"{office.account_path}/keys")).json()
    assert (old["expires_at"], new["id"]) == ("2026-03-01T14:00:00Z", said.json()["id"])
    assert (new["name"], new["quota_usd"], new["expires_at"]) == ("ci", "5.000000000", None)
    await developer.ask("POST", f"{path}/revocation")
    assert (await developer.ask("POST", f"{path}/rotation", json={})).status_code == 409


async def test_RLY_4_a_deleted_key_is_revoked_and_listed_no_more(office: Office) -> None:
    developer, made = await make(office)
    path = f"{office.account_path}/keys/{made['id']}"
    said = await developer.ask("POST", f"{path}/revocation")
    assert said.json()["revoked_at"] == "2026-03-01T12:00:00Z"
    assert (await developer.ask("DELETE", path)).status_code == 204
    assert (await developer.get(f"{office.account_path}/keys")).json() == []
    assert (await developer.get(path)).status_code == 404
    row = await office.context.pool.fetchrow("select revoked_at, deleted_at from api_key")
    assert row["revoked_at"] is not None
    assert row["deleted_at"] is not None


@pytest.mark.parametrize("path", ["/keys", "/keys/{key}/rotation", "/management-keys", "/v1/keys"])
async def test_a_retry_makes_no_second_key(office: Office, path: str) -> None:
    """Its secret was in the answer that was lost: the id is told, so that the key can be deleted."""
    program = Browser(office.client)
    bearer = {"authorization": f"Bearer {office.management_key(AccountRole.ADMIN)}"}
    _, first = await make(office)
    url = path if path == "/v1/keys" else office.account_path + path.format(key=first["id"])
    body = {} if path.endswith("rotation") else {"name": "x"} | ({"role": "viewer"} if "management" in path else {})

    async def ask(key: str | None) -> httpx.Response:
        headers = bearer | ({} if key is None else {"idempotency-key": key})
        return await program.ask("POST", url, json=body, headers=headers)

    at_once = await asyncio.gather(*(ask("once") for _ in range(5)))
    assert sorted(said.status_code for said in at_once) == [201, 409, 409, 409, 409]
    [made] = [said.json() for said in at_once if said.status_code == 201]
    shown = made["data"]["hash"] if path == "/v1/keys" else made.get("id") or made["key"]["id"]
    retried = await ask("once")
    assert (retried.status_code, shown in retried.json()["error"]["message"]) == (409, True)
    assert made.get("secret", made["key"]) not in retried.text
    count = "select (select count(*) from api_key) + (select count(*) from management_key)"
    before = await office.context.pool.fetchval(count)
    assert [(await ask(key)).status_code for key in ("another", None)] == [201, 201]
    assert await office.context.pool.fetchval(count) == before + 2


async def test_the_same_idempotency_key_of_another_account_is_another(office: Office) -> None:
    headers = {"idempotency-key": "once"}
    async with office.context.pool.acquire() as conn:
        other = await create_account(conn, office.context.world, "other@example.com", "token-harbor")
    for account_id in (office.account.id, other.id):
        developer = office.member(AccountRole.DEVELOPER, account_id)
        path = f"/api/accounts/{ids.show('acct', account_id)}/keys"
        assert (await developer.ask("POST", path, json={}, headers=headers)).status_code == 201
        assert (await developer.ask("POST", path, json={}, headers=headers)).status_code == 409


async def test_the_audit_log_has_the_changes_of_one_request_in_their_order(office: Office) -> None:
    developer, made = await make(office)
    path = f"{office.account_path}/keys/{made['id']}"
    amounts, counts = ["quota_usd", "daily_usd", "monthly_usd"], ["rpm", "tpm", "concurrency"]
    fields = ["name", *amounts, *counts]
    for value in range(1, 4):
        rules = dict.fromkeys(["name", *amounts], str(value)) | dict.fromkeys(counts, value)
        said = await developer.ask("PATCH", path, json=rules)
        assert said.is_success, said.text
    changes, query = [], "?limit=2"
    while query:
        page = (await office.member(AccountRole.ADMIN).get(f"{office.account_path}/audit{query}")).json()
        changes += [each["field"] for each in page["data"]]
        query = f"?limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert changes[::-1] == ["key", *[f"key.{field}" for field in fields] * 3]
