"""kill -9 between the steps of top-ups, on real processes: each is done once or not at all, and says which."""

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tests.e2e.cashier import Cashier, running_cashier
from tests.e2e.harbor import launch

from tokenharbor.simulator.processor_server import ProcessorRequest, SimulatedAnswer
from tokenharbor.simulator.stripe import SimulatedStripe

pytestmark = pytest.mark.slow

SECONDS = 30


@dataclass
class Stall:
    """A processor that does what it is asked, and keeps its answer back."""

    method: str
    path: str

    def __post_init__(self) -> None:
        self.entered = threading.Event()
        self.gate = threading.Event()

    def wait(self) -> None:
        assert self.entered.wait(SECONDS), f"nobody asked {self.method} {self.path}"


@contextmanager
def stalling(cashier: Cashier, method: str, path: str) -> Iterator[Stall]:
    assert cashier.processor is not None
    server, stall = cashier.processor.server, Stall(method, path)
    usual = server.answer

    def answer(request: ProcessorRequest) -> SimulatedAnswer:
        done = usual(request)
        if (request.method, request.path.startswith(path)) == (method, True) and not stall.gate.is_set():
            stall.entered.set()
            stall.gate.wait(SECONDS)
        return done

    server.answer = answer  # type: ignore[method-assign]  # a double of this one object
    try:
        yield stall
    finally:
        stall.gate.set()
        server.answer = usual  # type: ignore[method-assign]  # likewise


def stripe(cashier: Cashier) -> SimulatedStripe:
    assert cashier.processor is not None
    assert isinstance(cashier.processor.server, SimulatedStripe)
    return cashier.processor.server


def objects(cashier: Cashier, kind: str) -> list[dict[str, Any]]:
    return [each for each in stripe(cashier).objects.values() if each["object"] == kind]


def test_a_command_that_is_killed_while_it_opens_a_checkout_has_opened_one(database_url: str) -> None:
    with running_cashier("token-hub", "stripe", database_url) as cashier:
        words = ("topups", "create", cashier.account, "--usd", "10", "--key", "order-1")
        with stalling(cashier, "POST", "/v1/checkout/sessions") as stall:
            program = launch(*words, "--home", str(cashier.harbor.home), env=cashier.harbor.env)
            stall.wait()
            program.stop(signal.SIGKILL)
        [(state, url)] = cashier.fetch("select state, url from top_up")
        assert (state, url) == ("open", None), "the intent is there, and says that it has no page yet"
        again = cashier.cli(*words)
        assert again["url"]
        assert len(objects(cashier, "checkout.session")) == 1
        cashier.pay(again)
        cashier.wait_for(again)
        cashier.check(1)


def test_a_server_that_is_killed_between_the_webhook_and_the_credit_credits_after_its_restart(
    database_url: str,
) -> None:
    with running_cashier("token-hub", "stripe", database_url) as cashier:
        opened = cashier.create("10")
        with stalling(cashier, "GET", "/v1/checkout/sessions/") as stall:
            threading.Thread(target=cashier.pay, args=(opened,), daemon=True).start()
            stall.wait()
            assert cashier.harbor.stop(signal.SIGKILL) != 0
        cashier.check(0)
        assert cashier.cli("topups", "show", opened["id"])["state"] == "open"
        cashier.start()
        cashier.wait_for(opened, seconds=SECONDS)
        assert cashier.balance() == "10.000000000"
        cashier.check(1)


def test_a_server_that_is_killed_after_the_credit_does_not_credit_again(database_url: str) -> None:
    with running_cashier("token-hub", "stripe", database_url) as cashier:
        opened = cashier.create("10")
        cashier.pay(opened)
        cashier.wait_for(opened)
        cashier.harbor.stop(signal.SIGKILL)
        cashier.start()
        cashier.cli("topups", "sync", opened["id"])
        cashier.cli("jobs", "run", "processor_events")
        assert cashier.cli("topups", "show", opened["id"])["state"] == "paid"
        cashier.check(1)


def test_an_auto_top_up_whose_server_is_killed_in_mid_charge_is_charged_once(database_url: str) -> None:
    with running_cashier("token-hub", "stripe", database_url) as cashier:
        first = cashier.create("10", "--save")
        cashier.pay(first)
        cashier.wait_for(first)
        before = len(objects(cashier, "payment_intent"))
        with stalling(cashier, "POST", "/v1/payment_intents") as stall:
            cashier.cli("auto-topup", "set", cashier.account, "--below", "15", "--usd", "20", "--month", "100")
            stall.wait()
            cashier.harbor.stop(signal.SIGKILL)
        assert len(objects(cashier, "payment_intent")) == before + 1, "it was charged, and nobody knows"
        [charged] = [each for each in cashier.cli("topups", "list", cashier.account) if each["automatic"]]
        assert charged["state"] == "open"
        cashier.start()
        paid = cashier.wait_for(charged, seconds=SECONDS)
        assert paid["automatic"]
        assert len(objects(cashier, "payment_intent")) == before + 1
        assert cashier.balance() == "30.000000000"
        cashier.check(2)


def test_a_payment_that_fails_stops_auto_top_up_and_says_why(database_url: str) -> None:
    with running_cashier("token-hub", "stripe", database_url) as cashier:
        first = cashier.create("10", "--save")
        cashier.pay(first)
        cashier.wait_for(first)
        stripe(cashier).saved_outcome = "needs_payer"
        cashier.cli("auto-topup", "set", cashier.account, "--below", "15", "--usd", "20", "--month", "100")
        stopped: dict[str, Any] = {}
        for _ in range(200):
            stopped = cashier.cli("auto-topup", "show", cashier.account)
            if not stopped["enabled"]:
                break
        assert (stopped["enabled"], "confirm" in stopped["stop_reason"]) == (False, True), stopped
        assert cashier.balance() == "10.000000000"
        cashier.check(1)


def test_commands_print_one_document_and_one_line_when_refused(database_url: str) -> None:
    with running_cashier("token-hub", "stripe", database_url, start=False) as cashier:
        opened = cashier.harbor.run("topups", "create", cashier.account, "--usd", "10", "--json")
        document = json.loads(opened.stdout)
        assert (document["state"], document["credit_usd"], document["amount"]) == ("open", "10.000000000", "10.00")
        for words in (
            ("topups", "create", cashier.account, "--usd", "1"),
            ("topups", "show", "topup_" + "0" * 26),
            ("topups", "confirm", document["id"], "--by", "lee"),
            ("auto-topup", "set", cashier.account, "--below", "5", "--usd", "20", "--month", "100"),
            ("jobs", "run", "nothing"),
        ):
            refused = cashier.harbor.run(*words)
            assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1), words
        assert cashier.cli("auto-topup", "off", cashier.account)["enabled"] is False  # it never was on: it is off
        plain: subprocess.CompletedProcess[str] = cashier.harbor.run("topups", "list")
        assert document["id"] in plain.stdout
