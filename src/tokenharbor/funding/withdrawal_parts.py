"""Takes the credit of a payout from lots, and takes back the rewards that belong to it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from tokenharbor.funding import withdrawal_store
from tokenharbor.funding.context import Funding, RewardReturn
from tokenharbor.funding.withdrawable import RETURNED, TOP_UP, DestinationKind, read_outlook
from tokenharbor.funding.withdrawal_types import WithdrawalPart
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import NANO_PER_CENT, ZERO, Usd
from tokenharbor.ledger.wallets import Wallets


@dataclass(frozen=True, slots=True)
class RewardSums:
    """The rewards that are taken back with several top-ups."""

    locked: Usd = ZERO
    cashback: Usd = ZERO
    reduced: Usd = ZERO

    def plus(self, more: RewardReturn) -> "RewardSums":
        return RewardSums(self.locked + more.locked, self.cashback + more.cashback, self.reduced + more.reduced)


@dataclass(frozen=True, slots=True)
class TakenParts:
    """The parts that lots give for a payout, a whole number of cents together, and the rewards taken back with them.
    `given` is the amount asked for that was found, before rewards reduced it; if it is less, no more can be withdrawn.
    """

    parts: Sequence[WithdrawalPart]
    rewards: RewardSums
    given: Usd


async def take_parts(conn: asyncpg.Connection, funding: Funding, account_id: UUID, most: Usd | None) -> TakenParts:
    """Choose the parts of a payout of at most `most` from the lots that can go to a payee now, and take back rewards.

    Lots are taken in the order of spending, but top-ups first, since the rewards that they brought are taken back.
    Top-ups never give more than was topped up and has not gone back. The caller sets the parts aside.
    """
    wallets, now = Wallets(conn), funding.world.clock.now()
    state = await wallets.lock(account_id, now)
    lots = [each.lot for each in await read_outlook(conn, funding, state) if each.can_go_to(DestinationKind.PAYEE, now)]
    available = Usd(sum(state.unspent(lot.id) for lot in lots))
    asked = available if most is None else min(most, available)
    rest = asked = asked - asked % NANO_PER_CENT
    from_top_ups = await withdrawal_store.read_topped_up(conn, account_id)
    from_top_ups = from_top_ups - await withdrawal_store.sum_from_top_ups(conn, account_id)
    parts: list[WithdrawalPart] = []
    rewards = RewardSums()
    for lot in sorted(lots, key=lambda each: each.origin not in (TOP_UP, RETURNED)):
        amount = min(rest, state.unspent(lot.id))
        if lot.origin in (TOP_UP, RETURNED):
            amount = min(amount, from_top_ups)
            from_top_ups = from_top_ups - amount
        part = WithdrawalPart(funding.world.ids.new(), lot.id, amount, ZERO)
        if lot.origin == TOP_UP and amount > ZERO:
            taken = await _take_back(conn, funding, account_id, part)
            part = dataclasses.replace(part, amount=amount - taken.reduced, reduced=taken.reduced)
            rewards, state = rewards.plus(taken), await wallets.lock(account_id, now)
        if part.amount > ZERO:
            parts.append(part)
            rest = rest - amount
    return TakenParts(_in_whole_cents(parts), rewards, asked - rest)


async def _take_back(
    conn: asyncpg.Connection, funding: Funding, account_id: UUID, part: WithdrawalPart
) -> RewardReturn:
    """Take back the rewards of a lot's part. If they would use up the whole part, take nothing."""
    hooks = funding.hooks
    preview = await hooks.preview_return(conn, account_id, part.lot_id, part.amount)
    if preview.reduced >= part.amount:
        return RewardSums(reduced=part.amount)
    return await hooks.take_back(conn, account_id, part.lot_id, part.amount, return_id=part.id, disputed=False)


def _in_whole_cents(parts: Sequence[WithdrawalPart]) -> Sequence[WithdrawalPart]:
    """Cut the sum of the parts down to whole cents, at the cost of the largest part."""
    over = sum(part.amount for part in parts) % NANO_PER_CENT
    if not over:
        return tuple(parts)
    largest = max(parts, key=lambda part: part.amount)
    cut = dataclasses.replace(largest, amount=largest.amount - over)
    return tuple(cut if part is largest else part for part in parts if part is not largest or cut.amount > ZERO)
