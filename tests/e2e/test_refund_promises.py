"""What each reference service promises of refunds, on a running server of its edition with a simulated processor."""

import time
from decimal import Decimal
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
    asked = {"model": "demo-chat", "temperature": 0.5, "messages": [{"role": "user", "content": "Hello"}]}
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


def wait_for_balance(cashier: Cashier, balance: str) -> None:
    until = time.monotonic() + 20
    while (now := cashier.balance()) != balance:
        assert time.monotonic() < until, (now, balance)
        time.sleep(0.2)


def test_a_dispute_freezes_takes_from_other_top_ups_and_gives_back_when_it_is_won(database_url: str) -> None:
    with running_cashier("token-hub", "stripe", database_url) as cashier:
        assert cashier.processor is not None
        first = paid(cashier, "10")
        spend(cashier)
        paid(cashier, "20")
        before = cashier.balance()
        assert "29" < before < "30"
        dispute = cashier.processor.call("dispute", charge_id=first["capture"], amount=1000)["id"]
        wait_for_balance(cashier, "20.000000000")
        assert cashier.fetch("select state from dispute") == [("opened",)]
        cashier.processor.call("withdraw_funds", dispute_id=dispute)
        wait_for_balance(cashier, f"{Decimal(before) - 10:.9f}")
        assert cashier.fetch("select debt from wallet where debt > 0") == [], "another top-up paid what was spent"
        assert cashier.cli("ledger", "verify")["fault"] is None
        cashier.processor.call("close_dispute", dispute_id=dispute, status="won")
        wait_for_balance(cashier, before)
        assert cashier.fetch("select disputed from capture where disputed > 0") == []
        assert cashier.cli("ledger", "verify")["fault"] is None


def test_TH_B9_a_refund_reclaims_what_is_locked_and_pays_back_only_what_is_unspent(database_url: str) -> None:
    with running_cashier("token-harbor", "paypal", database_url) as cashier:
        top_up = paid(cashier, "10")
        assert cashier.cli("balance", cashier.account)["pools"]["locked"] == "10.000000000"
        spend(cashier)
        pools = cashier.cli("balance", cashier.account)["pools"]
        spent = Decimal(10) - Decimal(pools["locked"])
        assert spent > 0, "a dollar of the match unlocks for each that is spent"
        shown = cashier.cli("refunds", "preview", top_up["id"], "--as", "customer")
        refund = cashier.cli("refunds", "create", top_up["id"], "--as", "customer")
        assert refund["amount"] == shown["amount"]
        assert Decimal("9.9") < Decimal(refund["amount"]) <= Decimal(10) - spent
        wait_for_refunds(cashier, ["done"])
        pools = cashier.cli("balance", cashier.account)["pools"]
        assert Decimal(pools["locked"]) <= Decimal("0.01"), "no more than what is left of the last cent"
        assert cashier.cli("ledger", "verify")["fault"] is None
