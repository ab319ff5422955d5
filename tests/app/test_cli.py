"""The command line itself: options on either side, exit codes, one line for each mistake, quick to start."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.app.conftest import Cli

from tokenharbor.app import cli as cli_module


def test_help_lists_every_command(bare: Cli) -> None:
    outcome = bare("--help")
    assert outcome.code == 0
    for name in cli_module._COMMANDS:
        assert f"\n  {name} " in outcome.out


@pytest.mark.parametrize("name", list(cli_module._COMMANDS))
def test_every_command_has_its_help(bare: Cli, name: str) -> None:
    outcome = bare(name, "--help")
    assert outcome.code == 0
    assert all(option in outcome.out for option in ("--home", "--config", "--json"))


def test_the_version_is_said(bare: Cli) -> None:
    assert bare("--version").out.startswith("tokenharbor ")


def test_options_stand_before_or_after_the_subcommand(bare: Cli, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('edition = "relay"\n')
    for words in (
        ("--json", "--config", str(file), "edition", "show"),
        ("edition", "--json", "--config", str(file), "show"),
        ("edition", "show", "--json", "--config", str(file)),
    ):
        assert bare(*words).json["name"] == "relay"


def test_the_home_that_is_named_comes_before_the_environments(bare: Cli, tmp_path: Path) -> None:
    (tmp_path / "tokenharbor.toml").write_text('edition = "tokenhub"\n')
    assert bare("edition", "show", "--home", str(tmp_path), "--json").json["name"] == "tokenhub"
    assert bare("edition", "show", "--json").json["name"] == "token-harbor"


def test_editions_are_listed_and_shown_whole(bare: Cli) -> None:
    names = bare("edition", "list", "--json").json
    assert {"token-harbor", "token-hub", "tokenhub", "relay"} == set(names)
    for name in names:
        shown = bare("edition", "show", name, "--json").json
        assert (shown["name"], "service_fee_bp" in shown["price"]) == (name, True)
    assert "did you mean 'relay'?" in bare("edition", "show", "relai").err


def test_the_catalogue_is_listed_and_checked(bare: Cli) -> None:
    listed = bare("catalog", "list", "--json").json
    assert len(listed) >= 30
    assert all({"id", "pricing", "providers"} <= set(each) for each in listed)
    assert listed[0]["id"] in bare("catalog", "list").out
    assert bare("catalog", "check").code == 0
    assert isinstance(bare("catalog", "check", "--json").json, list)


def test_TH_A7_a_free_model_is_listed_as_free(bare: Cli, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "tokenharbor.toml").write_text(
        '[models."gift:free"]\ncontext = 1000\nmax_output = 100\n'
        "[[models.\"gift:free\".endpoints]]\nprovider = 'demo'\nfree = true\n"
    )
    assert re.search(r"^gift:free +free +0 ", bare("catalog", "list").out, re.MULTILINE)
    assert bare("catalog", "check").code == 0


def test_a_coming_price_is_listed_with_its_time(bare: Cli, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "tokenharbor.toml").write_text(
        "[models.soon]\ncontext = 1000\nmax_output = 100\n[[models.soon.endpoints]]\nprovider = 'demo'\n"
        "price = { input = '1', output = '2', later = [{ from = 2199-01-01, output = '3' }] }\n"
    )
    (shown,) = [each for each in bare("catalog", "list", "--json").json if each["id"] == "soon"]
    assert shown["pricing"]["coming"] == [{"from": "2199-01-01T00:00:00Z", "input": "1", "output": "3"}]
    assert re.search(
        r"^soon .* demo from 2199-01-01T00:00:00Z: input 1, output 3$", bare("catalog", "list").out, re.MULTILINE
    )


def test_a_version_that_no_price_has_is_refused(cli: Cli) -> None:
    for version in ("00" * 32, "zz", ""):
        outcome = cli("catalog", "price", version)
        assert (outcome.code, outcome.out) == (1, ""), version
        assert "version" in outcome.err


def test_what_cannot_be_sold_is_listed_and_fails_the_check(bare: Cli, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "tokenharbor.toml").write_text(
        "[models.gift]\ncontext = 1000\nmax_output = 100\n[[models.gift.endpoints]]\nprovider = 'demo'\n"
    )
    outcome = bare("catalog", "check")
    assert outcome.code == 1
    assert "fault: model gift: " in outcome.out
    assert outcome.err == "tokenharbor: faults: 1\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[server]\nprot = 1\n", "[server]: unknown field 'prot'; did you mean 'port'?"),
        ("[providers.acme]\nwire = 'openai_caht'\n", "'openai_caht'"),
        ("[models.x.endpoints]\n", '[models."x"]'),
        ("nonsense", "not TOML"),
    ],
)
def test_a_mistake_in_the_configuration_is_one_line(bare: Cli, tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "tokenharbor.toml").write_text(text)
    outcome = bare("catalog", "list")
    assert (outcome.code, outcome.out) == (1, "")
    assert complaint in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("acounts",),
        ("accounts", "creat"),
        ("accounts", "create"),
        ("accounts", "create", "--mail", "x"),
        ("balance",),
        ("serve", "--port", "65536"),
        ("serve", "--port", "http"),
        ("usage", "acct_" + "0" * 26, "--from", "yesterday"),
    ],
)
def test_what_is_not_understood_is_2_and_one_line_that_says_where_to_look(bare: Cli, words: tuple[str, ...]) -> None:
    outcome = bare(*words)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1
    assert " --help)" in outcome.err


@pytest.mark.parametrize(
    ("words", "nearest"), [(("balnce",), "balance"), (("key", "list"), "keys"), (("keys", "crate"), "create")]
)
def test_a_command_misspelt_is_met_with_the_nearest(bare: Cli, words: tuple[str, ...], nearest: str) -> None:
    assert f"; did you mean '{nearest}'? (see " in bare(*words).err


@pytest.mark.parametrize("words", [("--help",), *((name, "--help") for name in ("accounts", "catalog", "keys"))])
def test_a_list_of_commands_says_what_each_is_for_in_whole_sentences(bare: Cli, words: tuple[str, ...]) -> None:
    assert "..." not in bare(*words).out.partition("Commands:")[2]


@pytest.mark.parametrize("words", [("balance", "acct_short"), ("balance", "key_" + "0" * 26), ("receipt", "x")])
def test_an_id_that_can_be_none_is_refused_as_one_that_is_not_there(bare: Cli, words: tuple[str, ...]) -> None:
    outcome = bare(*words)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize("words", [(), ("accounts",), ("keys",)])
def test_a_group_alone_shows_its_help_and_is_2(bare: Cli, words: tuple[str, ...]) -> None:
    outcome = bare(*words)
    assert (outcome.code, outcome.out) == (2, "")
    assert "Commands:" in outcome.err


def test_a_fault_of_ours_is_one_line_too(bare: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(_: str) -> None:
        raise ZeroDivisionError("over\nthere")

    monkeypatch.setattr("tokenharbor.app.commands.editions.load_edition", break_down)
    outcome = bare("edition", "show")
    assert outcome.code == 1
    assert outcome.err == (
        "tokenharbor: internal error: ZeroDivisionError: over there (python -X dev shows the traceback)\n"
    )


def test_an_interrupt_is_1(bare: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tokenharbor.app.commands.editions.load_edition", interrupt)
    outcome = bare("edition", "show")
    assert (outcome.code, outcome.err.strip()) == (1, "tokenharbor: interrupted")


def python(*words: str, home: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOKENHARBOR_")}
    return subprocess.run(
        [sys.executable, *words],
        env=environ | {"TOKENHARBOR_HOME": str(home)} | more,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("command", ["edition", "catalog"])
def test_a_command_that_needs_no_database_loads_none_of_it(tmp_path: Path, command: str) -> None:
    script = (
        f"import sys; from tokenharbor.app.cli import run; run(['{command}', 'list']); "
        "print([name for name in ('asyncpg', 'uvloop', 'cryptography') if name in sys.modules])"
    )
    done = python("-c", script, home=tmp_path)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_commands_bring_the_embedded_database_up_and_take_it_down(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    home = tmp_path / "a home of one's own"
    made = python("-m", "tokenharbor", "accounts", "create", "--email", "ada@example.com", "--json", home=home)
    assert made.returncode == 0, made.stderr
    account = json.loads(made.stdout)["id"]
    listed = python("-m", "tokenharbor", "accounts", "list", "--json", home=home)
    assert [each["id"] for each in json.loads(listed.stdout)] == [account]
    assert not (home / "postgres" / "data" / "postmaster.pid").exists()
    assert (made.stderr, listed.stderr) == ("", "")
