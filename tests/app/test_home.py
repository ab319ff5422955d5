"""Commands that only read create nothing; errors name an unavailable database by address, without its login."""

import asyncio
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from tests.app.conftest import Cli, Outcome

from tokenharbor.app.cli import _COMMANDS
from tokenharbor.db.address import show_address

ACCOUNT, KEY, REQUEST, GATEWAY, TOP_UP, REWARD, CODE, REFUND, DISPUTE = [
    f"{kind}_{'0' * 26}" for kind in ("acct", "key", "req", "gw", "topup", "rew", "code", "refund", "dispute")
]
WITHDRAWAL, PAYEE = [f"{kind}_{'0' * 26}" for kind in ("withdrawal", "payee")]
READS: dict[str, list[tuple[str, ...]]] = {
    "accounts": [
        ("accounts", "list"),
        ("accounts", "show", ACCOUNT),
        ("accounts", "plan", ACCOUNT, "pro"),
        ("accounts", "limits", ACCOUNT),
        ("accounts", "free-models", ACCOUNT, "on"),
        ("accounts", "changes", ACCOUNT),
    ],
    "balance": [("balance", ACCOUNT)],
    "credit": [("credit", ACCOUNT, "--usd", "1", "--pool", "paid", "--reason", "x")],
    "doctor": [("doctor",)],
    "gateways": [("gateways", "list"), ("gateways", "abandon", GATEWAY)],
    "auto-topup": [
        ("auto-topup", "show", ACCOUNT),
        ("auto-topup", "set", ACCOUNT, "--below", "5", "--usd", "10", "--month", "50"),
        ("auto-topup", "off", ACCOUNT),
    ],
    "alerts": [
        ("alerts", "show", ACCOUNT),
        ("alerts", "set", ACCOUNT, "--mail", "off"),
        ("alerts", "webhook", ACCOUNT, "--off"),
        ("alerts", "test", ACCOUNT),
    ],
    "notices": [("notices", "list", ACCOUNT)],
    "jobs": [("jobs", "list"), ("jobs", "run", "payments")],
    "keys": [
        ("keys", "list", ACCOUNT),
        ("keys", "create", ACCOUNT),
        ("keys", "change", KEY, "--rpm", "1"),
        ("keys", "revoke", KEY),
    ],
    "ledger": [("ledger", "verify"), ("ledger", "balances"), ("ledger", "export", ACCOUNT)],
    "providers": [("providers", "health")],
    "receipt": [("receipt", REQUEST)],
    "disputes": [("disputes", "list"), ("disputes", "show", DISPUTE)],
    "withdrawals": [
        ("withdrawals", "preview", ACCOUNT),
        ("withdrawals", "ask", ACCOUNT, "--top-up", TOP_UP),
        ("withdrawals", "list"),
        *(("withdrawals", word, WITHDRAWAL) for word in ("show", "approve", "reject", "cancel", "paid")),
    ],
    "payees": [
        ("payees", "list"),
        ("payees", "add", ACCOUNT, "--processor", "manual", "--kind", "bank_account", "--address", "DE1"),
        ("payees", "verify", PAYEE),
        ("payees", "remove", PAYEE),
    ],
    "refunds": [
        ("refunds", "preview", TOP_UP),
        ("refunds", "create", TOP_UP),
        ("refunds", "list"),
        ("refunds", "show", REFUND),
        ("refunds", "approve", REFUND),
        ("refunds", "reject", REFUND),
        ("refunds", "settle", REFUND),
    ],
    "topups": [
        ("topups", "create", ACCOUNT, "--usd", "10"),
        ("topups", "list"),
        ("topups", "show", TOP_UP),
        ("topups", "sync", TOP_UP),
        ("topups", "record", ACCOUNT, "--usd", "10", "--reference", "REF1"),
        ("topups", "confirm", TOP_UP),
        ("topups", "rates"),
    ],
    "rewards": [
        ("rewards", "list"),
        ("rewards", "claim", ACCOUNT),
        ("rewards", "approve", REWARD),
        ("rewards", "refuse", REWARD, "--reason", "x"),
    ],
    "referrals": [("referrals", "show", ACCOUNT)],
    "codes": [
        ("codes", "create", "--usd", "1"),
        ("codes", "list"),
        ("codes", "revoke", CODE),
        ("codes", "redeem", ACCOUNT, "X"),
    ],
    "operators": [("operators", "sign-in", "--email", "a@b.example")],
    "usage": [("usage", ACCOUNT), ("usage", ACCOUNT, "--csv")],
    "statements": [("statements", ACCOUNT, "--from", "2026-11-01", "--to", "2026-12-01")],
    "reconcile": [("reconcile", "--provider", "alibaba", "--statement", "/dev/null")],
}
"""What reads, or needs something that is there already, by command."""
NEEDS_NO_HOME = {"serve", "catalog", "edition", "openapi", "orchestra", "simulator"}


