"""Answers to errors."""

from datetime import UTC, datetime

import asyncpg
import pytest
from tests.console.conftest import Office

from tokenharbor.identity import store
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel.errors import Conflict, DatabaseUnavailable, Missing, RateLimited, Rejected
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.reasons import ErrorReason


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


async def test_an_error_says_its_reason_with_what_changes_in_it_as_fields(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        at = datetime(2026, 3, 1, 12, 30, 15, 999, tzinfo=UTC)
        refusal = Conflict("$4 can leave until then")
        raise refusal.because(ErrorReason.WITHDRAWAL_DAY, left_usd=Usd.parse("4.5"), until=at, days=7, name="Ada")

    monkeypatch.setattr(store, "get_account", fail)
    shown = (await office.member(AccountRole.VIEWER).get(office.account_path)).json()["error"]
    assert shown["reason"] == "withdrawal_day"
    assert shown["facts"] == {"left_usd": "4.500000000", "until": "2026-03-01T12:30:15Z", "days": 7, "name": "Ada"}


async def test_a_value_that_does_not_fit_has_a_reason(office: Office) -> None:
    shown = (await office.operator.get("/api/operator/accounts?limit=many")).json()["error"]
    assert (shown["reason"], shown["facts"]) == ("value_invalid", {"detail": shown["message"]})


async def test_what_the_framework_refuses_looks_alike(office: Office) -> None:
    for method, path, status, code in (
        ("GET", "/api/nothing", 404, "not_found"),
        ("PATCH", "/api/edition", 405, "method_not_allowed"),
        ("GET", "/api/operator/accounts?limit=many", 400, "invalid_request"),
    ):
        said = await office.operator.ask(method, path)
        assert (said.status_code, said.json()["error"]["code"]) == (status, code), path


async def test_a_method_that_a_path_does_not_support_is_told_those_that_it_does(office: Office) -> None:
    for method, path, methods in (
        ("PUT", "/api/edition", "GET"),
        ("HEAD", "/api/edition", "GET"),
        ("OPTIONS", "/api/edition", "GET"),
        ("PATCH", "/api/session", "DELETE, GET, POST"),
        ("OPTIONS", f"{office.account_path}/top-ups/topup_1", "GET"),
        ("POST", "/dashboard/", "GET, HEAD"),
    ):
        said = await office.operator.ask(method, path)
        assert (said.status_code, said.headers.get("allow")) == (405, methods), (method, path)
