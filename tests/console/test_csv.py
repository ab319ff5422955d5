"""Every file that a spreadsheet opens: what it would compute is text, whoever wrote it."""

import csv
import re

import pytest
from tests.console.conftest import Office
from tests.console.spending import spend
from tests.console.test_authority import OPERATIONS

from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel import ids
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger.export import csv_text
from tokenharbor.ledger.types import Pool

FORMULAS = ("=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1")
EVIL = '=HYPERLINK("https://evil.example";"open")'
AMOUNT = re.compile(r"-?\d+(\.\d+)?")
CSVS = [each for each in OPERATIONS if each.path.endswith(".csv")]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_would_compute_is_text(text: str) -> None:
    assert csv_text(text) == f"'{text}"
    assert csv_text(f"x{text}") == f"x{text}"


def test_the_files_are_all_that_the_api_has() -> None:
    kinds = {each.path.rpartition("/")[2] for each in CSVS}
    assert kinds == {"ledger.csv", "statements.csv", "usage.csv"}


async def test_no_cell_of_a_csv_is_a_formula(office: Office, database_url: str) -> None:
    """A model that a customer, or a catalogue, calls a formula; what a processor calls a capture; a reason."""
    await office.grant("5", Pool.PAID)
    owner = office.member(AccountRole.OWNER)
    said = await owner.ask("POST", f"{office.account_path}/keys", json={"name": EVIL})
    payer = Payer(office.account.id, ids.parse("key", said.json()["id"]))
    for model in (EVIL, "-2+3", "@x", "\tx"):
        await spend(database_url, office.context.world, payer, "0.01", model=model)
    opened = await owner.ask(
        "POST", f"{office.account_path}/top-ups", json={"amount_usd": "10"}, headers={"idempotency-key": "k"}
    )
    office.processor.pay(opened.json()["id"], capture_id=EVIL)
    await owner.ask("POST", f"{office.account_path}/top-ups/{opened.json()['id']}/sync")
    for each in CSVS:
        path = each.path.replace("{account_id}", ids.show("acct", office.account.id))
        said = await owner.get(f"{path}?until=2026-03-02T00:00:00Z")
        cells = [cell for row in csv.reader(said.text.splitlines(keepends=True)) for cell in row]
        assert any("HYPERLINK" in cell for cell in cells), (each.path, "the test shows nothing there")
        for cell in cells:
            assert AMOUNT.fullmatch(cell) or csv_text(cell) == cell, (each.path, cell)
