"""The checks of payments in `ledger verify`: a change of any row that matters is found."""

import pytest
from tests.funding.conftest import Till

from tokenharbor.funding.audit import find_capture_fault
from tokenharbor.funding.fulfil import fulfil


async def find(till: Till) -> str | None:
    async with till.pool.acquire() as conn:
        return await find_capture_fault(conn)


@pytest.mark.parametrize(
    "change",
    [
        "update capture set captured = captured + 1",
        "update capture set lot_id = gen_random_uuid()",
        "update capture set captured_minor = captured_minor - 1",
        "update capture set capture_id = 'another'",
        "update capture set refunded = 1",
        "update top_up set state = 'open', paid_at = null",
        "update top_up set amount_minor = 1",
        "update wallet set topped_up = topped_up + 1",
        "delete from capture",
    ],
)
async def test_payments_and_books_agree_until_a_row_is_changed(till: Till, change: str) -> None:
    opened = await till.open()
    assert await find(till) is None
    till.processor.pay(opened.shown_id)
    await fulfil(till.funding, opened.id)
    assert await find(till) is None
    await till.pool.execute(change)
    assert (await find(till) or "").startswith("payments: ")
