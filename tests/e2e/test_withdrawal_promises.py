"""What TH-B9 promises of withdrawals, on a running server with a simulated processor; and one killed in mid-payout."""

import signal
import time
from typing import Any

import pytest
from tests.e2e.cashier import Cashier, running_cashier
from tests.e2e.test_topup_kills import SECONDS, stalling

from tokenharbor.simulator.paypal import SimulatedPayPal

pytestmark = pytest.mark.slow

CENT = 10_000_000


def paid(cashier: Cashier, usd: str) -> dict[str, Any]:
    opened = cashier.create(usd)
    cashier.pay(opened)
    return cashier.wait_for(opened)


def verified_payee(cashier: Cashier) -> str:
    words = ("--processor", "paypal", "--kind", "paypal_email", "--address", "payer@example.com", "--by", "payer")
    payee: str = cashier.cli("payees", "add", cashier.account, *words)["id"]
    assert cashier.harbor.run("withdrawals", "ask", cashier.account, "--payee", payee).returncode == 1
    cashier.cli("payees", "verify", payee, "--by", "ops")
    return payee


def let_refunds_lapse(cashier: Cashier) -> None:
    """As if the processor's time for refunds and disputes were over."""
    cashier.fetch("""update capture set processor_refundable_until = paid_at - interval '1 day',
        dispute_until = paid_at - interval '1 day'""")


def approved(cashier: Cashier, *where: str) -> dict[str, Any]:
    asked = cashier.cli("withdrawals", "ask", cashier.account, *where, "--by", "payer")
    assert asked["state"] == "asked"
    assert cashier.harbor.run("withdrawals", "approve", asked["id"], "--by", "Payer").returncode == 1
    done: dict[str, Any] = cashier.cli("withdrawals", "approve", asked["id"], "--by", "ops")
    return done


def wait_for_states(cashier: Cashier, states: list[str], seconds: float = 20) -> list[dict[str, Any]]:
    until = time.monotonic() + seconds
    while True:
        found: list[dict[str, Any]] = cashier.cli("withdrawals", "list")
        if [each["state"] for each in found] == states:
            return found
        assert time.monotonic() < until, found
        time.sleep(0.2)


def payouts(cashier: Cashier) -> dict[str, Any]:
    assert cashier.processor is not None
    assert isinstance(cashier.processor.server, SimulatedPayPal)
    return cashier.processor.server.payouts


def on_its_way(cashier: Cashier) -> int:
    [(amount,)] = cashier.fetch("select coalesce(sum(amount), 0)::bigint from restricted_credit where place = 'payout'")
    return int(amount)


def finish(cashier: Cashier, status: str = "SUCCESS") -> None:
    """What PayPal does of itself, of the latest payout."""
    assert cashier.processor is not None
    cashier.processor.call("finish_payout", batch_id=list(payouts(cashier))[-1], status=status)


def test_TH_B9_a_paid_balance_is_withdrawn_to_what_paid_for_it(database_url: str) -> None:
    with running_cashier("token-harbor", "paypal", database_url) as cashier:
        top_up = paid(cashier, "50")
        cashier.cli("credit", cashier.account, "--usd", "5", "--pool", "promo", "--reason", "goodwill")
        cashier.fetch("update capture set refundable_until = paid_at")  # the edition's window of refunds is over
        assert cashier.harbor.run("refunds", "create", top_up["id"], "--as", "customer").returncode == 1
        shown = cashier.cli("withdrawals", "preview", cashier.account)
        assert {(lot["origin"], lot["way"], lot["to"]) for lot in shown["lots"]} >= {
            ("top-up", "original", top_up["id"]),
            ("operator", "none", None),
        }
        too_little = cashier.harbor.run("withdrawals", "ask", cashier.account, "--top-up", top_up["id"], "--usd", "9")
        assert (too_little.returncode, "10" in too_little.stderr) == (1, True)
        approved(cashier, "--top-up", top_up["id"], "--usd", "20")
        [done] = wait_for_states(cashier, ["done"])
        assert (done["amount"], done["currency"], payouts(cashier)) == ("20.00", "USD", {})
        assert cashier.fetch("select refunded_minor from capture") == [(2000,)]
        assert cashier.cli("ledger", "verify")["fault"] is None


def test_TH_B9_paid_balance_referral_and_cashback_are_withdrawn_to_a_payee(database_url: str) -> None:
    with running_cashier("token-harbor", "paypal", database_url) as cashier:
        paid(cashier, "50")
        payee = verified_payee(cashier)
        refused = cashier.harbor.run("withdrawals", "ask", cashier.account, "--payee", payee)
        assert refused.returncode == 1, "while it can go back to what paid, it goes nowhere else"
        let_refunds_lapse(cashier)
        shown = cashier.cli("withdrawals", "preview", cashier.account, "--payee", payee, "--usd", "20")
        assert (shown["amount"], shown["approval"]) == ("20.00", True)
        called = approved(cashier, "--payee", payee, "--usd", "20")
        assert (called["state"], on_its_way(cashier)) == ("called", 2000 * CENT)
        finish(cashier, "UNCLAIMED")
        finish(cashier)
        [done] = wait_for_states(cashier, ["done"])
        assert (done["fee_usd"], done["processor_payout"]) == ("0.250000000", next(iter(payouts(cashier))))
        finish(cashier, "RETURNED")  # sent back after it was paid
        wait_for_states(cashier, ["failed"])
        assert on_its_way(cashier) == 0
        assert cashier.cli("ledger", "verify")["fault"] is None


def test_a_server_that_is_killed_while_it_pays_out_has_paid_once(database_url: str) -> None:
    with running_cashier("token-harbor", "paypal", database_url) as cashier:
        paid(cashier, "50")
        payee = verified_payee(cashier)
        let_refunds_lapse(cashier)
        asked = cashier.cli("withdrawals", "ask", cashier.account, "--payee", payee, "--usd", "20", "--by", "payer")
        with stalling(cashier, "POST", "/v1/payments/payouts") as stall:
            cashier.fetch(  # approved, by a command that died before it called: the server's own job calls
                "update withdrawal set state = 'approved', decided_by = 'ops', next_look_at = asked_at"
            )
            stall.wait()
            assert cashier.harbor.stop(signal.SIGKILL) != 0
        assert cashier.cli("withdrawals", "show", asked["id"])["state"] == "called"
        assert len(payouts(cashier)) == 1, "it was made, and nobody knows"
        cashier.start()
        finish(cashier)
        [done] = wait_for_states(cashier, ["done"], SECONDS * 2)
        assert (done["id"], len(payouts(cashier))) == (asked["id"], 1)
        assert cashier.cli("ledger", "verify")["fault"] is None
