"""The undo of an e-mail change over HTTP, including an attacker's changes to money and alerts."""

import asyncio

import asyncpg
import pytest
from tests.console.conftest import Office
from tests.console.test_session import Person, person, token_in_mail  # noqa: F401  a fixture
from tests.db.waiting import wait_until_held_up

from tokenharbor.alerts.preferences import show_alerts
from tokenharbor.funding import auto_store, payee_store
from tokenharbor.funding.payees import NewPayee, add_payee
from tokenharbor.funding.types import AutoTopUp
from tokenharbor.identity.changes import lock_account
from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd

EVE, PASSWORD, OTHER = "eve@example.com", "dull-otter-91-lamp", "another-otter-17-lamp"


async def payees_of(office: Office, account_id: UUID) -> list[str | None]:
    async with office.context.pool.acquire() as conn:
        return [address for _, address in await payee_store.list_payees(conn, account_id)]


async def pay_to(office: Office, account_id: UUID, address: str, actor: str) -> None:
    wanted = NewPayee(account_id=account_id, processor="paypal", kind="email", address=address, actor=actor)
    await add_payee(office.context.funding, wanted)


async def charge_at(conn: asyncpg.Connection, office: Office, account_id: UUID, actor: str) -> None:
    """Auto top-up is on."""
    one = Usd.parse("10")
    wanted = AutoTopUp(
        account_id=account_id, enabled=True, processor="paypal", threshold=one, amount=one, month_most=one,
        changed_at=office.context.world.clock.now(), actor=actor,
    )  # fmt: skip
    await auto_store.put(conn, wanted)


async def test_no_payee_charge_or_webhook_of_the_thief_outlives_the_undo(
    office: Office,
    person: Person,  # noqa: F811  the fixture
) -> None:
    session = (await person.signs_up(office)).json()
    me, account_id = session["user"]["id"], ids.parse("acct", session["accounts"][0]["id"])
    context = office.context
    await pay_to(office, account_id, "honest@pay.test", "operator")
    said = await person.ask("POST", "/api/user/email", {"email": "thief@example.com", "password": PASSWORD})
    assert said.status_code == 202, said.text
    body = {"token": await token_in_mail(office, EVE)}
    await pay_to(office, account_id, "thief@pay.test", me)
    async with context.pool.acquire() as conn, conn.transaction():
        await charge_at(conn, office, account_id, me)
    path = f"/api/accounts/{session['accounts'][0]['id']}/alerts"
    hook = {"url": "http://127.0.0.1:9/steal"}
    assert (await person.ask("PATCH", path, {"mail": False})).status_code == 200
    assert (await person.ask("PUT", f"{path}/webhook", hook)).status_code == 200
    seen = await person.ask("POST", "/api/email-undo/preview", body)
    assert seen.status_code == 200, seen.text
    assert await payees_of(office, account_id) == ["honest@pay.test", "thief@pay.test"], "nothing ends by looking"
    said = await person.ask("POST", "/api/email-undo", body | {"password": OTHER})
    assert said.status_code == 200, said.text
    assert said.json() == seen.json()
    assert [(each["kind"], each["name"]) for each in said.json()] == [
        ("payee", "thief@pay.test"), ("auto_top_up", ""), ("alert_webhook", ""), ("alerts", ""),
    ]  # fmt: skip
    assert await payees_of(office, account_id) == ["honest@pay.test"]
    async with context.pool.acquire() as conn:
        wanted = await auto_store.get(conn, account_id)
    assert wanted is not None
    assert not wanted.enabled
    alerts = await show_alerts(context.alerting, account_id)
    assert (alerts.webhook, alerts.mail) == (None, True)
    assert (await person.ask("POST", "/api/email-undo/preview", body)).status_code == 400


@pytest.mark.parametrize("by_key", [False, True])
async def test_a_change_that_was_let_in_just_before_access_ended_is_refused(
    office: Office,
    person: Person,  # noqa: F811  the fixture
    by_key: bool,
) -> None:
    """A thief who creates keys all the time has some requests past the guard when the undo comes."""
    session = (await person.signs_up(office)).json()
    shown = session["accounts"][0]["id"]
    path = f"/api/accounts/{shown}"
    made = (await person.ask("POST", f"{path}/management-keys", {"name": "thief", "role": "admin"})).json()
    thief = Person(person.client, {} if by_key else person.cookies)
    headers = {"authorization": f"Bearer {made['secret']}"} if by_key else {}
    tool = (await person.ask("POST", "/api/connections", {"name": "tool"})).json()
    bodies = {
        "keys": {"name": "stays"},
        "management-keys": {"name": "stays", "role": "admin"},
        "invitations": {"email": "friend@example.com", "role": "admin"},
        "payees": {"processor": "paypal", "kind": "email", "address": "thief@pay.test"},
        "connections": {"user_code": tool["user_code"]},
    }
    ends = "update management_key set revoked_at = $1" if by_key else "update user_session set ended_at = $1"
    async with asyncio.TaskGroup() as group, office.context.pool.acquire() as conn, conn.transaction():
        await lock_account(conn, ids.parse("acct", shown))  # as an undo does
        tasks = [
            group.create_task(thief.ask("POST", f"{path}/{name}", body, **headers)) for name, body in bodies.items()
        ]
        await wait_until_held_up(conn, *tasks)
        await conn.execute(ends, office.context.world.clock.now())
    assert {each.result().status_code for each in tasks} <= {401, 503}, "503: it has waited too long"
