"""The first run: a key and a request that work when pasted; later ones keep the data and say how to go on."""

import json
import shlex
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.harbor import Program, launch

from tokenharbor.app.cli import run

pytestmark = pytest.mark.slow


def serve(home: Path, database_url: str) -> Program:
    program = launch("serve", "--home", str(home), "--port", "0", env={"TOKENHARBOR_DATABASE_URL": database_url})
    program.wait_for("listening on ")
    return program


def paste(line: str) -> Any:
    """What the shell and curl would make of the line; not every machine has curl."""
    program, url, *words = shlex.split(line)
    options = list(zip(words[::2], words[1::2], strict=True))
    assert (program, {name for name, _ in options}) == ("curl", {"-H", "-d"})
    headers = dict(value.split(": ", 1) for name, value in options if name == "-H")
    [body] = [value for name, value in options if name == "-d"]
    request = urllib.request.Request(url, body.encode(), headers)  # noqa: S310  our own server
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return json.load(answer)


def test_a_first_run_prints_what_a_first_request_needs(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = serve(tmp_path, database_url)
    key = program.wait_for(r"^thk_live_[0-9A-Za-z]{32}$")[0]
    line = program.wait_for("^curl .*")[0]
    assert key in line
    answer = paste(line)
    assert answer["choices"][0]["message"]["content"]
    assert program.stop() == 0

    again = serve(tmp_path, database_url)
    hint = again.wait_for(r"^Another API key: .* (keys create acct_\w+ --home .*)$")[1]
    assert not any("thk_live_" in line for line in again.lines)
    url = again.wait_for(r"listening on (\S+)")[1]
    assert paste(line.replace(line.split()[1], f"{url}/v1/chat/completions"))["choices"]
    assert again.stop() == 0

    monkeypatch.setenv("TOKENHARBOR_DATABASE_URL", database_url)
    assert run(shlex.split(hint)) == 0
    assert capsys.readouterr().out.startswith("thk_live_")
    assert run(["balance", shlex.split(hint)[2], "--home", str(tmp_path), "--json"]) == 0
    balance = json.loads(capsys.readouterr().out)
    assert balance["pools"]["paid"] < "0.001000000", "cashback on the trial credit that was spent, no more"
    assert "4.9" < balance["pools"]["trial"] < "5.000000000"


def test_an_operator_without_a_key_is_given_one_and_welcomed_once(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOKENHARBOR_DATABASE_URL", database_url)
    assert run(["accounts", "create", "--email", "operator@localhost", "--home", str(tmp_path)]) == 0
    account_id = capsys.readouterr().out.strip()
    program = serve(tmp_path, database_url)
    program.wait_for(r"^thk_live_[0-9A-Za-z]{32}$")
    assert program.stop() == 0
    assert run(["keys", "list", account_id, "--home", str(tmp_path), "--json"]) == 0
    assert [key["name"] for key in json.loads(capsys.readouterr().out)] == ["first"]
    assert run(["balance", account_id, "--home", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pools"]["trial"] == "5.000000000"
