"""What is promised of statements and exports, on a running server with a simulated processor."""

import csv
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from tests.e2e.cashier import Cashier, running_cashier
from tests.e2e.ledger_auditor import audit

pytestmark = pytest.mark.slow

LEDGER_COLUMNS = [
    "Date (ISO UTC)",
    "Type",
    "Source pool",
    "Amount USD",
    "Running balance USD",
    "Status",
    "Order ID",
    "PayPal capture ID",
]


def ask(cashier: Cashier, key: str) -> None:
    asked = {"model": "demo-chat", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"authorization": f"Bearer {key}"}
    answer = httpx.post(f"{cashier.harbor.url}/v1/chat/completions", json=asked, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text


def test_TH_B12_the_ledger_as_a_file_whose_balances_and_captures_an_auditor_finds(
    database_url: str, tmp_path: Path
) -> None:
    with running_cashier("token-harbor", "paypal", database_url) as cashier:
        opened = [cashier.create(pack) for pack in ("10", "50")]
        for each in opened:
            cashier.pay(each)
        paid = [cashier.wait_for(each) for each in opened]
        cashier.cli("credit", cashier.account, "--usd", "1", "--pool", "promo", "--reason", "=goodwill")
        key = cashier.harbor.new_key(cashier.account)
        for _ in range(3):
            ask(cashier, key)
        written = cashier.cli("ledger", "export", cashier.account, "--out", str(tmp_path))
        path = tmp_path / f"tokenharbor-ledger-{datetime.now(UTC).date()}.csv"
        assert (written["file"], written["rows"]) == (str(path), 6)
        rows = list(csv.DictReader(path.read_text().splitlines()))
        assert list(rows[0]) == LEDGER_COLUMNS
        recharges = [row for row in rows if row["Type"] == "recharge"]
        expected = {(each["id"], each["capture"]) for each in paid}
        assert {(row["Order ID"], row["PayPal capture ID"]) for row in recharges} == expected
        assert audit(path.read_text().splitlines()) == {each["capture"]: Decimal(each["credit_usd"]) for each in paid}
        assert rows[-1]["Running balance USD"] == cashier.balance()
        piped = cashier.harbor.run("ledger", "export", cashier.account, "--type", "recharge").stdout
        assert [row["Order ID"] for row in csv.DictReader(piped.splitlines())] == [row["Order ID"] for row in recharges]
        assert cashier.cli("ledger", "export", cashier.account, "--to", "2020-01-01") == []
