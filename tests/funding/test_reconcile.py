"""Reconciliation: our record against the statements of providers and processors."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.accounts.requests import write_entry, write_request
from tests.funding.conftest import START
from tests.funding.test_disputes import dispute, hear

from tokenharbor.billing.detail import Attempt
from tokenharbor.funding.balances import read_address_balances
from tokenharbor.funding.fulfil import fulfil
from tokenharbor.funding.reconcile import reconcile_processor, reconcile_provider
from tokenharbor.funding.statement_reading import read_costs, read_movements
from tokenharbor.kernel.errors import Rejected
from tokenharbor.kernel.money import Money, Usd
from tokenharbor.ledger.comparisons import ComparedModel, ComparisonExpense
from tokenharbor.payments.types import DisputeState

DAY = timedelta(days=1)
CENT = Usd.parse("0.01")


async def owe(till: Any, conn: Any, model: str, usd: str, provider: str = "acme") -> None:
    """Record a request that this provider served, and its cost to us."""
    request_id, at = till.world.ids.new(), till.clock.now()
    attempt = Attempt(provider, model, "ok", 1)
    await write_request(conn, request_id, till.account_id, at=at, attempts=(attempt,))
    seq = await conn.fetchval("select count(*) + 1 from entry")
    cost = Usd.parse(usd)
    await write_entry(conn, request_id, till.account_id, at=at, provider=provider, seq=seq, vendor_cost=cost)


async def test_a_provider_is_compared_by_day_and_model_and_by_day(till: Any) -> None:
    async with till.pool.acquire() as conn:
        await owe(till, conn, "large", "1.50")
        await owe(till, conn, "large", "0.504")
        await owe(till, conn, "small", "0.25")
        await owe(till, conn, "small", "9", provider="another")
        till.clock.advance(DAY)
        await owe(till, conn, "small", "0.10")
        agreed = read_costs(
            ["date,model,amount_usd", "2026-03-31,large,2", "2026-03-31,small,0.25", "2026-04-01,small,0.10"]
        )
        found = await reconcile_provider(conn, "acme", agreed, CENT)
        assert (found.compared, found.differences) == (3, [])
        assert len((await reconcile_provider(conn, "acme", agreed, Usd(0))).differences) == 1
        other = read_costs(["date,model,amount_usd", "2026-03-31,large,3", "2026-04-01,odd,0.10"])
        found = await reconcile_provider(conn, "acme", other, CENT)
        assert [(each.what, each.ours, each.theirs) for each in found.differences] == [
            ("2026-03-31 large", "2.004000000", "3.000000000"),
            ("2026-03-31 small", "0.250000000", "-"),
            ("2026-04-01 odd", "-", "0.100000000"),
            ("2026-04-01 small", "0.100000000", "-"),
        ]
        by_day = read_costs(["date,amount_usd", "2026-03-31,2.25", "2026-04-01,0.10"])
        assert (await reconcile_provider(conn, "acme", by_day, CENT)).differences == []


async def test_what_comparisons_of_answers_cost_is_on_a_providers_bill(till: Any) -> None:
    async with till.pool.acquire() as conn:
        await owe(till, conn, "large", "1.50")
        expense = ComparisonExpense(till.pool)
        for provider, model, usd in (("acme", "large", "0.25"), ("acme", "small", "0.10"), ("another", "large", "9")):
            hold = await expense.reserve(till.clock.now(), Usd.parse("10"), Usd.parse("100"))
            assert hold is not None
            await expense.settle(hold, ComparedModel(provider, model), Usd.parse(usd))
        bill = read_costs(["date,model,amount_usd", "2026-03-31,large,1.75", "2026-03-31,small,0.10"])
        assert (await reconcile_provider(conn, "acme", bill, Usd(0))).differences == []
        by_day = read_costs(["date,amount_usd", "2026-03-31,1.85"])
        assert (await reconcile_provider(conn, "acme", by_day, Usd(0))).differences == []
        books = {each.address: each.amount for each in (await read_address_balances(conn)).balances}
        assert books["payable/provider/acme"] == Usd.parse("-1.85"), "the books and the bill say the same"


async def test_a_processor_is_compared_by_capture(till: Any) -> None:
    captures = []
    for key in ("one", "two", "three"):
        opened = await till.open(key=key)
        till.processor.pay(opened.shown_id)
        captures.append(str((await fulfil(till.funding, opened.id)).capture_id))
    head, name = "date,type,id,amount,currency,fee", till.processor.name
    fees = [int(fee) for (fee,) in await till.fetch("select fee from capture order by paid_at, capture_id")]
    lines = [f"2026-03-31,capture,{each},10.00,usd,-{Usd(fees[0])}" for each in captures]
    async with till.pool.acquire() as conn:
        assert (await reconcile_processor(conn, name, read_movements([head, *lines]))).differences == []
        wrong = [lines[0].replace("10.00", "11.00"), lines[1], lines[1], "2026-03-31,refund,re_9,4.00,USD,"]
        found = await reconcile_processor(conn, name, read_movements([head, *wrong]))
    differences = {each.what: (each.ours[:9], each.theirs[:9]) for each in found.differences}
    assert differences == {
        f"capture {captures[0]}": ("10.00 USD", "11.00 USD"),
        f"capture {captures[1]}": ("10.00 USD", "10.00 USD"),
        f"capture {captures[2]}": ("10.00 USD", "-"),
        "refund re_9": ("-", "4.00 USD"),
    }


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (["day,amount_usd", "2026-03-31,1"], "date"),
        (["date,amount_usd"], "no lines"),
        (["date,amount_usd", "2026-03-31,1", "31.3.26,1"], "line 3"),
        (["date,amount_usd", "2026-03-31,1e3"], "line 2"),
        (["date,amount_usd", f"2026-03-31,{'1' * 200_000}"], "CSV"),
    ],
)
def test_a_statement_that_cannot_be_read_is_refused_with_its_line(lines: list[str], named: str) -> None:
    with pytest.raises(Rejected, match=named):
        read_costs(lines)


def test_a_statement_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "statement.csv"
    path.write_text("date,amount_usd\n2026-03-31,1\n", "utf-16")
    with path.open(encoding="utf-8-sig") as lines, pytest.raises(Rejected, match="UTF-8"):
        read_costs(lines)


def test_a_move_is_a_capture_or_a_refund() -> None:
    head = "date,type,id,amount,currency"
    with pytest.raises(Rejected, match="line 2"):
        read_movements([head, f"{START:%Y-%m-%d},payout,x,1.00,USD"])
    assert read_movements([head, "2026-03-31T10:00:00Z,refund,x,-1.00,usd"])[0].minor == -100


async def test_disputes_fees_and_totals_are_compared(till: Any) -> None:
    paid_for = await till.open()
    till.processor.pay(paid_for.shown_id)
    capture = (await fulfil(till.funding, paid_for.id)).capture_id
    fee = Money("USD", 1500)
    taken = dispute(till, 1000, DisputeState.FUNDS_WITHDRAWN, 1000)
    till.processor.disputes[taken.dispute_id] = msgspec.structs.replace(taken, fee=fee)
    for number in (1, 2):
        await hear(till, taken, number)
    head, name = "date,type,id,amount,currency,fee", till.processor.name
    march = [
        f"2026-03-31,capture,{capture},10.00,usd,0.59",
        f"2026-03-31,dispute,{taken.dispute_id},-10.00,usd,15.00",
        "2026-03-31,fee,,-2.00,usd,",
        "2026-03-31,transfer,po_1,-5.00,usd,",
    ]
    async with till.pool.acquire() as conn:
        found = await reconcile_processor(conn, name, read_movements([head, *march]))
        assert (found.compared, found.differences) == (2, [])
        (total,) = found.totals
        assert (total.ours, total.theirs, total.fees, total.transfers, total.closing) == (0, 0, -200, -500, -700)
        assert found.fees == (Usd.parse("15.59"), Usd.parse("15.59"))
        other = [march[0], march[1].replace("15.00", "20.00")]
        (differs,) = (await reconcile_processor(conn, name, read_movements([head, *other]))).differences
        assert differs.what == f"dispute {taken.dispute_id}"
    till.clock.advance(DAY)
    won = dispute(till, 1000, DisputeState.WON)
    till.processor.disputes[won.dispute_id] = msgspec.structs.replace(won, fee=fee)
    await hear(till, won, 3)
    april = [f"2026-04-01,dispute_reversal,{won.dispute_id},10.00,usd,"]
    async with till.pool.acquire() as conn:
        found = await reconcile_processor(conn, name, read_movements([head, *april]))
        assert (found.differences, found.totals[0].ours) == ([], 1000)
        taken_again = await reconcile_processor(conn, name, read_movements([head, april[0].replace("_reversal", "")]))
        assert [(each.ours, each.theirs) for each in taken_again.differences] == [("10.00 USD back", "10.00 USD")]
        both = [*march, *april]
        assert (await reconcile_processor(conn, name, read_movements([head, *both]))).differences == []
        books = await read_address_balances(conn)
    balances = {each.address: each.amount for each in books.balances}
    assert (books.difference, books.accounts) == (0, Usd.parse("10"))
    assert balances["expense/processor_fee"] == -Usd.parse("15.59")
    assert balances["clearing/stripe/usd"] == Usd.parse("15.59") - Usd.parse("10")


async def test_withdrawals_are_compared(till: Any) -> None:
    payee, withdrawal = till.world.ids.new(), till.world.ids.new()
    await till.pool.execute(
        "insert into payee values ($1, $2, 'stripe', 'email', 'digest', $3, 'customer')",
        payee, till.account_id, till.clock.now(),
    )  # fmt: skip
    await till.pool.execute(
        "insert into withdrawal (id, account_id, idempotency_key, actor, payee_id, processor, pretended, amount, "
        "currency, amount_minor, fee, state, asked_at, ended_at, processor_payout_id) values ($1, $2, 'k', 'customer', "
        "$3, 'stripe', false, 5000000000, 'USD', 500, 250000000, 'done', $4, $4, 'PAYOUT1')",
        withdrawal, till.account_id, payee, till.clock.now(),
    )  # fmt: skip
    head = "date,type,id,amount,currency,fee"
    async with till.pool.acquire() as conn:
        agreed = read_movements([head, "2026-03-31,withdrawal,PAYOUT1,-5.00,usd,0.25"])
        assert (await reconcile_processor(conn, "stripe", agreed)).differences == []
        none = read_movements([head, "2026-03-31,other,x,-1.00,usd,"])
        found = await reconcile_processor(conn, "stripe", none)
    assert [(each.what, each.ours, each.theirs) for each in found.differences] == [
        ("withdrawal PAYOUT1", "5.00 USD", "-")
    ]
    assert found.totals[0].others == -100
