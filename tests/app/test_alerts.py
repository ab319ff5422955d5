"""The commands of alerts, and the checks of mail settings."""

from pathlib import Path

import pytest
from tests.app.conftest import Cli

from tokenharbor.app.alerts import make_mailer
from tokenharbor.app.settings import load_settings
from tokenharbor.kernel.errors import Misconfigured


def test_an_account_says_what_it_wants_to_be_told(cli: Cli) -> None:
    account = cli("accounts", "create", "--email", "ada@example.com").out.strip()
    shown = cli("alerts", "show", account, "--json").json
    assert shown == {"account": account, "mail": True, "low_balance_usd": None, "webhook": None}
    changed = cli("alerts", "set", account, "--low-balance", "5", "--mail", "off", "--json").json
    assert (changed["low_balance_usd"], changed["mail"]) == ("5.000000000", False)
    assert cli("alerts", "set", account, "--mail", "on", "--json").json["low_balance_usd"] == "5.000000000"
    assert cli("alerts", "set", account, "--low-balance", "0", "--json").json["low_balance_usd"] is None


def test_a_webhooks_secret_is_shown_once(cli: Cli) -> None:
    account = cli("accounts", "create", "--email", "ada@example.com").out.strip()
    made = cli("alerts", "webhook", account, "--url", "https://example.com/x", "--json").json
    assert made["secret"].startswith("whsec_")
    assert made["secret"] not in cli("alerts", "show", account).out
    assert cli("alerts", "webhook", account, "--url", "http://example.com/x").code == 1
    assert cli("alerts", "webhook", account).code == 2
    assert cli("alerts", "webhook", account, "--off", "--json").json["webhook"] is None


def test_a_test_and_its_delivery_are_listed(cli: Cli) -> None:
    account = cli("accounts", "create", "--email", "ada@example.com").out.strip()
    sent = cli("alerts", "test", account)
    assert (sent.code, sent.out.count(": off")) == (0, 2)
    (notice,) = cli("notices", "list", account, "--json").json
    assert notice["type"] == "test"
    assert [each["state"] for each in notice["deliveries"]] == ["off", "off"]


def test_mail_that_cannot_leave_is_said_by_the_command(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    account = cli("accounts", "create", "--email", "ada@example.com").out.strip()
    for name, value in (("SERVER", "127.0.0.1"), ("PORT", "1"), ("SENDER", "a@harbor.test")):
        monkeypatch.setenv(f"TOKENHARBOR_MAIL_{name}", value)
    sent = cli("alerts", "test", account)
    assert sent.code == 1
    assert "mail: waiting" in sent.out


@pytest.mark.parametrize(
    ("stated", "fault"),
    [
        ('server = "m.test"', "sender"),
        ('server = "m.test"\nsender = "nobody"', "sender"),
        ('server = "m.test"\nsender = "a@b.test"\nuser = "u"', "password"),
        ('server = "m.test"\nsender = "a@b.test"\nuser = "u"\npassword = "env:P"\ntls = "off"', "tls"),
        ('server = "m.test"\nsender = "a@b.test"\nuser = "u"\npassword = "clear"', "clear text"),
        ('server = "https://m.test"', "server"),
    ],
)
def test_settings_of_mail_that_cannot_work_are_refused(tmp_path: Path, stated: str, fault: str) -> None:
    file = tmp_path / "x.toml"
    file.write_text(f"[mail]\n{stated}\n")
    with pytest.raises(Misconfigured, match=fault):
        load_settings(tmp_path, file, {})


def test_mail_is_off_without_a_server_and_needs_the_password_that_it_names(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("")
    assert make_mailer(load_settings(tmp_path, file, {})) is None
    file.write_text('[mail]\nserver = "m.test"\nsender = "a@b.test"\nuser = "u"\npassword = "env:P"\n')
    assert make_mailer(load_settings(tmp_path, file, {"P": "word"})) is not None
    with pytest.raises(Misconfigured, match="env:P"):
        make_mailer(load_settings(tmp_path, file, {}))
