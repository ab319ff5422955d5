"""Commands beside a running server: changes take effect at once, and output matches the server's actions."""

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.app.conftest import Cli
from tests.e2e.harbor import launch

from tokenharbor.app.server_url import name_loopback

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Server:
    """A running server, called as by a client."""

    url: str

    def chat(self, key: str, model: str = "demo-chat") -> tuple[int, Any, Any]:
        """Status, headers and body of a small request."""
        body = {"model": model, "max_tokens": 1000, "messages": [{"role": "user", "content": "Ahoy!"}]}
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            headers = {"Authorization": f"Bearer {key}"}
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, json.loads(answer.read())
        finally:
            connection.close()


@pytest.fixture
def server(cli: Cli, tmp_path: Path, database_url: str) -> Iterator[Server]:
    """Run a server; `cli` works in the same HOME and database."""
    env = {"TOKENHARBOR_DATABASE_URL": database_url, "TOKENHARBOR_HOME": str(tmp_path / "home")}
    program = launch("serve", "--port", "0", env=env)
    try:
        yield Server(program.wait_for(r"listening on (\S+)")[1])
    finally:
        assert program.stop() == 0


def test_a_command_prints_the_address_that_serves(cli: Cli, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    account = cli("accounts", "create", "--email", "ada@example.com", "--json").json["id"]
    opened = cli("topups", "create", account, "--usd", "10", "--json").json
    assert opened["url"].startswith(f"{name_loopback(server.url)}/dashboard/billing/top-ups/topup_")
    monkeypatch.setenv("TOKENHARBOR_SERVER_PUBLIC_URL", "https://harbor.test")
    opened = cli("topups", "create", account, "--usd", "10", "--json").json
    assert opened["url"].startswith("https://harbor.test/dashboard/billing")


def test_usage_says_what_an_answer_that_was_given_again_saved(cli: Cli, server: Server) -> None:
    account = cli("accounts", "create", "--email", "ada@example.com", "--json").json["id"]
    assert cli("credit", account, "--usd", "1", "--pool", "paid", "--reason", "x").code == 0
    key = cli("keys", "create", account, "--json").json["key"]
    costs = [server.chat(key)[1]["x-tokenharbor-cost-usd"]]
    assert "saved" not in cli("usage", account).out.splitlines()[-1]
    costs.append(server.chat(key)[1]["x-tokenharbor-cost-usd"])
    [used] = cli("usage", account, "--json").json
    nothing, cost = "0.000000000", used["cost_usd"]
    assert costs == [cost, nothing]
    assert used["saved"] == {"total_usd": cost, "exact_usd": cost, "semantic_usd": nothing, "vendor_usd": nothing}
    last = cli("usage", account).out.splitlines()[-1]
    assert last == f"{cost} USD saved: repeats {cost}, similar {nothing}, vendor cache {nothing}"


def test_a_key_and_its_rules_are_in_force_at_once(cli: Cli, server: Server) -> None:
    account = cli("accounts", "create", "--email", "ada@example.com", "--json").json["id"]
    assert cli("credit", account, "--usd", "1", "--pool", "paid", "--reason", "x").code == 0

    issued = cli("keys", "create", account, "--json").json
    status, headers, body = server.chat(issued["key"])
    assert (status, body["choices"][0]["finish_reason"]) == (200, "stop")

    receipt = cli("receipt", headers["x-request-id"], "--json").json
    assert (receipt["key_id"], receipt["cost_usd"]) == (issued["id"], headers["x-tokenharbor-cost-usd"])
    [used] = cli("usage", account, "--json").json
    assert (used["model"], used["requests"], used["cost_usd"]) == ("demo-chat", 1, receipt["cost_usd"])
    assert used["output"] > 0
    [fared] = [each for each in cli("providers", "health", "--json").json if each["attempts"]]
    assert (fared["ok"], fared["failed"]) == (1, 0)
    [_, row] = cli("ledger", "export", account, "--json").json
    assert (row["Type"], row["Amount USD"], row["Order ID"]) == ("usage", f"-{used['cost_usd']}", receipt["id"])
    assert cli("balance", account, "--json").json["balance_usd"] == row["Running balance USD"]
    assert cli("ledger", "verify").code == 0

    for words, refusal in (
        (("--models", "demo-reasoner"), (403, "permission_denied")),
        (("--ip", "192.0.2.1"), (403, "permission_denied")),
        (("--daily-usd", "0.000000001"), (402, "insufficient_quota")),
    ):
        bound = cli("keys", "create", account, *words, "--json").json["key"]
        status, _, body = server.chat(bound)
        assert (status, body["error"]["code"]) == refusal, words


def test_a_revoked_key_is_refused_before_long(cli: Cli, server: Server) -> None:
    account = cli("accounts", "create", "--email", "ada@example.com", "--json").json["id"]
    assert cli("credit", account, "--usd", "1", "--pool", "paid", "--reason", "x").code == 0
    issued = cli("keys", "create", account, "--json").json
    assert server.chat(issued["key"])[0] == 200
    assert cli("keys", "revoke", issued["id"]).code == 0
    revoked = asked = time.monotonic()
    while server.chat(issued["key"])[0] == 200:
        assert asked - revoked < 5, "a second, and some more for a busy machine"
        asked = time.monotonic()
    status, _, body = server.chat(issued["key"])
    assert (status, body["error"]["code"]) == (401, "invalid_api_key")


def test_a_second_server_in_the_same_home_is_refused(cli: Cli, server: Server) -> None:
    outcome = cli("serve", "--port", "0")
    assert outcome.code == 1
    assert "another server runs in" in outcome.err


def test_a_server_warns_of_pretended_credit_beside_a_real_processor(
    cli: Cli, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENHARBOR_EDITION", "token-hub")
    account = cli("accounts", "create", "--email", "ada@example.com", "--json").json["id"]
    cli("topups", "sync", cli("topups", "create", account, "--usd", "10", "--json").json["id"])
    env = {
        "TOKENHARBOR_DATABASE_URL": database_url,
        "TOKENHARBOR_HOME": str(tmp_path / "home"),
        "TOKENHARBOR_PROCESSORS_MANUAL_ENABLED": "true",
    }
    program = launch("serve", "--port", "0", env=env)
    try:
        warning = program.wait_for(r".*pretended_credit_left.*")[0]
        assert "tokenharbor topups forget-pretended" in warning
        assert "10.000000000" in warning
    finally:
        program.wait_for(r"listening on (\S+)")
        assert program.stop() == 0
