"""Moves of credit in PostgreSQL: the effect of each on the balance, and refusals."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.money import MAX_NANO, Usd
from tokenharbor.ledger import credit_moves
from tokenharbor.ledger.checks import check_entry
from tokenharbor.ledger.credit_state import CreditEntry
from tokenharbor.ledger.posting import Posting
from tokenharbor.ledger.types import Clawback, Pool


async def _pools(scene: Any) -> dict[Pool, int]:
    balance = await scene.wallets.balance(scene.account, scene.clock.now())
    return {pool: int(amount) for pool, amount in balance.pools.items()}


async def test_TH_B5_a_match_is_shown_as_locked_and_cannot_be_spent(scene: Any) -> None:
    await scene.credit(10)
    match = await scene.match(80)
    assert await _pools(scene) == {Pool.PAID: 10, Pool.LOCKED: 80}
    assert await scene.available() == 10
    await scene.move(lambda state: credit_moves.unlock(state, scene.stamp(), match.lot_id, Usd(30)))
    assert await _pools(scene) == {Pool.PAID: 10, Pool.MATCH: 30, Pool.LOCKED: 50}
    assert await scene.available() == 40
    with pytest.raises(BooksRefused):
        await scene.move(lambda state: credit_moves.unlock(state, scene.stamp(), match.lot_id, Usd(51)))
    assert await scene.fault() is None


async def test_TH_B5_what_is_locked_expires_with_its_campaign(scene: Any) -> None:
    match = await scene.match(80, timedelta(hours=1))
    await scene.move(lambda state: credit_moves.unlock(state, scene.stamp(), match.lot_id, Usd(30)))
    hold = scene.hold(10)
    await scene.place(hold)
    scene.clock.advance(timedelta(hours=2))
    assert await _pools(scene) == {Pool.MATCH: 10}
    await scene.wallets.expire(scene.account, scene.clock.now())
    assert await _pools(scene) == {Pool.MATCH: 10}
    assert await scene.fault() is None
    await scene.release(hold)
    assert await _pools(scene) == {}
    rows = await scene.conn.fetch(
        "select p.source, p.amount from posting p join entry e on e.id = p.entry_id "
        "where e.account_id = $1 and e.type = 'expiry' order by e.seq, p.ordinal", scene.account,
    )  # fmt: skip
    own = f"account/{scene.account}"
    assert [tuple(row) for row in rows] == [(f"{own}/match", 20), (f"{own}/locked", 50), (f"{own}/match", 10)]


async def test_what_is_set_aside_is_neither_spent_nor_expires_and_returns_to_its_lot(scene: Any) -> None:
    paid = await scene.credit(100, lifetime=timedelta(hours=1))
    await scene.move(lambda state: credit_moves.set_aside(state, scene.stamp(), {paid.lot_id: Usd(60)}))
    assert await scene.available() == 40
    scene.clock.advance(timedelta(hours=2))
    await scene.wallets.expire(scene.account, scene.clock.now())
    assert await scene.available() == 0
    async with scene.conn.transaction():
        state = await scene.wallets.lock(scene.account, scene.clock.now())
    assert (state.in_payout(paid.lot_id), state.gone(paid.lot_id)) == (60, 40)
    await scene.move(
        lambda state: credit_moves.pay_out(state, scene.stamp(), {paid.lot_id: Usd(60)}, "clearing/stripe/usd")
    )
    assert await scene.fault() is None


async def test_a_restore_puts_credit_where_its_order_says(scene: Any) -> None:
    first = await scene.credit(50)
    scene.clock.advance(timedelta(seconds=1))
    await scene.credit(50)
    await scene.move(lambda state: credit_moves.set_aside(state, scene.stamp(), {first.lot_id: Usd(50)}))
    await scene.move(lambda state: credit_moves.restore(state, scene.stamp(), {first.lot_id: Usd(50)}))
    await scene.spend(10)
    async with scene.conn.transaction():
        state = await scene.wallets.lock(scene.account, scene.clock.now())
    assert (state.drawn(first.lot_id), state.remaining(first.lot_id)) == (10, 40)
    assert await scene.fault() is None


async def test_what_a_lost_dispute_took_returns_when_it_is_won(scene: Any) -> None:
    paid, now = await scene.credit(100), scene.clock.now()
    await scene.wallets.claw(
        Clawback(scene.world.ids.new(), scene.account, paid.lot_id, Usd(70), now, "clearing/stripe/usd")
    )
    give = {paid.lot_id: Usd(70)}
    await scene.move(lambda state: credit_moves.give_back(state, scene.stamp(), give, "clearing/stripe/usd"))
    assert await _pools(scene) == {Pool.PAID: 100}
    with pytest.raises(BooksRefused):
        await scene.move(lambda state: credit_moves.give_back(state, scene.stamp(), give, "clearing/stripe/usd"))
    assert await scene.fault() is None


async def test_debt_is_paid_from_other_lots_and_by_what_is_unlocked(scene: Any) -> None:
    match = await scene.match(50)
    spent, other = await scene.credit(40), await scene.credit(10)
    await scene.spend(40)
    await scene.wallets.claw(
        Clawback(scene.world.ids.new(), scene.account, spent.lot_id, Usd(40), scene.clock.now(), "clearing/a/usd")
    )
    await scene.move(lambda state: credit_moves.take_debt(state, scene.stamp(), {other.lot_id: Usd(10)}))
    unlocked = await scene.move(lambda state: credit_moves.unlock(state, scene.stamp(), match.lot_id, Usd(40)))
    assert unlocked.amount == 40
    balance = await scene.wallets.balance(scene.account, scene.clock.now())
    assert (balance.available, balance.debt) == (10, 0)
    assert await scene.fault() is None


async def test_an_account_in_debt_gets_no_match(scene: Any) -> None:
    spent = await scene.credit(40)
    await scene.spend(40)
    await scene.wallets.claw(
        Clawback(scene.world.ids.new(), scene.account, spent.lot_id, Usd(40), scene.clock.now(), "clearing/a/usd")
    )
    with pytest.raises(BooksRefused):
        await scene.match(10)


async def test_an_entry_is_written_once_by_its_id_and_by_its_reference(scene: Any) -> None:
    paid = await scene.credit(100)
    first = scene.stamp()
    stamps = [first, first, scene.stamp()]
    answers = []
    for stamp in stamps:
        async with scene.wallets.transaction():
            state = await scene.wallets.lock(scene.account, scene.clock.now())
            entry = credit_moves.set_aside(state, stamp, {paid.lot_id: Usd(10)})
            named = CreditEntry(entry.id, entry.account_id, entry.type, entry.at, entry.postings, (), f"r/{first.id}")
            answers.append(await scene.wallets.post(named))
    assert answers == [True, False, False]
    assert await scene.available() == 90


async def test_a_posting_of_another_account_or_of_no_lot_is_refused(scene: Any) -> None:
    paid, other = await scene.credit(100), await scene.open_account()
    theirs = await scene.credit(100, account=other)
    own, foreign = f"account/{scene.account}", f"account/{other}"
    for source, destination, lot_id in (
        (f"{own}/paid", f"{foreign}/paid", paid.lot_id),
        (f"{own}/trial", "clearing/a/usd", paid.lot_id),
        (f"{own}/paid", "clearing/a/usd", None),
        (f"{own}/paid", "clearing/a/usd", other),
        (f"{own}/nowhere", "clearing/a/usd", paid.lot_id),
        ("clearing/a/usd", f"{own}/paid", paid.lot_id),
        (f"{own}/debt", f"{own}/debt", other),
        (f"{own}/debt", "clearing/a/usd", other),
        (f"{own}/debt", "clearing/a/usd", theirs.lot_id),
        ("clearing/a/usd", "loss/dispute", theirs.lot_id),
    ):
        posting = Posting(Usd(1), source, destination, lot_id)
        entry = CreditEntry(scene.world.ids.new(), scene.account, "claw", scene.clock.now(), (posting,))
        with pytest.raises(BooksRefused):
            await scene.wallets.post(entry)
    assert await scene.available() == 100


async def test_an_account_made_with_budgets_has_them_in_its_wallet(lone_scene: Any) -> None:
    conn: asyncpg.Connection = lone_scene.conn
    account = lone_scene.world.ids.new()
    await conn.execute(
        "insert into account (id, created_at, name, region, edition, daily) values ($1, $2, 'a', '', 'relay', 7)",
        account, lone_scene.clock.now(),
    )  # fmt: skip
    row = await conn.fetchrow("select daily, monthly from wallet where account_id = $1", account)
    assert tuple(row) == (7, MAX_NANO)
    assert await lone_scene.fault() is None


async def test_a_posting_that_ends_where_it_began_is_refused_before_either_book_sees_it(scene: Any) -> None:
    paid = await scene.credit(100)
    own, stamp = f"account/{scene.account}/paid", scene.stamp()
    entry = CreditEntry(stamp.id, scene.account, "claw", stamp.at, (Posting(Usd(1), own, own, paid.lot_id),))
    with pytest.raises(BooksRefused):
        check_entry(entry)
