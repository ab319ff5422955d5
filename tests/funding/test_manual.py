"""Payments that an operator records: once per reference, large ones by two people."""

import asyncio

import pytest
from tests.funding.conftest import Till

from tokenharbor.funding.fulfil import fulfil
from tokenharbor.funding.manual import ManualPayment, confirm_payment, record_payment
from tokenharbor.funding.types import TopUp
from tokenharbor.kernel.errors import Conflict, Missing, Rejected
from tokenharbor.kernel.money import Usd


async def record(till: Till, usd: str, reference: str = "BANK-1", actor: str = "kim") -> TopUp:
    return await record_payment(till.funding, ManualPayment(till.account_id, Usd.parse(usd), reference, actor))


async def test_a_recorded_payment_is_credited_at_once_and_its_reference_used_up(till: Till) -> None:
    paid = await record(till, "250.50")
    assert (paid.state, paid.processor, paid.capture_id, paid.actor) == ("paid", "manual", "BANK-1", "kim")
    assert (await till.balance()).available == Usd.parse("250.50")
    for same in ("BANK-1", "bank-1", " BANK - 1"):
        with pytest.raises(Conflict, match=paid.shown_id):
            await record(till, "250.50", same)
    assert await till.fetch("select instrument, dispute_until from capture") == [("", None)]
    assert (await fulfil(till.funding, paid.id)).state == "paid"
    await till.check_books(1)


async def test_a_banks_reference_is_in_no_entry(till: Till) -> None:
    paid = await record(till, "250.50", "JOHN.DOE")
    assert (paid.processor_id, paid.capture_id) == ("JOHN.DOE", "JOHN.DOE")
    assert await till.fetch("select reference from entry") == [(f"capture/manual/{paid.shown_id}",)]
    for table in ("entry", "entry_reference", "entry_note", "posting"):
        assert await till.fetch(f"select 1 from {table} t where t::text ilike '%john%'") == []  # noqa: S608
    await till.check_books(1)


async def test_one_reference_of_many_at_once_is_credited_once(till: Till) -> None:
    done = await asyncio.gather(*(record(till, "20") for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(each, TopUp) for each in done) == 1
    assert sum(isinstance(each, Conflict) for each in done) == 5
    await till.check_books(1)


async def test_a_large_payment_waits_for_a_second_person(till: Till) -> None:
    most = till.policy.topups.second_person
    waiting = await record(till, "1000.01")
    assert most == Usd.parse("1000")
    assert waiting.state == "open"
    assert (await till.balance()).available == 0
    with pytest.raises(Conflict, match="kim"):
        await confirm_payment(till.funding, waiting.id, "kim")
    await till.check_books(0)
    paid = await confirm_payment(till.funding, waiting.id, "lee")
    assert (paid.state, paid.actor, paid.confirmed_by) == ("paid", "kim", "lee")
    with pytest.raises(Conflict):
        await confirm_payment(till.funding, waiting.id, "max")
    await till.check_books(1)


async def test_of_two_who_confirm_at_once_one_is_the_second_person(till: Till) -> None:
    waiting = await record(till, "2000")
    both = (confirm_payment(till.funding, waiting.id, name) for name in ("lee", "max"))
    done = await asyncio.gather(*both, return_exceptions=True)
    [paid] = [each for each in done if isinstance(each, TopUp)]
    assert sum(isinstance(each, Conflict) for each in done) == 1
    assert (await till.top_up(waiting.id)).confirmed_by == paid.confirmed_by
    await till.check_books(1)


async def test_nothing_is_recorded_where_bank_transfers_are_off(till: Till) -> None:
    till.others = {}
    with pytest.raises(Rejected) as rejected:
        await record(till, "20")
    assert rejected.value.param == "processor"


async def test_what_is_no_payment_is_refused(till: Till) -> None:
    for usd, reference, actor, param in (
        ("0.001", "REF1", "kim", "amount"),
        ("0", "REF1", "kim", "amount"),
        ("10", "", "kim", "reference"),
        ("10", "abc", "kim", "reference"),
        ("10", "../../x y", "kim", "reference"),
        ("10", "REF1", " ", "actor"),
    ):
        with pytest.raises(Rejected) as rejected:
            await record(till, usd, reference, actor)
        assert rejected.value.param == param
    nobody = ManualPayment(till.world.ids.new(), Usd.parse("10"), "REF1", "kim")
    with pytest.raises(Missing):
        await record_payment(till.funding, nobody)
    opened = await till.open()
    with pytest.raises(Conflict):
        await confirm_payment(till.funding, opened.id, "lee")
    await till.check_books(0)
