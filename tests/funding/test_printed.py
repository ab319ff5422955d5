"""Statements and receipts as PDF: the text that a PDF reader extracts."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pypdf
import pytest

from tokenharbor.funding.fulfil import fulfil
from tokenharbor.funding.payment_receipts import make_payment_receipt
from tokenharbor.funding.pdf import write_pdf
from tokenharbor.funding.printed import Issuer, PrintedDocument
from tokenharbor.funding.statement_files import HEADER, printed_statement, statement_lines
from tokenharbor.funding.statements import (
    DailyCharge,
    PoolMovement,
    Statement,
    StatementPayment,
    StatementSpan,
)
from tokenharbor.identity.store import Account
from tokenharbor.kernel.errors import Conflict
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Money, Usd
from tokenharbor.ledger.types import Pool

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
UNTIL = datetime(2026, 12, 1, tzinfo=UTC)
ISSUER = Issuer("Token Harbor 港口 GmbH", "Kai 1 & 2\n20457 Hamburg", "billing@example.com", "DE 123")
NAMES = ("北京港口科技有限公司", "Łódź Привет", "Söhne & <Töchter>", "東京カナ한국", "=1+1")


def text_of(printed: PrintedDocument) -> tuple[str, int]:
    """A PDF's text without blanks, and its pages."""
    file = io.BytesIO()
    write_pdf(printed, file)
    pages = pypdf.PdfReader(file).pages
    return "".join("".join(page.extract_text().split()) for page in pages), len(pages)


def statement(name: str, days: int = 2) -> Statement:
    fields = {"id": UUID(int=7), "created_at": SINCE, "name": name, "region": "", "edition": "e"}
    account = Account(**fields, emails=("ada@example.com",))  # type: ignore[arg-type]
    charges = [
        DailyCharge(date(2026, 11, 1) + timedelta(days=day), "模型 x" if day else "m", 3, Usd(10), Usd(1))
        for day in range(days)
    ]
    used = Usd(10 * days)
    return Statement(
        account=account,
        span=StatementSpan(SINCE, UNTIL),
        opening={Pool.PAID: Usd(5), Pool.TRIAL: Usd(0)},
        movements=[PoolMovement("recharge", Pool.PAID, Usd(10**10)), PoolMovement("usage", Pool.PAID, -used)],
        closing={Pool.PAID: Usd(10**10 + 5) - used, Pool.TRIAL: Usd(0)},
        charges=charges,
        payments=[
            StatementPayment(SINCE, "topup_1", "paypal", "=CAP", Money("CNY", 7124), Money("CNY", 0), Usd(10**10))
        ],
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_statement_on_paper_has_its_sums_and_names_in_any_script(name: str) -> None:
    text, pages = text_of(printed_statement(statement(name), ISSUER, UNTIL))
    wanted = (
        name, ISSUER.name, "Kai 1 & 2", "20457 Hamburg", "DE 123", "ada@example.com", "模型 x", "topup_1",
        "Opening balance0.0000000050.0000000000.000000005", "Top-ups10.000000000", "Usage-0.000000020",
        "Closing balance9.9999999850.0000000009.999999985", "71.24", "service fee 0.000000002 USD",
    )  # fmt: skip
    for each in wanted:
        assert "".join(each.split()) in text, each
    assert pages == 1


def test_the_same_statement_is_the_same_bytes_and_a_long_one_has_its_head_on_every_page() -> None:
    one, other = io.BytesIO(), io.BytesIO()
    for file in (one, other):
        write_pdf(printed_statement(statement("a", 300), ISSUER, UNTIL), file)
    assert one.getvalue() == other.getvalue()
    pages = pypdf.PdfReader(one).pages
    assert len(pages) > 3
    assert all("Service fee USD" in page.extract_text() for page in list(pages)[:-1])
    assert "Page 2" in pages[1].extract_text()


def test_a_statement_as_csv_adds_up_and_has_no_formula() -> None:
    rows = list(csv.DictReader(statement_lines(statement("a"))))
    assert tuple(rows[0]) == HEADER
    sums: dict[str, Usd] = {}
    for row in rows:
        sums[row["Section"]] = sums.get(row["Section"], Usd(0)) + Usd.parse(row["Amount USD"])
    assert sums["opening balance"] + sums["movement"] == sums["closing balance"]
    assert sums["usage"] == Usd(20)
    assert not any(cell.startswith("=") for row in rows for cell in row.values())


async def test_a_receipt_names_the_payment_the_payer_and_the_operator(till: Any) -> None:
    opened = await till.open()
    async with till.pool.acquire() as conn:
        with pytest.raises(Conflict):
            await make_payment_receipt(conn, opened.id, ISSUER)
        till.processor.pay(opened.shown_id)
        paid = await fulfil(till.funding, opened.id)
        text, _ = text_of(await make_payment_receipt(conn, opened.id, ISSUER))
    for each in (
        opened.shown_id,
        str(paid.capture_id),
        "10.000000000USD",
        "10.00USD",
        "ada@example.com",
        "not a tax invoice",
    ):
        assert "".join(each.split()) in text, each
