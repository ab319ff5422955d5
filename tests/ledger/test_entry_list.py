"""The ledger as a list agrees with its CSV, newest first, page by page."""

import csv
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger import credit_moves
from tokenharbor.ledger.entry_list import ListedEntry, list_entries
from tokenharbor.ledger.export import EntryFilter, LotPayment, export
from tokenharbor.ledger.types import Clawback, Pool


class History:
    """All kinds of entries, and their payments."""

    def __init__(self, scene: Any) -> None:
        self.scene = scene
        self.payments: dict[UUID, LotPayment] = {}

    async def read_payments(self, *_: object) -> Mapping[UUID, LotPayment]:
        return self.payments

    async def live(self) -> None:
        scene = self.scene
        paid = await scene.credit(100)
        self.payments[paid.lot_id] = LotPayment("topup_1", "CAP-1", Usd(100))
        await scene.credit(40, Pool.TRIAL, timedelta(hours=1))
        match = await scene.match(80)
        await scene.spend(30)
        await scene.place(scene.hold(5))
        await scene.spend(25)
        await scene.move(lambda state: credit_moves.unlock(state, scene.stamp(), match.lot_id, Usd(15)))
        scene.clock.advance(timedelta(hours=2))
        await scene.move(lambda state: credit_moves.set_aside(state, scene.stamp(), {paid.lot_id: Usd(20)}))
        await scene.move(lambda state: credit_moves.restore(state, scene.stamp(), {paid.lot_id: Usd(5)}))
        claw = (scene.world.ids.new(), scene.account, paid.lot_id, Usd(99), scene.clock.now(), "clearing/a/usd")
        await scene.wallets.claw(Clawback(*claw))
        last = await scene.credit(10)
        self.payments[last.lot_id] = LotPayment("topup_2", "CAP-2", Usd(10))

    async def csv(self) -> dict[str, list[dict[str, str]]]:
        """The rows of each entry, by order id and time."""
        scene, rows = self.scene, defaultdict(list)
        lines = [line async for line in export(scene.conn, scene.account, EntryFilter(), self.read_payments)]
        for number, row in enumerate(csv.DictReader(lines)):
            rows[f"{row['Type']}/{row['Order ID']}"].append({**row, "number": str(number)})
        return rows

    async def page(self, **choice: Any) -> list[ListedEntry]:
        options = {"most": 100, **choice}
        return [*await list_entries(self.scene.conn, self.scene.account, self.read_payments, **options)]


async def test_TH_B12_a_list_has_the_amounts_and_balances_of_the_csv(scene: Any) -> None:
    history = History(scene)
    await history.live()
    rows, whole = await history.csv(), await history.page()
    listed = [entry for entry in whole if entry.amount or not entry.locked]
    assert [entry.seq for entry in listed] == sorted([entry.seq for entry in listed], reverse=True)
    assert {f"{entry.kind}/{entry.order_id}" for entry in listed} == set(rows)
    assert {entry.kind for entry in listed} >= {"usage", "recharge", "operator", "unlock", "payout", "restore", "claw"}
    for entry in listed:
        own = rows[f"{entry.kind}/{entry.order_id}"]
        stated = {Pool(row["Source pool"]): Usd.parse(row["Amount USD"]) for row in own}
        assert entry.pools == stated, entry.kind
        assert entry.amount == sum(stated.values(), ZERO), entry.kind
        assert str(entry.balance) == own[-1]["Running balance USD"], entry.kind
        assert " ".join(entry.capture_ids) == own[0]["PayPal capture ID"], entry.kind


async def test_a_locked_match_is_told_beside_the_amounts_and_what_is_locked_now_is_its_sum(scene: Any) -> None:
    """Granted, unlocked in part, cancelled in part, the rest ended: each a line, and no balance counts it."""
    history = History(scene)
    await scene.credit(100)
    match = await scene.match(80, timedelta(hours=1))
    lot = match.lot_id
    await scene.move(lambda state: credit_moves.unlock(state, scene.stamp(), lot, Usd(15)))
    await scene.move(lambda state: credit_moves.reclaim_locked(state, scene.stamp(), lot, Usd(25)))
    scene.clock.advance(timedelta(hours=2))
    await scene.credit(1)  # what has expired leaves before it
    told = [(entry.kind, entry.amount, entry.locked, entry.balance) for entry in reversed(await history.page())]
    assert told == [
        ("recharge", 100, 0, 100),
        ("match", 0, 80, 100),
        ("unlock", 15, -15, 115),
        ("match_cancelled", 0, -25, 115),
        ("expiry", -15, -40, 100),
        ("recharge", 1, 0, 101),
    ]
    assert sum(locked for _, _, locked, _ in told) == 0
    rows = [row for own in (await history.csv()).values() for row in own]
    assert sum((Usd.parse(row["Amount USD"]) for row in rows), ZERO) == sum(amount for _, amount, _, _ in told) == 101


async def test_pages_and_kinds_leave_nothing_out(scene: Any) -> None:
    history = History(scene)
    await history.live()
    whole = await history.page()
    paged: list[ListedEntry] = []
    while page := await history.page(most=2, before=paged[-1].seq if paged else None):
        paged += page
    assert paged == whole
    assert await history.page(kinds=["usage"]) == [entry for entry in whole if entry.kind == "usage"]
    chosen = await history.page(kinds=["recharge", "unlock"], most=2)
    assert chosen == [entry for entry in whole if entry.kind in ("recharge", "unlock")][:2]
    assert await history.page(kinds=[]) == []
