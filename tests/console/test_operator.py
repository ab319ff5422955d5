"""Routes of operators."""

from tests.console.conftest import Office

from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.store import create_account


async def test_an_operator_reads_all_accounts_page_by_page(office: Office) -> None:
    async with office.context.pool.acquire() as conn:
        for number in range(4):
            await create_account(conn, office.context.world, f"user{number}@example.com", "e")
    seen: list[str] = []
    cursor: str | None = None
    for expected in (2, 2, 1):
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await office.operator.get("/api/operator/accounts", params=query)).json()
        assert len(page["data"]) == expected
        seen += [account["emails"][0] for account in page["data"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert seen == ["ada@example.com", *(f"user{number}@example.com" for number in range(4))]


async def test_an_operator_reads_all_kept_mails_page_by_page(office: Office) -> None:
    for number in range(5):
        body = {"email": f"new{number}@example.com", "password": "dull-otter-91-lamp"}
        assert (await office.anybody.ask("POST", "/api/sign-up", json=body)).status_code == 202
    seen: list[str] = []
    cursor: str | None = None
    for expected in (2, 2, 1):
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await office.operator.get("/api/operator/mails", params=query)).json()
        assert len(page["data"]) == expected
        seen += [mail["to"] for mail in page["data"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert seen == [f"new{number}@example.com" for number in reversed(range(5))]
    said = await office.operator.get("/api/operator/mails", params={"cursor": "none"})
    assert (said.status_code, said.json()["error"]["param"]) == (400, "cursor")


async def test_a_mail_that_cannot_be_read_ends_no_list(office: Office) -> None:
    for number in range(3):
        body = {"email": f"new{number}@example.com", "password": "dull-otter-91-lamp"}
        await office.anybody.ask("POST", "/api/sign-up", json=body)
    async with office.context.pool.acquire() as conn:
        await conn.execute(
            "update user_mail m set sealed = '' from app_user u where u.id = m.user_id and u.email = 'new1@example.com'"
        )
    first = (await office.operator.get("/api/operator/mails", params={"limit": "2"})).json()
    rest = (await office.operator.get("/api/operator/mails", params={"cursor": first["next_cursor"]})).json()
    told = [mail["to"] for mail in first["data"] + rest["data"]]
    assert told == ["new2@example.com", "new0@example.com"]


async def test_a_cursor_that_is_none_is_refused_by_its_name(office: Office) -> None:
    said = await office.operator.get("/api/operator/accounts", params={"cursor": "'; --"})
    assert (said.status_code, said.json()["error"]["param"]) == (400, "cursor")
    said = await office.operator.get("/api/operator/accounts", params={"limit": "101"})
    assert (said.status_code, said.json()["error"]["param"]) == (400, "limit")


async def test_nobody_else_reads_all_accounts(office: Office) -> None:
    assert (await office.member(AccountRole.OWNER).get("/api/operator/accounts")).status_code == 403
    assert (await office.anybody.get("/api/operator/accounts")).status_code == 401
