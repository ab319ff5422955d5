"""Every operation, by every role, on one's own account and on another's: the list is the OpenAPI document's."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from tests.console.asgi import Started, ask
from tests.console.conftest import Browser, Office
from tests.console.test_openapi import operations

from tokenharbor.console.app import ROUTES
from tokenharbor.console.authority import RIGHTS, Right
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel import ids

OF_READERS = frozenset({"syncTopUp", "leaveAccount"})
"""What is posted or deleted, and may be by whoever may read: it is nobody else's matter."""

TO_SIGN_IN = frozenset(
    {"signUp", "verifyEmail", "signIn", "signOut", "signInAsOperator", "askPasswordReset", "resetPassword"}
    | {"acceptInvitation", "beginPasskeySignIn", "signInByPasskey", "confirmEmail", "undoEmail", "previewEmailUndo"}
)
OF_TOOLS = frozenset({"askForConnection", "fetchConnectionKey"})
"""What a tool without a key does: nothing comes of it until somebody agrees."""


class Operation(NamedTuple):
    """As OpenAPI has it."""

    id: str
    method: str
    path: str
    right: Right
    streams: bool


def listed() -> Iterator[Operation]:
    for method, path, operation in operations():
        kinds = [kind for each in operation["responses"].values() for kind in each.get("content", {})]
        right = Right(operation["x-right"])
        yield Operation(operation["operationId"], method.upper(), path, right, "text/event-stream" in kinds)


OPERATIONS = list(listed())
OF_ACCOUNTS = [each for each in OPERATIONS if "{account_id}" in each.path]
BY_MANAGEMENT_KEY = [each for each in OPERATIONS if each.path.startswith("/v1/")]
"""Operations whose account is that of the management key."""


async def call(
    office: Office, operation: Operation, browser: Browser, account: str, *, key: str | None = None
) -> Started:
    path = operation.path.replace("{account_id}", account)
    while "{" in path:
        path = path[: path.index("{")] + "none" + path[path.index("}") + 1 :]
    headers = {"host": "localhost:8080", "sec-fetch-site": "same-origin", "idempotency-key": "k"}
    if browser.session is not None:
        headers["cookie"] = f"__Host-th={browser.session}"
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    body = b""
    if operation.method in ("POST", "PUT", "PATCH"):
        body = b"{}"
        headers |= {"content-type": "application/json", "content-length": "2"}
    return await ask(office.app, operation.method, path, headers, body, streams=operation.streams)


def error_of(said: Started) -> Any:
    """In either shape."""
    error = json.loads(said.body)["error"]
    return error["metadata"] | {"message": error["message"]} if "metadata" in error else error


def test_every_route_of_the_api_is_listed_and_no_other() -> None:
    served = {(method, path) for each in ROUTES for path in each.paths for method in each.http_methods}
    api = {(str(method), path.replace(":str", "")) for method, path in served if path.startswith(("/api/", "/v1/"))}
    unlisted = api - {(each.method, each.path) for each in OPERATIONS}
    assert unlisted == {("GET", "/api/openapi.json")}


def test_whoever_may_only_read_changes_nothing() -> None:
    for each in (*OF_ACCOUNTS, *BY_MANAGEMENT_KEY):
        reads = each.method == "GET" or each.id in OF_READERS or each.id.startswith("preview")
        assert (each.right is Right.READ) <= reads, each


def test_without_a_sign_in_one_can_only_sign_in_or_ask_for_a_connection() -> None:
    changing = {each.id for each in OPERATIONS if each.right is Right.ANYBODY and each.method != "GET"}
    assert changing == TO_SIGN_IN | OF_TOOLS


def test_what_is_for_management_keys_is_all_that_names_no_account_and_asks_for_a_right_in_one() -> None:
    in_accounts = frozenset().union(*RIGHTS.values())
    assert [each for each in OPERATIONS if "{account_id}" not in each.path and each.right in in_accounts] == (
        BY_MANAGEMENT_KEY
    )


@pytest.mark.parametrize("role", AccountRole)
async def test_a_management_key_may_what_its_role_may_where_its_account_is_not_named(
    office: Office, role: AccountRole
) -> None:
    key = office.management_key(role)
    for each in BY_MANAGEMENT_KEY:
        said = await call(office, each, office.anybody, "none", key=key)
        if each.right in RIGHTS[role]:
            assert said.status not in (401, 403), (each, said)
            assert said.status < 500, (each, said)
        else:
            assert (said.status, error_of(said)["code"]) == (403, "permission_denied"), (each, said)


async def test_what_is_for_management_keys_is_for_no_user_and_no_operator(office: Office) -> None:
    for each in BY_MANAGEMENT_KEY:
        for browser in (office.member(AccountRole.OWNER), office.operator, office.anybody):
            said = await call(office, each, browser, "none")
            assert (said.status, error_of(said)["code"]) == (401, "invalid_api_key"), each


@pytest.mark.parametrize("role", AccountRole)
async def test_a_role_may_what_the_table_says_and_nothing_else(office: Office, role: AccountRole) -> None:
    own = ids.show("acct", office.account.id)
    for each in OF_ACCOUNTS:
        said = await call(office, each, office.member(role), own)
        if each.right in RIGHTS[role]:
            assert said.status not in (401, 403), (each, said)
            assert said.status < 500 or error_of(said)["code"] != "internal_error", (each, said)
        else:
            assert (said.status, error_of(said)["code"]) == (403, "permission_denied"), (each, said)


async def test_another_accounts_paths_are_not_there_for_any_role(office: Office) -> None:
    own = ids.show("acct", office.account.id)
    stranger = office.member(AccountRole.OWNER, office.context.world.ids.new())
    for each in OF_ACCOUNTS:
        said = await call(office, each, stranger, own)
        assert (said.status, error_of(said)["message"]) == (404, "There is no such account."), each


async def test_an_operator_reads_every_account_and_changes_none(office: Office) -> None:
    own = ids.show("acct", office.account.id)
    for each in OF_ACCOUNTS:
        said = await call(office, each, office.operator, own)
        if each.method == "GET" and each.right is Right.READ:
            assert said.status not in (401, 403), each
        else:
            assert said.status in (400, 403, 404), each


async def test_who_is_not_signed_in_gets_only_what_is_for_anybody(office: Office) -> None:
    own = ids.show("acct", office.account.id)
    for each in OPERATIONS:
        said = await call(office, each, office.anybody, own)
        if each.right is not Right.ANYBODY:
            assert (said.status, error_of(said)["code"]) == (401, "invalid_api_key"), each


async def test_operators_paths_are_for_operators_and_users_paths_for_users(office: Office) -> None:
    user = office.member(AccountRole.OWNER)
    for each in OPERATIONS:
        if each.right is Right.OPERATE:
            assert (await call(office, each, user, "none")).status == 403, each
            assert (await call(office, each, office.operator, "none")).status not in (401, 403), each
        if each.right is Right.SIGNED_IN:
            assert (await call(office, each, user, "none")).status != 403, each


async def test_a_management_key_is_no_user_and_no_operator(office: Office) -> None:
    key = office.management_key(AccountRole.ADMIN)
    for each in OPERATIONS:
        if each.right in (Right.SIGNED_IN, Right.OPERATE):
            path = each.path.replace("{", "").replace("}", "")
            headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
            said = await ask(office.app, each.method, path, headers)
            assert said.status == 403, each
