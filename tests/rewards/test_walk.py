"""Operations on rewards in random order: after each, the books and the checks of `ledger verify` hold."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

import pytest
from tests.rewards.conftest import Scene

from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.errors import BooksRefused, Conflict
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger import credit_moves
from tokenharbor.ledger.credit_moves import EntryStamp
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.rewards.audit import find_reward_fault
from tokenharbor.rewards.codes import CodeTerms, create_code, redeem
from tokenharbor.rewards.grants import claim_welcome
from tokenharbor.rewards.referrals import record_sign_up, referral_code

T = TypeVar("T")
STEPS = 150


class Walk:
    """Three accounts, the second referred by the first; what is done next is drawn."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self.scene = scene
        self.entropy = SeededEntropy(seed)
        self.accounts: list[UUID] = []
        self.lots: list[tuple[UUID, UUID]] = []
        self.returns: list[tuple[UUID, UUID, UUID, Usd, str]] = []

    def draw(self, options: Sequence[T]) -> T:
        return options[int.from_bytes(self.entropy.bytes(4), "big") % len(options)]

    async def begin(self) -> None:
        scene = self.scene
        scene.change("grants", daily_usd="0.25")
        self.accounts = [await scene.sign_up() for _ in range(3)]
        code = await referral_code(scene.conn, scene.world, self.accounts[0])
        await record_sign_up(scene.conn, scene.world, code, self.accounts[1])

    async def step(self) -> str:
        """What was done."""
        what = self.draw(
            ["spend"] * 6 + ["run"] * 2 + ["top_up", "send_back", "send_back", "undo", "claim", "code", "wait"]
        )
        amount = self.draw(["0.013", "1", "2.5", "7", "19.999999999"])
        await getattr(self, what)(self.draw(self.accounts), amount)
        return f"{what} {amount}"

    async def spend(self, account: UUID, amount: str) -> None:
        state = await self.scene.state(account)
        most = min(Usd.parse(amount), state.available)
        if most > 0 and not state.debt:
            await self.scene.spend(account, str(most))

    async def run(self, account: UUID, _amount: str) -> None:
        await self.scene.run_due(account)

    async def top_up(self, account: UUID, _amount: str) -> None:
        self.lots.append((account, await self.scene.top_up(account, self.draw(["10", "50"]), str(account))))

    async def send_back(self, _account: UUID, amount: str) -> None:
        """A part of what is left of a top-up, by a refund or a dispute."""
        account, lot = self.draw(self.lots or [(_account, _account)])
        if lot == account or not (there := (await self.scene.state(account)).unspent(lot)):
            return
        part = min(there, Usd.parse(amount))
        if self.draw([True, False]):
            paid, return_id = await self.scene.refund(account, lot, str(part))
            self.returns.append((account, return_id, lot, Usd.parse(paid), "refund"))
        else:
            return_id = await self.scene.dispute(account, lot, str(part))
            self.returns.append((account, return_id, lot, part, "dispute"))

    async def undo(self, _account: UUID, _amount: str) -> None:
        """A refund that failed, a dispute that was won: once, and then once more."""
        if not self.returns:
            return
        scene, back = self.scene, self.draw(self.returns)
        account, return_id, lot, amount, kind = back
        self.returns.remove(back)
        async with scene.conn.transaction():
            stamp, state = EntryStamp(scene.world.ids.new(), scene.clock.now()), await scene.state(account)
            if amount:
                amounts = {lot: amount}
                restored = (
                    credit_moves.restore(state, stamp, amounts)
                    if kind == "refund"
                    else credit_moves.give_back(state, stamp, amounts, "clearing/paypal/usd")
                )
                await Wallets(scene.conn).post(restored)
            for _ in range(2):
                await scene.hooks.give_back(scene.conn, account, return_id=return_id)

    async def claim(self, account: UUID, _amount: str) -> None:
        await claim_welcome(self.scene.conn, self.scene.world, self.scene.policy, account)

    async def code(self, account: UUID, amount: str) -> None:
        scene, terms = self.scene, CodeTerms(amount=Usd.parse(amount), uses=1, note="")
        made = await create_code(scene.conn, scene.world, terms, actor="operator")
        await redeem(scene.conn, scene.world, scene.policy, account, made.text)

    async def wait(self, _account: UUID, _amount: str) -> None:
        self.scene.clock.advance(timedelta(hours=9))


@pytest.mark.parametrize("seed", [1, 2])
async def test_rewards_hold_whatever_is_done_in_whatever_order(scene: Scene, seed: int) -> None:
    walk = Walk(scene, seed)
    await walk.begin()
    done = []
    for _ in range(STEPS):
        try:
            done.append(await walk.step())
        except (Conflict, BooksRefused) as error:
            done.append(f"refused: {error}")
        assert await find_reward_fault(scene.conn) is None, done[-5:]
    for account in walk.accounts:
        await scene.run_due(account)
        state = await scene.state(account)
        granted = await scene.conn.fetchval("select granted from reward_account where account_id = $1", account)
        assert (granted or 0) <= scene.policy.incentives.life
        row = await scene.conn.fetchrow("select * from top_up_match where account_id = $1", account)
        if row is not None:
            assert state.locked(row["match_lot"]) <= state.remaining(row["top_up_lot"])
    assert sum(not each.startswith("refused") for each in done) > STEPS // 2
    await scene.check_books()
