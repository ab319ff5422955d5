"""An account's choices of caches: who makes them, what they say, and that they are recorded."""

from typing import Any

import pytest
from tests.console.conftest import Office

from tokenharbor.cache.similar import model
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.semantic import StoredTrials


async def choose(office: Office, **stated: bool) -> Any:
    said = await office.member(AccountRole.OWNER).ask("PATCH", f"{office.account_path}/caching", json=stated)
    assert said.status_code == 200, said.text
    return said.json()["semantic"]


async def test_TH_B10_the_semantic_cache_is_off_until_the_owner_turns_it_on(office: Office) -> None:
    viewer = office.member(AccountRole.VIEWER)
    path = f"{office.account_path}/caching"
    off = {"state": "off", "minutes": 60, "compared": 0, "trial": 20, "stopped_at": None, "by_request": True}
    assert (await viewer.ask("GET", path)).json()["semantic"] == off
    assert (await viewer.ask("PATCH", path, json={"semantic": True})).status_code == 403
    assert await choose(office, semantic=True) == {**off, "state": "on"}
    assert await choose(office, shared=False) == {**off, "state": "on"}, "what is not stated stays"
    assert await choose(office, semantic=False) == off
    log = (await office.member(AccountRole.OWNER).ask("GET", f"{office.account_path}/audit")).json()
    assert "semantic_cache" in str(log)


async def test_an_owner_forbids_requests_to_turn_it_on_and_the_audit_log_says_who(office: Office) -> None:
    path = f"{office.account_path}/caching"
    for role in (AccountRole.ADMIN, AccountRole.DEVELOPER, AccountRole.BILLING, AccountRole.VIEWER):
        refused = await office.member(role).ask("PATCH", path, json={"semantic_by_request": False})
        assert refused.status_code == 403, role
    assert (await choose(office, semantic_by_request=False))["by_request"] is False
    assert (await choose(office, semantic=True, shared=False))["by_request"] is False, "what is not stated stays"
    await choose(office, semantic=False)
    rows = (await office.member(AccountRole.ADMIN).get(f"{office.account_path}/audit")).json()["data"]
    (change,) = [row for row in rows if row["field"] == "account.semantic_requests"]
    assert (change["before"], change["after"]) == ("true", "false")
    assert change["actor"].startswith("user_")
    assert (await choose(office, semantic_by_request=True))["by_request"] is True


async def test_two_disagreements_in_the_last_fifty_stop_it_until_it_is_turned_on_again(office: Office) -> None:
    trials, account = StoredTrials(office.context.pool, office.context.world), office.account.id
    await choose(office, semantic=True)
    assert not await trials.note(account, agreed=False, trial=20)
    for _ in range(50):
        assert not await trials.note(account, agreed=True, trial=20)
    assert not await trials.note(account, agreed=False, trial=20), "the first is no longer among the last 50"
    assert await trials.note(account, agreed=False, trial=20)
    assert not await trials.note(account, agreed=False, trial=20), "it has stopped already"
    shown = await choose(office)
    assert (shown["state"], shown["compared"]) == ("stopped", 20)
    assert shown["stopped_at"] is not None
    again = await choose(office, semantic=True)
    assert (again["state"], again["compared"], again["stopped_at"]) == ("on", 0, None)


async def test_where_it_is_not_installed_turning_it_on_says_how(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "_PACKAGE", "no_such_package")
    path = f"{office.account_path}/caching"
    refused = await office.member(AccountRole.OWNER).ask("PATCH", path, json={"semantic": True})
    assert refused.status_code in {400, 422}
    assert "pip install" in refused.text


async def test_the_owner_alone_shares_kept_answers(office: Office) -> None:
    path = f"{office.account_path}/caching"
    viewer = office.member(AccountRole.VIEWER)
    assert (await viewer.get(path)).json()["shared"] is False
    for role in (AccountRole.ADMIN, AccountRole.DEVELOPER, AccountRole.BILLING, AccountRole.VIEWER):
        assert (await office.member(role).ask("PATCH", path, json={"shared": True})).status_code == 403
    said = await office.member(AccountRole.OWNER).ask("PATCH", path, json={"shared": True})
    assert said.json()["shared"] is True
    assert said.json() == (await viewer.get(path)).json()
    rows = (await office.member(AccountRole.ADMIN).get(f"{office.account_path}/audit")).json()["data"]
    assert ("account.shared_cache", "false", "true") in [(row["field"], row["before"], row["after"]) for row in rows]
    await office.member(AccountRole.OWNER).ask("PATCH", path, json={"shared": False})
