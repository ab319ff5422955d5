"""Tax that a processor adds: it grants no credit, is owed, and goes back with the part that is refunded."""

import random
from typing import Any

import msgspec
from tests.funding.conftest import Till
from tests.funding.test_disputes import dispute, hear
from tests.funding.test_refunds import refund, tell

from tokenharbor.funding.audit import find_capture_fault
from tokenharbor.funding.documents import TopUpDocument
from tokenharbor.funding.fulfil import fulfil
from tokenharbor.funding.payment_receipts import make_payment_receipt
from tokenharbor.funding.printed import Issuer
from tokenharbor.funding.rates import set_exchange_rate
from tokenharbor.funding.types import TopUp, TopUpState
from tokenharbor.kernel.money import Money, Usd
from tokenharbor.ledger.verify import verify
from tokenharbor.payments.types import DisputeState, RefundState

CENT = 10_000_000


async def taxed(till: Till, tax_minor: int = 83, usd: str = "10", **more: Any) -> TopUp:
    """A top-up to which the processor has added a tax."""
    opened = await till.open(usd, **more)
    gross = Money(opened.money.currency, opened.money.minor + tax_minor)
    till.processor.pay(opened.shown_id, gross)
    till.processor.change(opened.shown_id, tax_minor=tax_minor)
    return await fulfil(till.funding, opened.id)


async def balances(till: Till, place: str = "usd") -> tuple[int, int, int]:
    """What came by the processor less what went back, what of it is owed as tax, and what of it is a loss of ours."""
    flows = await till.fetch(
        "select a, sum(amount)::bigint from (select destination as a, amount from posting"
        " union all select source, -amount from posting) x group by a"
    )
    by_address = {str(where): int(amount) for where, amount in flows}
    owed, lost = by_address.get("payable/tax", 0), -by_address.get("loss/dispute", 0)
    return -by_address.get(f"clearing/stripe/{place}", 0), owed, lost


async def check(till: Till) -> None:
    async with till.pool.acquire() as conn:
        assert await find_capture_fault(conn) is None
        assert (await verify(conn)).fault is None


async def test_what_is_credited_is_the_amount_before_tax(till: Till) -> None:
    top_up = await taxed(till)
    assert (top_up.state, top_up.money, top_up.tax_minor) == (TopUpState.PAID, Money("USD", 1083), 83)
    assert (await till.balance()).available == Usd.parse("10")
    assert await balances(till) == (1083 * CENT, 83 * CENT, 0)
    assert await till.fetch("select topped_up from wallet") == [(10_000_000_000,)]
    shown = TopUpDocument.of(top_up)
    assert (shown.amount, shown.tax, shown.credit_usd) == ("10.83", "0.83", Usd.parse("10"))
    async with till.pool.acquire() as conn:
        printed = await make_payment_receipt(conn, top_up.id, Issuer())
    items = [(row[0], str(row[2])) for row in printed.tables[0].rows]
    assert items == [("Credit for API usage", "10.00 USD"), ("Tax", "0.83 USD"), ("Total", "10.83 USD")]
    assert await fulfil(till.funding, top_up.id) == top_up  # read again, it is what it was
    await check(till)


async def test_another_amount_before_tax_than_was_asked_for_credits_nothing(till: Till) -> None:
    opened = await till.open()
    till.processor.pay(opened.shown_id, Money("USD", 1083))
    till.processor.change(opened.shown_id, tax_minor=84)
    assert (await fulfil(till.funding, opened.id)).state is TopUpState.REVIEW
    assert (await till.balance()).available == 0


async def test_a_refund_of_a_part_gives_its_tax_back_and_the_last_one_all_of_it(till: Till) -> None:
    top_up = await taxed(till)
    first = await refund(till, top_up, "a", "3.33")
    assert first.money == Money("USD", 360)  # 3.33 and its tax, down to the cent
    left, owed, lost = await balances(till)
    assert (left, lost) == (723 * CENT, 0)
    assert owed == 723 * CENT - (await till.balance()).available
    await refund(till, top_up, "b")
    assert await balances(till) == (0, 0, 0)
    assert (await till.balance()).available == 0
    await check(till)


async def test_any_parts_in_any_order_never_give_back_more_tax_than_was_taken(till: Till) -> None:
    draw = random.Random(7)
    refunds = msgspec.structs.replace(till.policy.refunds, review_from=100)
    till.policy = msgspec.structs.replace(till.policy, refunds=refunds)
    for number in range(6):
        top_up = await taxed(till, draw.randint(1, 250), key=f"top-up {number}")
        till.processor.refund_state = RefundState.PENDING
        parts = [await refund(till, top_up, f"{number}/{each}", str(draw.randint(1, 3))) for each in range(3)]
        draw.shuffle(parts)
        for part, state in zip(parts, (RefundState.DONE, RefundState.FAILED, RefundState.DONE), strict=True):
            assert part.processor_refund_id is not None
            await tell(till, till.processor.change_refund(part.processor_refund_id, state))
            await check(till)
        till.processor.refund_state = RefundState.DONE
        await refund(till, top_up, f"{number}/rest")
        await check(till)
        assert await balances(till) == (0, 0, 0)


async def test_a_refund_that_comes_back_is_owed_as_tax_again(till: Till) -> None:
    made = await refund(till, await taxed(till), usd="5")
    assert made.processor_refund_id is not None
    await tell(till, till.processor.change_refund(made.processor_refund_id, RefundState.FAILED), number=2)
    assert await balances(till) == (1083 * CENT, 83 * CENT, 0)
    await check(till)


async def test_a_dispute_takes_the_tax_too_and_brings_it_back_when_it_is_won(till: Till) -> None:
    await taxed(till)
    await hear(till, dispute(till, 1083, DisputeState.FUNDS_WITHDRAWN, 1083))
    assert await balances(till) == (0, 0, 0)
    await hear(till, dispute(till, 1083, DisputeState.WON), 2)
    assert await balances(till) == (1083 * CENT, 83 * CENT, 0)
    await check(till)


async def test_what_a_dispute_takes_beyond_the_capture_is_our_loss_with_its_tax(till: Till) -> None:
    await refund(till, await taxed(till))
    await hear(till, dispute(till, 1083, DisputeState.FUNDS_WITHDRAWN, 1083))
    assert await balances(till) == (-1083 * CENT, 0, 1083 * CENT)
    await check(till)


async def test_tax_in_another_currency_is_worth_what_the_credit_was(till: Till) -> None:
    await set_exchange_rate(till.funding, "CNY", "7.2", lasts=None, actor="operator")
    top_up = await taxed(till, 600, currency="CNY", method="alipay")  # 72.00 CNY and 6.00 CNY
    paid = await balances(till, "cny")
    assert paid == (10_833_333_333, 833_333_333, 0)
    await refund(till, top_up, usd="4")
    await check(till)
    await refund(till, top_up, "rest")
    left, owed, lost = await balances(till, "cny")
    assert (owed, lost) == (0, 0)
    assert abs(left) <= 2  # what rounding of rates leaves
    await check(till)
