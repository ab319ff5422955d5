"""What rewards do in the transactions of others: before credit moves, after a top-up, and when money goes back."""

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
    """What the rooms that move credit are given. `policy` is the edition in force."""

    world: World
    policy: Callable[[], Policy]

    async def run_due(self, conn: asyncpg.Connection, account_id: UUID) -> None:
        """Before credit moves, and after it has: what is due on the account."""
        await due.run_due(conn, self.world, self.policy(), account_id)
        await returns.reclaim_excess(conn, self.world, account_id)

    async def captured(self, conn: asyncpg.Connection, capture: CapturedTopUp) -> None:
        """After a capture was credited."""
        await match_top_up(conn, self.world, self.policy(), capture)

    async def preview_return(
        self, conn: asyncpg.Connection, account_id: UUID, lot_id: UUID, amount: Usd
    ) -> TakenRewards:
        """What `take_back` would take; nothing is changed."""
        state = await Wallets(conn).lock(account_id, self.world.clock.now())
        gone = TopUpReturn(account_id, lot_id, amount, _NOBODY, disputed=False)
        return (await plan_return(conn, state, gone)).taken

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
        """`amount` of a top-up's own lot is about to leave by a refund or withdrawal, or has left by a dispute."""
        return await returns.take_back(
            conn, self.world, TopUpReturn(account_id, lot_id, amount, return_id, disputed=disputed)
        )

    async def give_back(self, conn: asyncpg.Connection, account_id: UUID, *, return_id: UUID) -> None:
        """The refund or withdrawal failed, or the dispute was won; the top-up's own lot has been restored."""
        await returns.give_back(conn, self.world, account_id, return_id)

    async def held_back(self, conn: asyncpg.Connection, account_id: UUID) -> frozenset[UUID]:
        """Lots that may not be withdrawn yet, beside what they say themselves."""
        rows = await conn.fetch(SQL.held_back, account_id, self.world.clock.now())
        return frozenset(row["id"] for row in rows)
