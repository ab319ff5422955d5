"""Commands on a database: what the contract says that they print, take and refuse."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest
from tests.app.conftest import Cli, Outcome

NOBODY = "acct_" + "0" * 26
NO_KEY = "key_" + "0" * 26
NO_REQUEST = "req_" + "0" * 26


def refused(outcome: Outcome, code: int = 1) -> str:
    """The one line of a refusal."""
    assert outcome.code == code
    assert outcome.out == ""
    assert outcome.err.startswith("tokenharbor: ")
    assert outcome.err.count("\n") == 1
    assert "Traceback" not in outcome.err
    return outcome.err


def account(cli: Cli, email: str = "ada@example.com") -> str:
    made: str = cli("accounts", "create", "--email", email, "--json").json["id"]
    return made


def test_an_account_is_made_shown_and_listed(cli: Cli) -> None:
    made = cli("accounts", "create", "--email", "Ada@example.com", "--json").json
    assert made == {"id": made["id"], "email": "ada@example.com"}
    assert re.fullmatch(r"acct_[0-9a-v]{26}", made["id"])
    plain = cli("accounts", "create", "--email", "bob@example.com")
    assert re.fullmatch(r"acct_[0-9a-v]{26}\n", plain.out)
    shown = cli("accounts", "show", made["id"], "--json").json
    assert (shown["id"], shown["emails"], shown["edition"]) == (made["id"], ["ada@example.com"], "token-harbor")
    listed = cli("accounts", "list", "--json").json
    assert [each["id"] for each in listed] == [made["id"], plain.out.strip()]
    assert "bob@example.com" in cli("accounts", "list").out
    words = cli("accounts", "show", made["id"]).out
    assert "emails: ada@example.com\n" in words
    assert "free_models: false\n" in words
    assert "None" not in words  # what is unset has no line


def test_an_email_that_exists_is_refused(cli: Cli) -> None:
    account(cli)
    again = cli("accounts", "create", "--email", "ADA@example.com", "--json")
    assert "ada@example.com" in refused(again)


def test_credit_lies_in_its_pool_until_it_expires(cli: Cli) -> None:
    made = account(cli)
    for words in (("10.00", "paid"), ("2.5", "trial", "--expires", "7d"), ("0.000000001", "promo")):
        usd, pool, *more = words
        assert cli("credit", made, "--usd", usd, "--pool", pool, *more, "--reason", "a test").code == 0
    assert cli("balance", made, "--json").json == {
        "balance_usd": "12.500000001",
        "held_usd": "0.000000000",
        "debt_usd": "0.000000000",
        "pools": {
            "paid": "10.000000000",
            "trial": "2.500000000",
            "match": "0.000000000",
            "locked": "0.000000000",
            "promo": "0.000000001",
        },
    }
    assert "12.500000001" in cli("balance", made).out


def test_credit_says_what_it_granted(cli: Cli) -> None:
    made = account(cli)
    granted = cli("credit", made, "--usd", "1", "--pool", "trial", "--expires", "12h", "--reason", "x", "--json").json
    assert re.fullmatch(r"ent_[0-9a-v]{26}", granted["id"])
    assert (granted["account"], granted["usd"], granted["pool"]) == (made, "1.000000000", "trial")
    until = datetime.fromisoformat(granted["expires_at"])
    assert timedelta(hours=11) < until - datetime.now(UTC) <= timedelta(hours=12)


@pytest.mark.parametrize(
    "words",
    [
        ("--usd", "0", "--pool", "paid"),
        ("--usd", "-1", "--pool", "paid"),
        ("--usd", "1e3", "--pool", "paid"),
        ("--usd", "0.0000000001", "--pool", "paid"),
        ("--usd", "99999999999", "--pool", "paid"),
        ("--usd", "1", "--pool", "locked"),
        ("--usd", "1", "--pool", "paid", "--expires", "soon"),
        ("--usd", "1", "--pool", "paid", "--expires", "0d"),
        ("--usd", "1"),
    ],
)
def test_credit_that_makes_no_sense_is_a_mistake_of_usage(bare: Cli, words: tuple[str, ...]) -> None:
    refused(bare("credit", NOBODY, *words, "--reason", "x"), 2)


def test_a_key_is_shown_once_and_listed_without_itself(cli: Cli) -> None:
    made = account(cli)
    issued = cli("keys", "create", made, "--json").json
    assert set(issued) == {"id", "key"}
    assert re.fullmatch(r"key_[0-9a-v]{26}", issued["id"])
    assert re.fullmatch(r"thk_live_[0-9A-Za-z]{32}", issued["key"])
    plain = cli("keys", "create", made)
    assert re.fullmatch(r"thk_live_[0-9A-Za-z]{32}\n", plain.out)
    for listed in (cli("keys", "list", made), cli("keys", "list", made, "--json")):
        assert issued["id"] in listed.out
        assert issued["key"] not in listed.out
        assert issued["key"][9:13] + "…" + issued["key"][-4:] in listed.out


def test_a_key_keeps_its_rules(cli: Cli) -> None:
    made = account(cli)
    words = ("--name", "ci", "--quota-usd", "5", "--daily-usd", "1.5", "--monthly-usd", "3", "--expires", "90d")
    more = ("--models", "demo-chat,demo-reasoner", "--providers", "demo", "--deny-providers", "openai")
    assert cli("keys", "create", made, *words, *more, "--ip", "192.0.2.0/24,2001:db8::1").code == 0
    [listed] = cli("keys", "list", made, "--json").json
    assert listed["name"] == "ci"
    assert (listed["quota_usd"], listed["daily_usd"], listed["monthly_usd"]) == (
        "5.000000000",
        "1.500000000",
        "3.000000000",
    )
    assert (listed["models"], listed["providers"]) == (["demo-chat", "demo-reasoner"], ["demo"])
    assert (listed["deny_providers"], listed["ip"]) == (["openai"], ["192.0.2.0/24", "2001:db8::1/128"])
    said = cli("keys", "list", made).out
    assert "models=demo-chat,demo-reasoner providers=demo deny-providers=openai ip=192.0.2.0/24,2001:db8::1/128" in said
    assert "quota-usd=5.000000000 daily-usd=1.500000000 monthly-usd=3.000000000" in said
    until = datetime.fromisoformat(listed["expires_at"])
    assert timedelta(days=89) < until - datetime.now(UTC) <= timedelta(days=90)


def test_RLY_3_zero_is_unlimited(cli: Cli) -> None:
    made = account(cli)
    zeros = [
        word for option in ("quota-usd", "daily-usd", "rpm", "tpm", "concurrency") for word in (f"--{option}", "0")
    ]
    issued = cli("keys", "create", made, "--monthly-usd", "3", *zeros, "--json").json
    [listed] = cli("keys", "list", made, "--json").json
    limits = ("quota_usd", "daily_usd", "monthly_usd", "rpm", "tpm", "concurrency")
    assert [listed[field] for field in limits] == [None, None, "3.000000000", None, None, None]
    assert cli("keys", "change", issued["id"], "--monthly-usd", "0").code == 0
    assert cli("keys", "list", made, "--json").json[0]["monthly_usd"] is None


def test_TH_A4_a_key_is_changed_in_what_is_named(cli: Cli) -> None:
    issued = cli("keys", "create", made := account(cli), "--models", "demo-chat", "--rpm", "5", "--json").json
    words = ("--models", "any", "--tpm", "900", "--deny-providers", "openai", "--expires", "30d", "--name", "ci")
    changed = cli("keys", "change", issued["id"], *words, "--json").json
    assert cli("keys", "list", made, "--json").json == [changed]
    assert (changed["models"], changed["rpm"], changed["tpm"]) == ([], 5, 900)
    assert changed["expires_at"] is not None
    said = cli("keys", "change", issued["id"], "--expires", "never", "--deny-providers", "none", "--ip", "any").out
    assert said == f"{issued['id']}: rpm=5 tpm=900\n"
    assert "rpm=5 tpm=900" in cli("keys", "list", made).out
    refused(cli("keys", "change", issued["id"]), 2)
    assert "API key" in refused(cli("keys", "change", NO_KEY, "--rpm", "1"))
    cli("keys", "revoke", issued["id"])
    assert "revoked" in refused(cli("keys", "change", issued["id"], "--rpm", "1"))


def test_LNK_2_an_account_gets_a_plan_and_the_change_is_on_record(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    made = account(cli)
    monkeypatch.setenv("TOKENHARBOR_EDITION", "tokenhub")
    shown = cli("accounts", "plan", made, "pro", "--json").json
    assert cli("accounts", "show", made, "--json").json == shown
    assert shown["plan"] == "pro"
    assert "plan: pro\n" in cli("accounts", "show", made).out
    plans = {each["plan"]: each for each in cli("edition", "plans", "--json").json}
    assert list(plans) == ["starter", "pro", "enterprise"]
    assert shown["terms"] == plans["pro"]
    for field in ("sla", "support"):
        assert f"{field}: {plans['pro'][field]}\n" in cli("accounts", "show", made).out
        assert plans["enterprise"][field] in cli("edition", "plans").out
    assert "did you mean 'enterprise'?" in refused(cli("accounts", "plan", made, "enterprize"))
    assert cli("accounts", "plan", made, "default", "--json").json["plan"] is None
    changes = cli("accounts", "changes", made, "--json").json
    assert [(each["actor"], each["before"], each["after"]) for each in changes] == [
        ("operator", "", "pro"),
        ("operator", "pro", ""),
    ]
    assert "operator" in cli("accounts", "changes", made).out


def test_HUB_6_an_accounts_limits_are_shown_with_whose_they_are_and_raised(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = account(cli)
    monkeypatch.setenv("TOKENHARBOR_EDITION", "token-hub")
    shown = cli("accounts", "limits", made, "--json").json
    assert (shown["rpm"]["limit"], shown["rpm"]["origin"]) == (600, "edition token-hub")
    assert (shown["key_rpm"]["limit"], shown["tpm"]["limit"]) == (60, None)
    words = ("--rpm", "6000", "--key-rpm", "0", "--daily-usd", "5", "--monthly-usd", "0")
    raised = cli("accounts", "limits", made, *words, "--json").json
    assert raised["rpm"] == {"limit": 6000, "stated": 6000, "origin": "the account"}
    assert raised["key_rpm"] == {"limit": None, "stated": 0, "origin": None}
    assert (raised["daily_usd"], raised["monthly_usd"]) == ("5.000000000", None)
    assert "limits: rpm=6000 key-rpm=0 daily-usd=5.000000000\n" in cli("accounts", "show", made).out
    back = cli("accounts", "limits", made, "--rpm", "default", "--daily-usd", "0").out
    assert re.search(r"^rpm +600 +edition token-hub$", back, re.MULTILINE)
    assert re.search(r"^daily_usd +unlimited$", back, re.MULTILINE)


def test_RLY_5_an_accounts_share_is_of_the_providers_that_can_serve(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = account(cli)
    monkeypatch.setenv("TOKENHARBOR_EDITION", "relay")
    config = tmp_path / "quotas.toml"
    config.write_text("[providers.demo]\nquota = { rpm = 90 }\n[providers.openai]\nquota = { rpm = 500 }\n")
    shown = cli("accounts", "limits", made, "--config", str(config), "--json").json
    assert shown["rpm"] == {"limit": 45, "stated": None, "origin": "the providers' quotas"}
    assert (shown["key_concurrency"]["limit"], shown["key_concurrency"]["origin"]) == (100, "edition relay")


def test_TH_F2_free_models_are_turned_on_knowingly_and_off(cli: Cli) -> None:
    made = account(cli)
    assert cli("accounts", "show", made, "--json").json["free_models"] is False
    said = cli("accounts", "free-models", made, "on").out
    assert "agreed to: Providers of free models may keep what I send" in said
    assert cli("accounts", "free-models", made, "off", "--json").json["free_models"] is False
    on, off = cli("accounts", "changes", made, "--json").json
    assert (on["after"], off["after"], off["wording"]) == ("on", "off", "")
    assert on["wording"] in said
    refused(cli("accounts", "free-models", made, "perhaps"), 2)


def test_rules_that_name_nothing_are_refused(cli: Cli) -> None:
    made = account(cli)
    assert "did you mean 'demo-chat'?" in refused(cli("keys", "create", made, "--models", "demo-chatt"))
    assert "did you mean 'openai'?" in refused(cli("keys", "create", made, "--deny-providers", "opnai"))
    assert cli("keys", "list", made, "--json").json == []


def test_a_model_is_kept_under_the_name_that_the_gateway_compares(cli: Cli) -> None:
    made = account(cli)
    assert cli("keys", "create", made, "--models", "demo/demo-chat,demo-chat").code == 0
    assert cli("keys", "list", made, "--json").json[0]["models"] == ["demo-chat"]


@pytest.mark.parametrize(
    "words",
    [
        ("--ip", "10.0.0.1/8"),
        ("--ip", "localhost"),
        ("--models", "a,,b"),
        ("--expires", "90"),
        ("--rpm", "-1"),
        ("--tpm", "1.5"),
        ("--concurrency", "9" * 20),
    ],
)
def test_rules_that_make_no_sense_are_a_mistake_of_usage(bare: Cli, words: tuple[str, ...]) -> None:
    refused(bare("keys", "create", NOBODY, *words), 2)


def test_a_key_is_revoked_for_good(cli: Cli) -> None:
    issued = cli("keys", "create", made := account(cli), "--json").json
    revoked = cli("keys", "revoke", issued["id"], "--json").json
    assert revoked["id"] == issued["id"]
    [listed] = cli("keys", "list", made, "--json").json
    assert listed["revoked_at"] == revoked["revoked_at"]
    assert "API key" in refused(cli("keys", "revoke", NO_KEY))


@pytest.mark.parametrize(
    "words",
    [
        ("accounts", "show", NOBODY),
        ("balance", NOBODY),
        ("usage", NOBODY),
        ("credit", NOBODY, "--usd", "1", "--pool", "paid", "--reason", "x"),
        ("keys", "create", NOBODY),
        ("keys", "list", NOBODY),
        ("ledger", "export", NOBODY),
    ],
)
def test_an_unknown_account_is_refused(cli: Cli, words: tuple[str, ...]) -> None:
    account(cli)
    assert NOBODY in refused(cli(*words))


def test_an_account_that_did_nothing_used_nothing(cli: Cli) -> None:
    made = account(cli)
    assert cli("usage", made, "--json").json == []
    assert cli("usage", made, "--from", "2026-01-01", "--to", "2026-02-01").out == (
        "0.000000000 USD from 2026-01-01 00:00 to 2026-02-01 00:00 UTC\n"
    )


def test_the_ledger_is_verified_and_the_first_fault_told(cli: Cli, database_url: str) -> None:
    made = account(cli)
    assert cli("credit", made, "--usd", "3", "--pool", "paid", "--reason", "x").code == 0
    assert cli("ledger", "verify", "--json").json == {
        "ok": True,
        "accounts": 1,
        "entries": 1,
        "roots": 0,
        "roots_kept": 0,
        "fault": None,
    }
    asyncio.run(meddle(database_url))
    outcome = cli("ledger", "verify")
    assert made in refused(outcome)


async def meddle(database_url: str) -> None:
    conn = await asyncpg.connect(database_url)
    await conn.execute("update wallet set line_end = line_end + 1")
    await conn.close()


def test_the_ledger_is_exported_with_its_running_balance(cli: Cli) -> None:
    made = account(cli)
    for usd in ("3", "0.25"):
        assert cli("credit", made, "--usd", usd, "--pool", "promo", "--reason", "x").code == 0
    head, *rows = cli("ledger", "export", made).out.splitlines()
    assert head == "Date (ISO UTC),Type,Source pool,Amount USD,Running balance USD,Status,Order ID,PayPal capture ID"
    assert [row.split(",")[2:5] for row in rows] == [
        ["promo", "3.000000000", "3.000000000"],
        ["promo", "0.250000000", "3.250000000"],
    ]
    as_json = cli("ledger", "export", made, "--json").json
    assert [each["Running balance USD"] for each in as_json] == ["3.000000000", "3.250000000"]
    assert cli("ledger", "export", made, "--type", "recharge").out.splitlines() == [head]
    assert cli("ledger", "export", made, "--to", "2020-01-01").out.splitlines() == [head]
    assert len(cli("ledger", "export", made, "--from", "2020-01-01").out.splitlines()) == 3


def test_a_grant_has_a_reason(cli: Cli) -> None:
    made = account(cli)
    outcome = cli("credit", made, "--usd", "1", "--pool", "paid", "--reason", " ")
    assert (outcome.code, outcome.out) == (1, "")
    assert cli("balance", made, "--json").json["balance_usd"] == "0.000000000"


def test_an_unknown_request_has_no_receipt(cli: Cli) -> None:
    account(cli)
    assert NO_REQUEST in refused(cli("receipt", NO_REQUEST))


def test_a_credential_is_stored_and_never_shown(cli: Cli) -> None:
    stored = cli("providers", "set", "openai", "--credential-stdin", stdin="sk-very-secret\n")
    assert stored.code == 0
    assert "sk-very-secret" not in stored.out + stored.err
    assert cli("providers", "set", "openai", "--credential-stdin", "--json", stdin="x").json["provider"] == "openai"


@pytest.mark.parametrize("stdin", ["", "\n", "two words", "two\nlines", "ümlaut", "x" * 20_000])
def test_what_is_no_credential_is_refused_and_not_repeated(cli: Cli, stdin: str) -> None:
    line = refused(cli("providers", "set", "openai", "--credential-stdin", stdin=stdin))
    assert not stdin.strip() or stdin not in line


def test_a_credential_needs_a_provider_that_is_known(cli: Cli) -> None:
    line = refused(cli("providers", "set", "opnai", "--credential-stdin", stdin="sk"))
    assert "'opnai'; did you mean 'openai'?" in line
    refused(cli("providers", "set", "openai"), 2)


def test_another_root_secret_is_refused(cli: Cli, tmp_path: Path) -> None:
    account(cli)
    (tmp_path / "home" / "secret.key").write_text("another" * 10)
    assert "secret.key" in refused(cli("accounts", "list"))


def test_a_root_secret_that_others_may_read_is_refused(cli: Cli, tmp_path: Path) -> None:
    account(cli)
    (tmp_path / "home" / "secret.key").chmod(0o644)
    assert "run: chmod 600" in refused(cli("accounts", "list"))


def test_a_root_secret_by_reference_takes_the_place_of_the_file(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENHARBOR_SERVER_SECRET", "env:ROOT")
    assert "server.secret: env:ROOT is not set" in refused(cli("accounts", "list"))
    monkeypatch.setenv("ROOT", "short")
    assert "server.secret: env:ROOT" in refused(cli("accounts", "list"))
    monkeypatch.setenv("ROOT", "r" * 40)
    account(cli)
    assert not (tmp_path / "home" / "secret.key").exists()


def test_a_database_that_is_away_is_said_to_be(bare: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENHARBOR_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
    refused(bare("accounts", "list"))


def test_the_doctor_finds_all_well_and_says_what_is_off(cli: Cli) -> None:
    account(cli)
    found = {each["check"]: each for each in cli("doctor", "--json").json}
    well = {"configuration", "permissions", "disk", "root secret", "database", "migrations", "clock"}
    well |= {"pretended credit", "provider demo"}
    assert {name for name, each in found.items() if each["state"] == "ok"} == well
    assert found["provider openai"]["state"] == "off"
    assert "tokenharbor providers set openai --credential-stdin" in found["provider openai"]["fix"]
    assert found["redis"]["state"] == "off"


def test_the_doctor_reports_each_fault_and_goes_on(
    cli: Cli, empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o777)
    (home / "tokenharbor.toml").write_text('edition = "relai"\n[providers.acme]\nwire = "openai_caht"\n')
    monkeypatch.setenv("TOKENHARBOR_DATABASE_URL", empty_database_url)
    outcome = cli("doctor")
    assert outcome.code == 1
    bad = [line for line in outcome.out.splitlines() if line.startswith("bad")]
    assert [line.split(":")[0] for line in bad] == [
        "bad  configuration",
        "bad  permissions",
        "bad  root secret",
        "bad  migrations",
        "bad  providers",
    ]
    assert f"chmod go-w {home}" in outcome.out
    assert "tokenharbor: 5 of " in outcome.err


def test_the_doctor_tells_a_provider_that_cannot_be_reached(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account(cli)
    (tmp_path / "home" / "tokenharbor.toml").write_text(
        '[providers.near]\nwire = "openai_chat"\nbase_url = "http://127.0.0.1:1/v1"\ncredential = "env:NEAR_KEY"\n'
    )
    monkeypatch.setenv("NEAR_KEY", "k")
    outcome = cli("doctor")
    assert "bad  provider near: 127.0.0.1 cannot be reached" in outcome.out
    assert outcome.code == 1


@pytest.mark.parametrize(("days", "fault"), [(-2, "behind the newest row"), (2, "from the database's clock")])
def test_the_doctor_notices_a_wrong_clock(cli: Cli, monkeypatch: pytest.MonkeyPatch, days: int, fault: str) -> None:
    """Behind, it makes ids of the past; ahead, it expires credit early."""
    account(cli)
    other = datetime.now(UTC) + timedelta(days=days)
    monkeypatch.setattr("tokenharbor.kernel.clock.SystemClock.now", lambda _: other)
    [line] = [each for each in cli("doctor").out.splitlines() if each.startswith("bad  clock: ")]
    assert fault in line


@pytest.mark.parametrize(
    "odd", ["x" * 100_000, "x" * 101, "a\x00b", "a\nb", "a\x1b[31mb", "a\u2028b", "a\x85b", "\udcff"]
)
def test_small_free_text_that_is_stored_has_a_limit_and_no_control_characters(bare: Cli, odd: str) -> None:
    reason = odd if len(odd) < 100 else odd * 5
    for words in (
        ("keys", "create", NOBODY, "--name", odd),
        ("credit", NOBODY, "--usd", "1", "--pool", "paid", "--reason", reason),
    ):
        refused(bare(*words), 2)


def test_small_an_email_has_a_limit_and_no_control_characters(cli: Cli) -> None:
    for odd in ("a" * 65 + "@example.com", "a@" + "b" * 256, "a\x00b@example.com", "a\x7f@example.com", "a@b@c"):
        refused(cli("accounts", "create", "--email", odd))


def test_small_a_name_of_the_limit_is_kept_whatever_its_letters(cli: Cli) -> None:
    made = account(cli)
    assert cli("keys", "create", made, "--name", "é" * 100).code == 0
    assert cli("keys", "list", made, "--json").json[0]["name"] == "é" * 100


LIMITS = tuple(("keys", "create", NOBODY, option) for option in ("--quota-usd", "--daily-usd", "--monthly-usd"))
GRANT = ("credit", NOBODY, "--pool", "paid", "--reason", "x", "--usd")


@pytest.mark.parametrize(
    "amount",
    ["9223372036.854775808", "9300000000", "1" * 30, "-1", "-0.01", "nan", "NaN", "inf", "1e3", "0.0000000001", "",
     " 1", "1,5", "0x10", "١"],
)  # fmt: skip
def test_small_an_amount_that_cannot_be_booked_is_a_mistake_of_usage(bare: Cli, amount: str) -> None:
    for words in (GRANT, *LIMITS):
        refused(bare(*words, amount), 2)


def test_small_more_credit_than_the_books_can_count_is_refused(cli: Cli) -> None:
    made = account(cli)
    words = ("credit", made, "--pool", "paid", "--reason", "x", "--usd", "9223372036")
    assert cli(*words).code == 0
    said = refused(cli(*words))
    assert "bigint" not in said
    assert cli("balance", made, "--json").json["balance_usd"] == "9223372036.000000000"
    assert cli("ledger", "verify").code == 0


def test_the_balances_of_all_addresses_make_nothing(cli: Cli) -> None:
    made = account(cli)
    assert cli("credit", made, "--usd", "5", "--pool", "promo", "--reason", "goodwill").code == 0
    found = cli("ledger", "balances", "--json").json
    assert found == {
        "balances_usd": {"expense/promotion": "-5.000000000"},
        "accounts_usd": "5.000000000",
        "difference_usd": "0.000000000",
    }
    assert re.search(r"^accounts +5\.000000000$", cli("ledger", "balances").out, re.MULTILINE)


def test_a_processors_statement_with_what_is_not_on_record_ends_with_1(cli: Cli, tmp_path: Path) -> None:
    account(cli)
    statement = tmp_path / "statement.csv"
    statement.write_text(
        "date,type,id,amount,currency\n2026-03-31,refund,re_1,4.00,usd\n2026-03-31,transfer,po,9,usd\n"
    )
    outcome = cli("reconcile", "--processor", "stripe", "--statement", str(statement), "--json")
    assert outcome.code == 1
    (total,) = msgspec.json.decode(outcome.out)["totals"]
    assert (total["ours"], total["theirs"], total["closing"]) == ("0.00", "-4.00", "-13.00")
