"""What each reference service promises of refunds, on a running server of its edition with a simulated processor."""

import time
from typing import Any

import httpx
import pytest
from tests.e2e.cashier import Cashier, running_cashier

pytestmark = pytest.mark.slow


def paid(cashier: Cashier, usd: str) -> dict[str, Any]:
    opened = cashier.create(usd)
    cashier.pay(opened)
    return cashier.wait_for(opened)


def spend(cashier: Cashier) -> None:
    bearer = {"authorization": f"Bearer {cashier.harbor.new_key(cashier.account)}"}
    asked = {"model": "demo-chat", "messages": [{"role": "user", "content": "Hello"}]}
    answer = httpx.post(f"{cashier.harbor.url}/v1/chat/completions", json=asked, headers=bearer)
    assert answer.status_code == 200, answer.text


def wait_for_refunds(cashier: Cashier, states: list[str]) -> list[dict[str, Any]]:
    until = time.monotonic() + 20
    while True:
        found: list[dict[str, Any]] = cashier.cli("refunds", "list")
        if [each["state"] for each in found] == states:
            return found
        assert time.monotonic() < until, found
        time.sleep(0.2)


def test_TH_B9_the_unused_part_of_a_top_up_goes_back_to_what_paid_for_it(database_url: str) -> None:
    with running_cashier("token-harbor", "paypal", database_url) as cashier:
        cashier.cli("credit", cashier.account, "--usd", "5", "--pool", "promo", "--reason", "goodwill")
        top_up = paid(cashier, "10")
        shown = cashier.cli("refunds", "preview", top_up["id"], "--as", "customer")
        assert (shown["amount"], shown["currency"], shown["review"]) == ("10.00", "USD", False)
        part = cashier.cli("refunds", "create", top_up["id"], "--usd", "2.5", "--as", "customer")
        assert (part["amount"], part["capture"]) == ("2.50", top_up["capture"])
        wait_for_refunds(cashier, ["done"])
        cashier.cli("refunds", "create", top_up["id"], "--as", "customer")
        wait_for_refunds(cashier, ["done", "done"])
        assert cashier.balance() == "5.000000000", "promotional credit is not refunded"
        assert cashier.harbor.run("refunds", "create", top_up["id"], "--as", "customer").returncode == 1
        assert cashier.fetch("select refunded, refunded_minor from capture") == [(10_000_000_000, 1000)]
        assert cashier.cli("ledger", "verify")["fault"] is None


def test_HUB_8_unused_credit_is_refunded_by_the_top_ups_id(database_url: str) -> None:
    with running_cashier("token-hub", "stripe", database_url) as cashier:
        top_up = paid(cashier, "10")
        spend(cashier)
        [(spent,)] = cashier.fetch("select spent from wallet where spent > 0")
        done = cashier.cli("refunds", "create", top_up["id"], "--as", "customer")
        assert done["amount"] == f"{(10_000_000_000 - spent) // 10_000_000 / 100:.2f}"
        wait_for_refunds(cashier, ["done"])
        second = paid(cashier, "20")
        assert cashier.processor is not None
        cashier.processor.call("refund", charge_id=second["capture"], amount=500)
        wait_for_refunds(cashier, ["done", "done"])
        assert cashier.balance().startswith("15.0")
        assert cashier.cli("ledger", "verify")["fault"] is None


def test_RLY_7_only_an_operator_refunds(database_url: str) -> None:
    with running_cashier("relay", "stripe", database_url) as cashier:
        top_up = paid(cashier, "10")
        refused = cashier.harbor.run("refunds", "create", top_up["id"], "--as", "customer")
        assert (refused.returncode, "operator" in refused.stderr) == (1, True)
        cashier.cli("refunds", "create", top_up["id"], "--usd", "4", "--reason", "the service failed")
        [refund] = wait_for_refunds(cashier, ["done"])
        assert (refund["origin"], refund["reason"], cashier.balance()) == (
            "operator",
            "the service failed",
            "6.000000000",
        )
        assert cashier.cli("ledger", "verify")["fault"] is None