def nothing_there(outcome: Outcome, place: str) -> None:
    assert (outcome.code, outcome.out) == (1, ""), outcome
    assert outcome.err.count("\n") == 1
    assert f"no Token Harbor in {place}" in outcome.err
    assert "tokenharbor serve" in outcome.err


def each(*more: str) -> Iterator[tuple[str, ...]]:
    for commands in READS.values():
        for words in commands:
            yield (*words, *more)


def test_C7_every_command_is_looked_at() -> None:
    assert READS.keys() | NEEDS_NO_HOME == _COMMANDS.keys()


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_C7_a_home_that_does_not_exist_is_an_error_and_stays_so(
    bare: Cli, tmp_path: Path, more: tuple[str, ...]
) -> None:
    home = tmp_path / "home"
    for words in each(*more):
        nothing_there(bare(*words), str(home))
        assert not home.exists(), words


@pytest.mark.parametrize("home", ["", " "])
def test_C7_an_empty_path_is_not_the_current_directory(bare: Cli, home: str) -> None:
    for words in (("accounts", "create", "--email", "a@b.example"), ("doctor",), ("serve",)):
        assert bare(*words, "--home", home).code == 2, words


def test_C7_a_home_that_is_empty_stays_empty(bare: Cli, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for words in each():
        nothing_there(bare(*words), str(home))
        assert list(home.iterdir()) == [], words


def test_C7_the_doctor_does_not_call_a_folder_of_other_files_empty(bare: Cli, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "notes.txt").write_text("")
    outcome = bare("doctor")
    nothing_there(outcome, str(home))
    assert "empty" not in outcome.err
    assert "secret.key" in outcome.err


def test_C7_a_home_that_is_a_file_is_no_home(bare: Cli, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    for words in each():
        nothing_there(bare(*words), str(tmp_path / "home"))


def test_C7_a_home_with_its_file_only_gets_nothing_more(bare: Cli, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "tokenharbor.toml").write_text('edition = "relay"\n')
    for words in each():
        assert bare(*words).code == 1
        assert [path.name for path in home.iterdir()] == ["tokenharbor.toml"], words
    assert "bad  root secret: " in bare("doctor").out
    assert "bad  database: " in bare("doctor").out


def test_C7_a_database_of_ones_own_without_our_tables_stays_without(
    bare: Cli, tmp_path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENHARBOR_DATABASE_URL", empty_database_url)
    home = tmp_path / "home"
    for words in each():
        nothing_there(bare(*words), str(home))
    home.mkdir()
    (home / "secret.key").write_text("r" * 64)
    (home / "secret.key").chmod(0o600)
    for words in each():
        outcome = bare(*words)
        assert outcome.code == 1
        if words[0] != "doctor":
            nothing_there(outcome, "the database at " + show_address(empty_database_url))
    assert [path.name for path in home.iterdir()] == ["secret.key"]
    assert asyncio.run(tables(empty_database_url)) == 0


async def tables(url: str) -> int:
    conn = await asyncpg.connect(url)
    try:
        return int(await conn.fetchval("select count(*) from pg_tables where schemaname = 'public'"))
    finally:
        await conn.close()


def test_C7_a_lost_root_secret_is_not_replaced(cli: Cli, tmp_path: Path) -> None:
    cli("accounts", "create", "--email", "ada@example.com")
    (tmp_path / "home" / "secret.key").unlink()
    for words in each():
        assert cli(*words).code == 1
        assert not (tmp_path / "home" / "secret.key").exists(), words


def test_C7_with_secret_and_database_elsewhere_no_home_is_needed(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENHARBOR_SERVER_SECRET", "env:ROOT")
    monkeypatch.setenv("ROOT", "r" * 40)
    assert cli("accounts", "create", "--email", "ada@example.com").code == 0
    shutil.rmtree(tmp_path / "home", ignore_errors=True)
    assert len(cli("accounts", "list", "--json").json) == 1
    assert not (tmp_path / "home").exists()


def test_C7_what_needs_no_home_works_without_one(bare: Cli, tmp_path: Path) -> None:
    for words in (("catalog", "list"), ("catalog", "check"), ("edition", "show"), ("edition", "list")):
        assert bare(*words).code == 0
        assert not (tmp_path / "home").exists()


# ---- a database that is away


USER, PASSWORD = "quokkauser", "sekretvellichor"


def names(outcome: Outcome, place: str) -> None:
    said = outcome.out + outcome.err
    assert outcome.code == 1
    assert place in said
    assert USER not in said
    assert PASSWORD not in said
    assert "internal error" not in said
    assert outcome.err.count("\n") == 1


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "secret.key").write_text("r" * 64)
    (folder / "secret.key").chmod(0o600)
    return folder


def test_C9_every_command_names_host_and_port_of_a_database_that_is_away(
    bare: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENHARBOR_DATABASE_URL", f"postgresql://{USER}:{PASSWORD}@127.0.0.1:1/x")
    for words in (*each(), ("accounts", "create", "--email", "a@b.c"), ("serve", "--port", "0")):
        names(bare(*words), "127.0.0.1:1")


def test_C9_a_socket_is_named_by_its_folder(bare: Cli, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"postgresql://{USER}:{PASSWORD}@/x?host={home}/no-such"
    monkeypatch.setenv("TOKENHARBOR_DATABASE_URL", url)
    for words in (("accounts", "list"), ("doctor",), ("serve", "--port", "0")):
        names(bare(*words), f"{home}/no-such")


@contextmanager
def server(reply: bytes) -> Iterator[int]:
    """Answers each connection's first bytes with this, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(1 << 16)
                    peer.sendall(reply)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def refusal(code: str, text: str) -> bytes:
    """PostgreSQL's ErrorResponse."""
    fields = (
        b"".join(kind + value.encode() + b"\0" for kind, value in ((b"S", "FATAL"), (b"C", code), (b"M", text))) + b"\0"
    )
    return b"E" + (len(fields) + 4).to_bytes(4) + fields


def test_C9_a_login_that_is_refused_is_not_repeated(bare: Cli, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for code, text in (
        ("28P01", f'password authentication failed for user "{USER}"'),
        ("28000", f'role "{USER}" does not exist'),
        ("28000", f'no pg_hba.conf entry for host "127.0.0.1", user "{USER}", database "x", no encryption'),
        ("53300", "sorry, too many clients already"),
    ):
        with server(refusal(code, text)) as port:
            url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/x?sslmode=disable"
            monkeypatch.setenv("TOKENHARBOR_DATABASE_URL", url)
            names(bare("accounts", "list"), f"127.0.0.1:{port}")
            names(bare("serve", "--port", "0"), f"127.0.0.1:{port}")


def test_C9_a_password_that_breaks_the_url_is_not_shown(bare: Cli, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for odd in "/#?@[]:%":
        for url in (
            f"postgresql://{USER}:{PASSWORD}{odd}{PASSWORD}@127.0.0.1:1/x",
            f"postgresql:///x?host=127.0.0.1&user={USER}&password={PASSWORD}{odd}{PASSWORD}&port=1",
        ):
            monkeypatch.setenv("TOKENHARBOR_DATABASE_URL", url)
            names(bare("accounts", "list"), "")


def test_C9_a_database_that_goes_away_in_the_middle_is_named_too(
    cli: Cli, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cli("accounts", "create", "--email", "ada@example.com").out.strip()

    async def cut(conn: asyncpg.Connection, *_: object) -> None:
        conn.terminate()
        await conn.fetchval("select 1")

    monkeypatch.setattr("tokenharbor.identity.store.get_account", cut)
    names(cli("balance", made), show_address(database_url))


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://u:p@db.example:6432/x", "db.example:6432"),
        ("postgresql://u:p@db.example/x", "db.example:5432"),
        ("postgresql://u:p@[::1]:6432/x", "[::1]:6432"),
        ("postgresql://u:p@[::1]/x", "[::1]:5432"),
        ("postgresql://a:1,b:2/x", "a:1, b:2"),
        ("postgresql:///x?host=a,b&port=1,2&user=u", "a:1, b:2"),
        ("postgresql://u@/x?host=/run/pg", "/run/pg"),
        ("postgresql://u@%2Frun%2Fpg/x", "/run/pg"),
        ("postgresql://u:p@ss@h:1/x", "h:1"),
    ],
)
def test_C9_a_place_is_host_and_port_or_a_folder(url: str, place: str) -> None:
    assert show_address(url) == place
    assert not re.search(r"\bu\b|\bp\b", show_address(url))
