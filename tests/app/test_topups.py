"""Commands of top-ups, auto top-up and jobs, without a server; without a processor, payments are pretended."""

import json
import re

import pytest
from tests.app.conftest import Cli
from tests.app.test_commands import account, refused


@pytest.fixture
def hub(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Of an edition with custom amounts and auto top-up."""
    monkeypatch.setenv("TOKENHARBOR_EDITION", "token-hub")
    return cli


@pytest.fixture
def bank(hub: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """With bank transfers: real money."""
    monkeypatch.setenv("TOKENHARBOR_PROCESSORS_MANUAL_ENABLED", "true")
    return hub


def test_nothing_is_pretended_beside_real_money_or_where_a_secret_is_missing(
    hub: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = account(hub)
    opened = hub("topups", "create", made, "--usd", "10", "--json").json
    for name, value in (("STRIPE_SECRET", "env:NOT_THERE"), ("MANUAL_ENABLED", "true")):
        with monkeypatch.context() as patched:
            patched.setenv(f"TOKENHARBOR_PROCESSORS_{name}", value)
            assert "none is configured" in refused(hub("topups", "create", made, "--usd", "10"))
            assert "not configured" in refused(hub("topups", "sync", opened["id"]))
    assert hub("balance", made, "--json").json["balance_usd"] == "0.000000000"


def test_nothing_is_pretended_where_a_provider_charges_us_unless_it_is_asked_for(
    hub: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = account(hub)
    opened = hub("topups", "create", made, "--usd", "10", "--json").json
    with monkeypatch.context() as patched:
        patched.setenv("OPENAI_API_KEY", "sk-real")
        assert "none is configured" in refused(hub("topups", "create", made, "--usd", "10"))
        assert "pretended payments are off" in refused(hub("topups", "sync", opened["id"]))
        assert hub("balance", made, "--json").json["balance_usd"] == "0.000000000"
        patched.setenv("TOKENHARBOR_PROCESSORS_PRETENDED_ENABLED", "true")
        assert hub("topups", "sync", opened["id"], "--json").json["pretended"]
    assert hub("balance", made, "--json").json["balance_usd"] == "10.000000000"


def test_a_top_ups_match_is_shown_line_by_line(cli: Cli) -> None:
    made = account(cli)
    opened = cli("topups", "create", made, "--usd", "10", "--json").json
    assert {"pretended: true", "match.locked_usd: 10.000000000"} <= set(
        cli("topups", "sync", opened["id"]).out.splitlines()
    )


def test_doctor_tells_of_pretended_credit_that_buys_what_is_charged(hub: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def state() -> tuple[str, str]:
        [found] = [each for each in json.loads(hub("doctor", "--json").out) if each["check"] == "pretended credit"]
        return found["state"], found["message"]

    made = account(hub)
    assert state() == ("ok", "none")
    hub("topups", "sync", hub("topups", "create", made, "--usd", "10", "--json").json["id"])
    assert state()[0] == "off"
    for name, value in (("OPENAI_API_KEY", "sk-real"), ("TOKENHARBOR_PROCESSORS_STRIPE_SECRET", "env:NOT_THERE")):
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            found, message = state()
            assert (found, "10.000000000 USD of pretended payments on 1 account" in message) == ("bad", True)


def test_what_is_left_of_pretended_credit_is_taken_back_beside_a_real_processor(bank: Cli) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TOKENHARBOR_PROCESSORS_MANUAL_ENABLED", "false")
        made = account(bank)
        given = [bank("topups", "create", made, "--usd", usd, "--json").json["id"] for usd in ("10", "25")]
        for each in given:
            bank("topups", "sync", each)
    real = bank("topups", "record", made, "--usd", "7", "--reference", "bank-1", "--json").json
    assert real["state"] == "paid"
    done = bank("topups", "forget-pretended", "--json").json
    assert [(each["top_up"], each["state"], each["origin"]) for each in done["refunds"]] == [
        (each, "done", "operator") for each in given
    ]
    assert done["kept"] == []
    assert bank("balance", made, "--json").json["balance_usd"] == "7.000000000", "real money stays"
    assert bank("topups", "forget-pretended").out.strip() == "no pretended credit left"
    assert bank("ledger", "verify", "--json").json["fault"] is None
    [found] = [each for each in json.loads(bank("doctor", "--json").out) if each["check"] == "pretended credit"]
    assert (found["state"], found["message"]) == ("ok", "none")


def test_a_top_up_is_opened_read_again_and_credited(hub: Cli) -> None:
    made = account(hub)
    opened = hub("topups", "create", made, "--usd", "12.50", "--key", "k", "--json").json
    assert re.fullmatch(r"topup_[0-9a-v]{26}", opened["id"])
    assert (opened["state"], opened["amount"], opened["currency"], opened["pretended"]) == (
        "open",
        "12.50",
        "USD",
        True,
    )
    assert opened["url"].startswith("http://localhost:8080/dashboard/billing/top-ups/topup_")
    assert hub("topups", "create", made, "--usd", "12.50", "--key", "k", "--json").json == opened
    assert hub("balance", made, "--json").json["balance_usd"] == "0.000000000"
    paid = hub("topups", "sync", opened["id"], "--json").json
    assert (paid["state"], paid["credit_usd"]) == ("paid", "12.500000000")
    assert hub("balance", made, "--json").json["balance_usd"] == "12.500000000"
    assert hub("topups", "show", opened["id"], "--json").json == paid
    assert hub("topups", "list", made, "--state", "paid", "--json").json == [paid]
    assert "no money moves" in hub("topups", "list").out
    assert hub("ledger", "verify", "--json").json["fault"] is None


def test_what_is_not_sold_is_refused_in_one_line(hub: Cli) -> None:
    made = account(hub)
    for words in (
        ("topups", "create", made, "--usd", "0.50"),
        ("topups", "create", made, "--usd", "10", "--currency", "EUR"),
        ("topups", "create", made, "--usd", "10", "--currency", "CNY"),
        ("topups", "create", made, "--usd", "10", "--processor", "nobody"),
        ("topups", "show", "topup_" + "0" * 26),
        ("topups", "sync", "topup_" + "0" * 26),
        ("auto-topup", "set", made, "--below", "5", "--usd", "20", "--month", "100"),
        ("jobs", "run", "nothing"),
    ):
        refused(hub(*words))


def test_a_rate_is_set_listed_and_used(hub: Cli) -> None:
    made = account(hub)
    refused(hub("topups", "rates", "--set", "CNY", "about 7"))
    [rate] = hub("topups", "rates", "--set", "cny", "7.1234", "--for", "24h", "--by", "kim", "--json").json
    assert (rate["currency"], rate["per_usd"], rate["actor"]) == ("CNY", "7.1234", "kim")
    opened = hub("topups", "create", made, "--usd", "10", "--currency", "cny", "--json").json
    assert (opened["amount"], opened["currency"], opened["rate"]) == ("71.24", "CNY", "7.1234")
    hub("topups", "sync", opened["id"])
    assert hub("balance", made, "--json").json["balance_usd"] == "10.000000000"


def test_a_payment_is_recorded_once_and_a_large_one_by_two_people(bank: Cli) -> None:
    made = account(bank)
    paid = bank("topups", "record", made, "--usd", "20", "--reference", "bank 1", "--by", "kim", "--json").json
    assert (paid["state"], paid["capture"], paid["actor"], paid["pretended"]) == ("paid", "BANK1", "kim", False)
    assert paid["id"] in refused(bank("topups", "record", made, "--usd", "20", "--reference", "BANK1"))
    large = bank("topups", "record", made, "--usd", "1000.01", "--reference", "BANK2", "--by", "kim", "--json").json
    assert large["state"] == "open"
    assert "kim" in refused(bank("topups", "confirm", large["id"], "--by", "kim"))
    assert "confirmed_by: lee" in bank("topups", "confirm", large["id"], "--by", "lee").out
    assert bank("balance", made, "--json").json["balance_usd"] == "1020.010000000"


def test_auto_top_up_is_switched_on_shown_and_off(hub: Cli) -> None:
    made = account(hub)
    first = hub("topups", "create", made, "--usd", "10", "--save", "--json").json
    hub("topups", "sync", first["id"])
    for command in ("show", "off"):
        assert {"enabled: false", "max_month_usd: 1000.000000000"} <= set(
            hub("auto-topup", command, made).out.splitlines()
        )
    wanted = hub("auto-topup", "set", made, "--below", "5", "--usd", "20", "--month", "100", "--json").json
    assert (wanted["enabled"], wanted["threshold_usd"], wanted["amount_usd"]) == (True, "5.000000000", "20.000000000")
    assert hub("auto-topup", "show", made, "--json").json == wanted
    assert "enabled: false" in hub("auto-topup", "off", made).out


def test_jobs_are_listed_and_made_due(hub: Cli) -> None:
    account(hub)
    assert hub("jobs", "run", "processor_events", "--json").json == {"job": "processor_events", "due": True}
    jobs = {each["job"]: each for each in hub("jobs", "list", "--json").json}
    assert (jobs["payments"]["every"], jobs["payments"]["runs"], jobs["payments"]["fault"]) == ("2s", 0, None)
    assert "processor_events" in hub("jobs", "list").out


def test_the_latest_top_ups_are_listed_page_by_page(hub: Cli) -> None:
    made = account(hub)
    opened = [hub("topups", "create", made, "--usd", "10", "--json").json["id"] for _ in range(3)]
    first = hub("topups", "list", "--limit", "2", "--json").json
    rest = hub("topups", "list", made, "--before", first[-1]["id"], "--json").json
    assert [each["id"] for each in (*first, *rest)] == opened[::-1]
