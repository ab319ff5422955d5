"""How errors are answered."""

import asyncpg
import pytest
from tests.console.conftest import Office

from tokenharbor.identity import store
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel.errors import Conflict, DatabaseUnavailable, Missing, RateLimited, Rejected


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Missing("no such thing"), 404, "not_found"),
        (Conflict("there already"), 409, "conflict"),
        (Rejected("not so", param="name"), 400, "invalid_request"),
        (RateLimited("wait", retry_after=7), 429, "rate_limit_exceeded"),
        (DatabaseUnavailable("database unavailable at db.internal"), 503, "unavailable"),
        (asyncpg.ConnectionDoesNotExistError("db.internal is gone"), 503, "unavailable"),
        (ValueError("secret-of-ours"), 500, "internal_error"),
    ],
)
async def test_an_error_has_its_status_and_code_and_no_secret(
    office: Office, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    async def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(store, "get_account", fail)
    said = await office.member(AccountRole.VIEWER).get(office.account_path)
    assert said.status_code == status
    shown = said.json()["error"]
    assert shown["code"] == code
    assert shown["request_id"] == said.headers["x-request-id"]
    assert shown["param"] == ("name" if isinstance(error, Rejected) else None)
    assert said.headers.get("retry-after") == {429: "7", 503: "1"}.get(status)
    assert "internal" not in shown["message"]
    assert "secret" not in shown["message"]


async def test_what_the_framework_refuses_looks_alike(office: Office) -> None:
    for method, path, status, code in (
        ("GET", "/api/nothing", 404, "not_found"),
        ("PATCH", "/api/edition", 405, "method_not_allowed"),
        ("GET", "/api/operator/accounts?limit=many", 400, "invalid_request"),
    ):
        said = await office.operator.ask(method, path)
        assert (said.status_code, said.json()["error"]["code"]) == (status, code), path
