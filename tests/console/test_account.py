"""Routes of an account."""

from tests.console.conftest import Office

from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel import ids


async def test_whoever_may_read_an_account_sees_it_with_the_terms_of_its_plan(office: Office) -> None:
    said = await office.member(AccountRole.VIEWER).get(office.account_path)
    assert said.status_code == 200
    shown = said.json()
    assert (shown["id"], shown["emails"]) == (ids.show("acct", office.account.id), ["ada@example.com"])
    assert shown["created_at"] == "2026-03-01T12:00:00Z"
    assert "terms" in shown


async def test_a_management_key_reads_its_account(office: Office) -> None:
    key = office.management_key(AccountRole.VIEWER)
    said = await office.client.get(office.account_path, headers={"authorization": f"Bearer {key}"})
    assert (said.status_code, said.json()["emails"]) == (200, ["ada@example.com"])


async def test_an_account_gets_a_name_which_is_told_and_nothing_else_changes(office: Office) -> None:
    before = (await office.member(AccountRole.VIEWER).get(office.account_path)).json()
    admin = office.member(AccountRole.ADMIN)
    said = await admin.ask("PATCH", office.account_path, json={"name": "  Port   Authority "})
    assert (said.status_code, said.json()) == (200, before | {"name": "Port Authority"})
    assert (await admin.ask("PATCH", office.account_path, json={})).json()["name"] == "Port Authority"
    said = await admin.ask("PATCH", office.account_path, json={"name": "x" * 101})
    assert (said.status_code, said.json()["error"]["param"]) == (400, "name")
    told = (await admin.get(f"{office.account_path}/audit")).json()["data"]
    assert [(each["field"], each["before"], each["after"]) for each in told] == [("account.name", "", "Port Authority")]
