"""Hostile input: it is refused with a fitting error, and neither breaks nor stalls the console."""

import asyncio

import httpx
import pytest
from tests.console.conftest import Office
from tests.console.spending import spend
from tests.console.test_authority import OPERATIONS

from tokenharbor.accounts.keys import issue_key
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.store import KeyRules
from tokenharbor.kernel import ids
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger.types import Pool

JSON = {"content-type": "application/json"}
FIRST, LAST = "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"
SPANS = ("ledger.csv", "statements", "statements.csv", "statements.pdf", "usage", "usage.csv")


def refusal(said: httpx.Response) -> tuple[int, str | None]:
    return said.status_code, said.json()["error"]["param"]


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"email":' + b"[" * 100_000, b'{"email":' * 20_000])
async def test_a_body_without_end_in_depth_is_refused(office: Office, body: bytes) -> None:
    said = await office.anybody.ask("POST", "/api/session", content=body, headers=JSON)
    assert refusal(said) == (400, None)


async def test_a_body_that_is_not_utf_8_is_refused(office: Office) -> None:
    said = await office.anybody.ask("POST", "/api/session", content=b'{"email":"\xff"}', headers=JSON)
    assert refusal(said) == (400, None)


async def test_a_body_that_is_missing_is_asked_for(office: Office) -> None:
    said = await office.anybody.ask("POST", "/api/session", headers=JSON)
    assert (said.status_code, said.json()["error"]["message"]) == (400, "This request needs a JSON body.")


async def test_a_body_beyond_the_limit_is_refused(office: Office) -> None:
    said = await office.anybody.ask("POST", "/api/session", content=b'"' + b"x" * (256 << 10) + b'"', headers=JSON)
    assert said.status_code == 413


@pytest.mark.parametrize("path", SPANS)
async def test_times_beyond_all_calendars_are_the_first_and_the_last_there_are(office: Office, path: str) -> None:
    viewer = office.member(AccountRole.VIEWER)
    for query in (f"since={FIRST}", f"until={FIRST}", f"since={LAST}", f"until={LAST}", f"since={FIRST}&until={LAST}"):
        said = await viewer.get(f"{office.account_path}/{path}?{query}")
        assert said.status_code in (200, 400), (query, said.text)


@pytest.mark.parametrize("path", ["keys", "management-keys", "connections/browser"])
async def test_an_expiry_is_a_moment_that_will_come(office: Office, path: str) -> None:
    owner = office.member(AccountRole.OWNER)
    body = {"name": "x", "role": "admin"} if path == "management-keys" else {"name": "x"}
    if path == "connections/browser":
        body |= {"code_challenge": "x" * 43, "redirect_uri": "http://127.0.0.1:1/"}
    for until in ("2030-01-01T00:00:00", LAST, "2026-03-01T12:00:00Z"):  # without a zone, never, now
        said = await owner.ask("POST", f"{office.account_path}/{path}", json=body | {"expires_at": until})
        assert refusal(said) == (400, "expires_at"), until


@pytest.mark.parametrize("name", ["two\nlines", "a line's end\n", "\x00", "turned \u202e round", "\u2028", "\x9b31m"])
async def test_a_name_is_a_line_that_reads_as_it_is_written(office: Office, name: str) -> None:
    owner = office.member(AccountRole.OWNER)
    for path, body in (
        ("keys", {"name": name}),
        ("payees", {"processor": "paypal", "kind": name, "address": "ada@example.com"}),
    ):
        said = await owner.ask("POST", f"{office.account_path}/{path}", json=body)
        assert said.status_code == 400, path


@pytest.mark.parametrize(
    "amount", ["1e5", "-1", "0", "9999999999", "0.0000000001", "NaN", "٣", " 1", "1\n", 5, None, []]
)
async def test_an_amount_of_money_is_a_decimal_string_above_zero(office: Office, amount: object) -> None:
    billing, path = office.member(AccountRole.BILLING), f"{office.account_path}/top-ups"
    said = await billing.ask("POST", path, json={"amount_usd": amount}, headers={"idempotency-key": "k"})
    assert said.status_code == 400, said.text
    assert "bytes-like" not in said.text


@pytest.mark.parametrize("field", ["model", "provider"])
async def test_a_filter_that_the_database_cannot_read_is_no_outage(office: Office, field: str) -> None:
    said = await office.member(AccountRole.VIEWER).get(f"{office.account_path}/requests?{field}=%00")
    assert refusal(said) == (400, field)


@pytest.mark.parametrize(
    "query", ["ledger?cursor=-1", "ledger?cursor=9999999999999999999", "audit?cursor=chg_0", "top-ups?cursor=req_0"]
)
async def test_a_forged_cursor_is_refused(office: Office, query: str) -> None:
    assert refusal(await office.member(AccountRole.OWNER).get(f"{office.account_path}/{query}")) == (400, "cursor")


async def test_a_user_is_not_what_a_change_of_the_profile_says(office: Office) -> None:
    said = await office.member(AccountRole.OWNER).ask("PATCH", "/api/user", json={"operator": True})
    assert said.status_code == 400


async def test_no_path_has_a_method_that_is_not_listed(office: Office) -> None:
    for path in {each.path for each in OPERATIONS}:
        for method in ("OPTIONS", "TRACE", "HEAD"):
            said = await office.anybody.ask(method, path.replace("{", "").replace("}", ""))
            assert said.status_code in (404, 405), (method, path)


async def test_no_answer_is_guessed_at_framed_or_kept(office: Office) -> None:
    viewer = office.member(AccountRole.VIEWER)
    for path in ("/api/edition", f"{office.account_path}/keys", f"{office.account_path}/ledger.csv", "/api/none"):
        headers = (await viewer.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'", path
        assert headers["cache-control"] == "no-store", path


async def test_receipts_asked_for_at_once_do_not_wait_for_each_other(office: Office, database_url: str) -> None:
    context = office.context
    await office.grant("5", Pool.TRIAL)
    async with context.pool.acquire() as conn:
        issued = await issue_key(
            conn,
            context.world,
            context.key_hashes,
            account_id=office.account.id,
            rules=KeyRules(),
            catalog=context.catalog(),
        )
    request_id = await spend(database_url, context.world, Payer(office.account.id, issued.id), "0.01")
    viewer, path = office.member(AccountRole.VIEWER), f"{office.account_path}/requests/{ids.show('req', request_id)}"
    async with asyncio.timeout(20):
        answers = await asyncio.gather(*(viewer.get(path) for _ in range(12)))
    assert {said.status_code for said in answers} == {200}


async def test_test_alerts_are_few(office: Office) -> None:
    admin = office.member(AccountRole.ADMIN)
    answers = [(await admin.ask("POST", f"{office.account_path}/alerts/test")).status_code for _ in range(11)]
    assert answers == [201] * 10 + [429]
