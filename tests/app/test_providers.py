"""`providers`: their health, and the checks of their credentials."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from tests.accounts.requests import write_entry, write_request
from tests.app.conftest import Cli
from tests.app.test_commands import refused

from tokenharbor.billing.detail import Attempt
from tokenharbor.kernel.world import real_world


async def remember(url: str, *rounds: tuple[datetime, tuple[Attempt, ...]]) -> None:
    """Requests as the books keep them, each with its end and its attempts; and one whose detail was erased."""
    ids = real_world().ids
    conn = await asyncpg.connect(url)
    try:
        for at, attempts in rounds:
            await write_request(conn, ids.new(), ids.new(), at=at, attempts=attempts)
        erased = ids.new()
        await write_request(conn, erased, ids.new(), at=datetime.now(UTC))
        await conn.execute("update request set detail = null where id = $1", erased)
    finally:
        await conn.close()


def test_F6_F4_what_was_lost_at_a_provider_is_shown_in_dollars(cli: Cli, database_url: str) -> None:
    cli("accounts", "create", "--email", "ada@example.com")
    asyncio.run(lose(database_url))
    found = {each["provider"]: each for each in cli("providers", "health", "--json").json}
    assert found["openai"]["lost_usd"] == {"overrun": "0.000000030", "unbilled": "0.000000500"}
    assert "0.000000500" in cli("providers", "health").out


async def lose(url: str) -> None:
    """Two charges that were cut, one that was not, and a release that cost us something."""
    ids, at = real_world().ids, datetime.now(UTC)
    conn = await asyncpg.connect(url)
    for number, (kind, over, vendor) in enumerate(
        (("usage", 10, 7), ("usage", 20, 7), ("usage", 0, 7), ("loss", 0, 500))
    ):
        columns: dict[str, int | str] = {"seq": number, "type": kind, "over": over, "vendor_cost": vendor}
        await write_entry(conn, ids.new(), ids.new(), at=at, provider="openai", **columns)
    await conn.close()


def test_how_providers_fared_of_late(cli: Cli, database_url: str) -> None:
    cli("accounts", "create", "--email", "ada@example.com")
    assert cli("providers", "health").out.startswith("no provider was called since ")
    now = datetime.now(UTC)
    failed = Attempt("openai", "m", "rate_limit", 20, 429)
    rounds = [
        (now, (failed, Attempt("gone", "m", "ok", 300))),
        (now, (failed, Attempt("openai", "m", "hung_up", 5))),
        (now - timedelta(minutes=5), (Attempt("openai", "m", "ok", 100),)),
        (now - timedelta(hours=2), (Attempt("openai", "m", "server", 9, 500),)),
        (now, ()),
    ]
    asyncio.run(remember(database_url, *rounds))
    found = {each["provider"]: each for each in cli("providers", "health", "--json").json}
    assert found["openai"] == {
        "provider": "openai",
        "attempts": 4,
        "ok": 1,
        "failed": 2,
        "median_ms": 100,
        "last_ok_at": (now - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "last_failed_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "failures": {"rate_limit": 2},
        "alarms": {"usage_missing": 2},
        "lost_usd": {},
    }
    assert (found["gone"]["ok"], found["gone"]["median_ms"]) == (1, 300), "also one that the catalogue no longer has"
    assert found["anthropic"]["attempts"] == 0
    longer = {each["provider"]: each for each in cli("providers", "health", "--last", "3h", "--json").json}
    assert longer["openai"]["failures"] == {"rate_limit": 2, "server": 1}
    head, *rows = cli("providers", "health").out.splitlines()
    assert head.split()[:4] == ["provider", "attempts", "ok", "failed"]
    assert [row.split()[0] for row in rows] == ["gone", "openai"]
    assert "2 rate_limit" in rows[1]
    assert rows[1].endswith("2 usage_missing")


AWS = """
[providers.aws]
wire = "bedrock_converse"
base_url = "http://127.0.0.1:1"
region = "us-east-1"
"""


@pytest.fixture
def aws(cli: Cli, tmp_path: Path) -> Cli:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "tokenharbor.toml").write_text(AWS)
    return cli


def test_a_signers_credential_must_have_its_parts(aws: Cli) -> None:
    line = refused(aws("providers", "set", "aws", "--credential-stdin", stdin="AKIDEXAMPLE"))
    assert "ACCESS_KEY_ID:SECRET" in line
    assert "AKIDEXAMPLE" not in line
    assert aws("providers", "set", "aws", "--credential-stdin", stdin="AKIDEXAMPLE:secret").code == 0


def test_a_doctor_sees_a_credential_that_cannot_sign(aws: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home" / "tokenharbor.toml").write_text(AWS + 'credential = "env:AWS_CREDENTIAL"\n')
    monkeypatch.setenv("AWS_CREDENTIAL", "AKIDEXAMPLE")
    outcome = aws("doctor")
    assert outcome.code == 1
    (line,) = (line for line in outcome.out.splitlines() if "provider aws" in line)
    assert line.startswith(
        "bad  provider aws: provider aws: auth sigv4 needs a credential that is ACCESS_KEY_ID:SECRET"
    )
