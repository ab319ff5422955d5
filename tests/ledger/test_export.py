"""The ledger as CSV: every balance is the one before plus the row's amount."""

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger import credit_moves
from tokenharbor.ledger.export import EntryFilter, LotPayment, export
from tokenharbor.ledger.types import Clawback, Pool

EVERYTHING = EntryFilter()


async def no_payments(*_: object) -> Mapping[UUID, LotPayment]:
    return {}


async def _rows(
    scene: Any, choice: EntryFilter = EVERYTHING, payments: Mapping[UUID, LotPayment] | None = None
) -> Sequence[dict[str, str]]:
    async def read_payments(*_: object) -> Mapping[UUID, LotPayment]:
        return payments or {}

    return list(csv.DictReader([line async for line in export(scene.conn, scene.account, choice, read_payments)]))


async def test_every_balance_is_the_one_before_plus_the_amount(scene: Any) -> None:
    await scene.credit(60)
    trial = await scene.credit(100, Pool.TRIAL, timedelta(hours=1))
    await scene.spend(50)
    hold = scene.hold(30)
    await scene.place(hold)
    scene.clock.advance(timedelta(hours=2))
    await scene.settle(scene.settlement(hold, 70, bound=70))
    claw = Clawback(
        scene.world.ids.new(), scene.account, trial.lot_id, Usd(5), scene.clock.now(), "clearing/manual/usd"
    )
    await scene.wallets.claw(claw)
    await scene.credit(20)
    rows = await _rows(scene)
    assert [(row["Type"], row["Source pool"], row["Amount USD"]) for row in rows] == [
        ("recharge", "paid", "0.000000060"),
        ("operator", "trial", "0.000000100"),
        ("usage", "trial", "-0.000000050"),
        ("expiry", "trial", "-0.000000020"),
        ("usage", "trial", "-0.000000030"),
        ("usage", "paid", "-0.000000040"),
        ("recharge", "paid", "0.000000015"),
    ]
    balance = ZERO
    for row in rows:
        balance += Usd.parse(row["Amount USD"])
        assert row["Running balance USD"] == str(balance)
    final = await scene.wallets.balance(scene.account, scene.clock.now())
    assert balance == final.available + final.held


async def test_TH_B12_only_what_can_be_spent_or_is_held_counts(scene: Any) -> None:
    """Locked credit has no row until it is unlocked; what is set aside leaves at once, and a restore brings it back."""
    paid = await scene.credit(100)
    match = await scene.match(80)
    await scene.spend(30)
    await scene.move(lambda state: credit_moves.unlock(state, scene.stamp(), match.lot_id, Usd(30)))
    await scene.move(lambda state: credit_moves.set_aside(state, scene.stamp(), {paid.lot_id: Usd(60)}))
    await scene.move(lambda state: credit_moves.restore(state, scene.stamp(), {paid.lot_id: Usd(20)}))
    await scene.move(lambda state: credit_moves.pay_out(state, scene.stamp(), {paid.lot_id: Usd(40)}, "clearing/a/usd"))
    await scene.move(lambda state: credit_moves.reclaim_locked(state, scene.stamp(), match.lot_id, Usd(50)))
    rows = await _rows(scene)
    assert [(row["Type"], row["Source pool"], row["Amount USD"], row["Running balance USD"]) for row in rows] == [
        ("recharge", "paid", "0.000000100", "0.000000100"),
        ("usage", "paid", "-0.000000030", "0.000000070"),
        ("unlock", "match", "0.000000030", "0.000000100"),
        ("payout", "paid", "-0.000000060", "0.000000040"),
        ("restore", "paid", "0.000000020", "0.000000060"),
    ]
    balance = await scene.wallets.balance(scene.account, scene.clock.now())
    assert balance.available + balance.held == 60
    assert await scene.fault() is None


async def test_a_row_says_when_in_utc_and_which_request_or_entry(scene: Any) -> None:
    credit = await scene.credit(60, reference="once/1")
    hold = scene.hold(30)
    await scene.place(hold)
    await scene.settle(scene.settlement(hold, 30))
    recharge, usage = await _rows(scene)
    assert recharge["Date (ISO UTC)"] == "2026-11-25T12:00:00.000000Z"
    assert recharge["Order ID"] == ids.show("ent", credit.entry_id)
    assert recharge["PayPal capture ID"] == "", "a reference is no capture"
    assert usage["Order ID"] == ids.show("req", hold.request_id)


async def test_TH_B12_what_moves_a_payments_credit_names_its_order_and_its_capture(scene: Any) -> None:
    """A payment has its row even where debt took all of it; usage and expiry name no capture."""
    first, second = await scene.credit(100), await scene.credit(50)
    trial = await scene.credit(10, Pool.TRIAL, timedelta(hours=1))
    payments = {
        first.lot_id: LotPayment("topup_1", "CAP-1", Usd(1)),
        second.lot_id: LotPayment("topup_2", "CAP-2", Usd(1)),
    }
    await scene.spend(130)
    await scene.wallets.claw(
        Clawback(scene.world.ids.new(), scene.account, first.lot_id, Usd(100), scene.clock.now(), "clearing/a/usd")
    )
    third = await scene.credit(60)
    payments[third.lot_id] = LotPayment("topup_3", "CAP-3", Usd(1))
    await scene.move(lambda state: credit_moves.set_aside(state, scene.stamp(), {second.lot_id: Usd(5)}))
    rows = await _rows(scene, EVERYTHING, payments)
    named = [(row["Type"], row["Amount USD"][-3:], row["Order ID"][:7], row["PayPal capture ID"]) for row in rows]
    assert trial.lot_id not in payments
    assert named[:5] == [
        ("recharge", "100", "topup_1", "CAP-1"),
        ("recharge", "050", "topup_2", "CAP-2"),
        ("operator", "010", f"ent_{ids.show('ent', trial.entry_id)[4:7]}", ""),
        ("usage", "010", f"req_{rows[3]['Order ID'][4:7]}", ""),
        ("usage", "120", f"req_{rows[4]['Order ID'][4:7]}", ""),
    ]
    assert ("recharge", "000", "topup_3", "CAP-3") in named
    assert [capture for kind, *_, capture in named if kind == "payout"] == ["CAP-2"]


async def test_a_choice_leaves_balances_as_they_are(scene: Any) -> None:
    await scene.credit(60)
    await scene.spend(50)
    scene.clock.advance(timedelta(hours=12))
    await scene.credit(7)
    recharges = await _rows(scene, EntryFilter(types=["recharge"]))
    assert [row["Running balance USD"] for row in recharges] == ["0.000000060", "0.000000017"]
    midnight = datetime(2026, 11, 26, tzinfo=UTC)
    assert [row["Amount USD"] for row in await _rows(scene, EntryFilter(since=midnight))] == ["0.000000007"]
    assert len(await _rows(scene, EntryFilter(until=midnight))) == 2


async def test_a_formula_in_a_capture_is_text(scene: Any) -> None:
    credit = await scene.credit(1)
    payments = {credit.lot_id: LotPayment("topup_1", f"=cmd|{scene.account}", Usd(1))}
    assert (await _rows(scene, EVERYTHING, payments))[0]["PayPal capture ID"].startswith("'=")


async def test_nobody_has_no_ledger(scene: Any) -> None:
    with pytest.raises(Missing):
        [line async for line in export(scene.conn, scene.world.ids.new(), EVERYTHING, no_payments)]
