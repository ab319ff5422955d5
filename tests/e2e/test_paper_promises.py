"""What is promised of statements and exports, on a running server with a simulated processor."""

import csv
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import httpx
import pypdf
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
    asked = {"model": "demo-chat", "temperature": 0.5, "messages": [{"role": "user", "content": "Hello"}]}
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
        check_statement(cashier, tmp_path)
        check_reconciliation(cashier, tmp_path, [each["capture"] for each in paid])
        receipt = tmp_path / "receipt.pdf"
        cashier.cli("topups", "receipt", paid[0]["id"], "--pdf", str(receipt))
        assert paid[0]["capture"] in text_of(receipt)


def check_reconciliation(cashier: Cashier, folder: Path, captures: list[str]) -> None:
    """The processor's own list agrees; one that lacks a payment ends with 1 and names it."""
    today = datetime.now(UTC).date()
    lines = [f"{today},capture,{each},{usd},USD" for each, usd in zip(captures, ("10.00", "50.00"), strict=True)]
    path = folder / "processor.csv"
    words = ("reconcile", "--processor", "paypal", "--statement", str(path))
    path.write_text("\n".join(["date,type,id,amount,currency", *lines]))
    found = cashier.cli(*words)
    assert (found["compared"], found["differences"]) == (2, [])
    path.write_text("\n".join(["date,type,id,amount,currency", lines[0]]))
    differs = cashier.harbor.run(*words)
    assert differs.returncode == 1
    assert captures[1] in differs.stdout
    assert cashier.harbor.run("reconcile", "--statement", str(path)).returncode == 2


def check_statement(cashier: Cashier, folder: Path) -> None:
    """For a range of dates, as CSV and as PDF."""
    span = ("--from", "2026-01-01", "--to", "2100-01-01")
    rows = cashier.cli("statements", cashier.account, *span)
    closing = sum(Decimal(row["Amount USD"]) for row in rows if row["Section"] == "closing balance")
    moved = sum(Decimal(row["Amount USD"]) for row in rows if row["Section"] == "movement")
    assert f"{closing}" == f"{moved}" == cashier.balance()
    cashier.cli("statements", cashier.account, *span, "--pdf", str(folder / "statement.pdf"))
    assert str(closing) in text_of(folder / "statement.pdf")
    lines = cashier.harbor.run("statements", cashier.account, "--from", "2026-01-01", "--to", "2026-01-02").stdout
    assert "movement" not in lines


def test_TH_B11_usage_exports_the_whole_history(database_url: str) -> None:
    with running_cashier("token-harbor", "paypal", database_url) as cashier:
        cashier.cli("credit", cashier.account, "--usd", "1", "--pool", "promo", "--reason", "a test")
        key = cashier.harbor.new_key(cashier.account)
        for _ in range(3):
            ask(cashier, key)
        rows = cashier.cli("usage", cashier.account, "--csv")
        assert [(row["Model"], row["Status"], row["Cache layer"]) for row in rows] == [
            ("demo-chat", "complete", "none")
        ] * 3
        assert all(int(row["Input tokens"]) > 0 and int(row["Output tokens"]) > 0 for row in rows)
        spent = sum(Decimal(row["Cost USD"]) for row in rows)
        assert Decimal(1) - spent == Decimal(cashier.balance())


def text_of(path: Path) -> str:
    return "".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
