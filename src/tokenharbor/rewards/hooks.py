"""The hooks of rewards in other rooms' transactions: before credit moves, after a top-up, when money goes back."""

from collections.abc import Callable
from dataclasses import dataclass

import asyncpg

from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.world import World
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.rewards import due, returns
from tokenharbor.rewards.matches import CapturedTopUp, match_top_up
from tokenharbor.rewards.returns import TakenRewards, TopUpReturn, plan_return
from tokenharbor.rewards.store import SQL

_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class RewardHooks:
    """The hooks for the rooms that move credit. `policy` returns the edition in force."""

    world: World
    policy: Callable[[], Policy]

    async def run_due(self, conn: asyncpg.Connection, account_id: UUID) -> None:
        """Run the rewards that are due on the account; called before credit moves, and after it has moved."""
        await due.run_due(conn, self.world, self.policy(), account_id)
        await returns.reclaim_excess(conn, self.world, account_id)

    async def captured(self, conn: asyncpg.Connection, capture: CapturedTopUp) -> None:
        """Called after a capture was credited."""
        await match_top_up(conn, self.world, self.policy(), capture)

    async def preview_return(
        self, conn: asyncpg.Connection, account_id: UUID, lot_id: UUID, amount: Usd
    ) -> TakenRewards:
        """Return what `take_back` would take, without changing anything."""
        state = await Wallets(conn).lock(account_id, self.world.clock.now())
        part = TopUpReturn(account_id, lot_id, amount, _NOBODY, disputed=False)
        return (await plan_return(conn, state, part)).taken

    async def take_back(
        self,
        conn: asyncpg.Connection,
        account_id: UUID,
        lot_id: UUID,
        amount: Usd,
        *,
        return_id: UUID,
        disputed: bool,
    ) -> TakenRewards:
        """Take back the rewards for `amount` of a top-up's lot that is about to leave, or has left if `disputed`."""
        return await returns.take_back(
            conn, self.world, TopUpReturn(account_id, lot_id, amount, return_id, disputed=disputed)
        )

    async def give_back(self, conn: asyncpg.Connection, account_id: UUID, *, return_id: UUID) -> None:
        """Give back the rewards: the refund or withdrawal failed, or the dispute was won. The lot is restored
        already.
        """
        await returns.give_back(conn, self.world, account_id, return_id)

    async def held_back(self, conn: asyncpg.Connection, account_id: UUID) -> frozenset[UUID]:
        """Return the lots that may not be withdrawn yet, whatever their own terms say."""
        rows = await conn.fetch(SQL.held_back, account_id, self.world.clock.now())
        return frozenset(row["id"] for row in rows)
