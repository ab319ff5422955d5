"""The changes of a dispute in the ledger when its money is frozen, taken or given back; in the caller's transaction."""

import dataclasses
from typing import Final

import asyncpg

from tokenharbor.funding import dispute_store, refund_store, store
from tokenharbor.funding.amounts import fee_in_usd
from tokenharbor.funding.context import Funding
from tokenharbor.funding.dispute_store import Dispute, DisputePart, DisputeShare
from tokenharbor.funding.refund_types import CaptureBalance
from tokenharbor.funding.returns import (
    CreditReturn,
    CreditReturns,
    ReturnedMoney,
    amount_of,
    clearing_of,
    lost_of,
    tax_returned,
)
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Money, Usd
from tokenharbor.payments.types import DisputeState, ProcessorDispute

_OVER: Final = (DisputeState.WON, DisputeState.LOST)


class DisputeStep:
    """Moves a dispute from its stored state to the state that was read. The wallet is locked."""

    def __init__(self, conn: asyncpg.Connection, funding: Funding, capture: CaptureBalance) -> None:
        self._conn = conn
        self._funding = funding
        self._capture = capture
        self._now = funding.world.clock.now()

    async def follow(self, dispute: Dispute, reported: ProcessorDispute) -> Dispute:
        """Apply the processor's dispute: move credit, store the new state, and return the stored dispute."""
        moved = reported.withdrawn.minor - dispute.withdrawn_minor
        fees = None if reported.fee is None else fee_in_usd(reported.fee)
        await dispute_store.add_move(self._conn, dispute, moved, self._now, fees=fees)
        if moved:
            dispute = await self._take_anew(dispute, reported.withdrawn)
        over = reported.state in _OVER
        dispute = await (self._release(dispute) if over else self._freeze(dispute))
        ended_at = (dispute.ended_at or self._now) if over else None
        return await dispute_store.set_dispute(
            self._conn,
            dataclasses.replace(
                dispute, state=reported.state, respond_until=reported.respond_until, ended_at=ended_at, fault=""
            ),
        )

    async def take_more(self, dispute: Dispute) -> None:
        """Take a dispute's money anew after some of the capture came back, so that less of it is our loss."""
        money = Money(self._capture.money.currency, dispute.withdrawn_minor)
        await dispute_store.set_dispute(self._conn, await self._take_anew(dispute, money))

    async def _take_anew(self, dispute: Dispute, money: Money) -> Dispute:
        """Take `money` in all, after giving back what was taken before."""
        if dispute.withdrawn_minor:
            dispute = await self._give_back(dispute)
            found = await refund_store.find_capture(self._conn, dispute.processor, dispute.capture_id)
            assert found is not None, "guaranteed by a foreign key"  # noqa: S101  for mypy
            self._capture = found
        return await self._take(dispute, money) if money.minor else dispute

    async def _freeze(self, dispute: Dispute) -> Dispute:
        """Set aside what the lot has unspent, including holds that were released since the last sweep."""
        returns = self._returns(dispute)
        rest = (await returns.state()).unspent(dispute.lot_id)
        await returns.set_aside(rest)
        return dataclasses.replace(dispute, frozen=dispute.frozen + rest)

    async def _release(self, dispute: Dispute) -> Dispute:
        await self._returns(dispute).restore(dispute.frozen)
        return dataclasses.replace(dispute, frozen=ZERO)

    async def _take(self, dispute: Dispute, money: Money) -> Dispute:
        """Take the credit for `money` that the processor has taken: from the lot, from other top-ups, then as debt."""
        capture, returns = self._capture, self._returns(dispute)
        amount = amount_of(capture, money)
        taken, minor = min(amount, capture.left), min(money.minor, capture.left_minor)
        paid, before = min(taken, dispute.frozen), (await returns.state()).debt
        await returns.leave(taken, paid)
        owed = (await returns.state()).debt - before
        await self._note(dispute, DisputeShare.OWN, dispute.lot_id, taken - owed)
        await self._pay_from_others(dispute, DisputeShare.OTHER, owed)
        await self._take_rewards(dispute, taken)
        part, tax = ReturnedMoney(money, taken), tax_returned(capture, taken, minor)
        lost = lost_of(capture, part, amount, tax)
        await returns.book_differences(part, tax=tax, lost=lost)
        await dispute_store.add_taken(self._conn, dispute, taken, minor)
        await store.add_topped_up(self._conn, dispute.account_id, -taken)
        return dataclasses.replace(
            dispute,
            frozen=dispute.frozen - paid,
            taken=taken,
            taken_minor=minor,
            lost=lost,
            withdrawn_minor=money.minor,
        )

    async def _take_rewards(self, dispute: Dispute, taken: Usd) -> None:
        returns = self._returns(dispute)
        before = (await returns.state()).debt
        await self._funding.hooks.take_back(
            self._conn, dispute.account_id, dispute.lot_id, taken, return_id=dispute.id, disputed=True
        )
        owed = (await returns.state()).debt - before
        await self._pay_from_others(dispute, DisputeShare.REWARD, owed)

    async def _pay_from_others(self, dispute: Dispute, share: DisputeShare, owed: Usd) -> None:
        """Pay debt from other top-ups, in the order in which they would be spent."""
        state = await self._returns(dispute).state()
        for piece in state.tail:
            amount = min(owed, piece.amount)
            if amount > ZERO and piece.lot.origin in ("top-up", "returned"):
                await self._returns(dispute, piece.lot.id).pay_debt(amount)
                await self._note(dispute, share, piece.lot.id, amount)
                owed = owed - amount

    async def _give_back(self, dispute: Dispute) -> Dispute:
        """Give back all that the dispute took, to the lots that it came from."""
        returns, parts = self._returns(dispute), await dispute_store.pop_parts(self._conn, dispute)
        from_lots = [part for part in parts if part.share is not DisputeShare.REWARD]
        money = Money(self._capture.money.currency, dispute.withdrawn_minor)
        tax = -tax_returned(self._capture, -dispute.taken, -dispute.taken_minor)
        await returns.book_differences(ReturnedMoney(money, dispute.taken), tax=tax, lost=dispute.lost, back=True)
        for part in from_lots:
            await self._returns(dispute, part.lot_id).move_back(part.amount)
        for part in parts:
            if part.share is DisputeShare.REWARD:
                await self._returns(dispute, part.lot_id).owe_again(part.amount)
        await self._funding.hooks.give_back(self._conn, dispute.account_id, return_id=dispute.id)
        await returns.grant_anew(dispute.taken - sum((part.amount for part in from_lots), ZERO))
        for part in parts:
            await self._returns(dispute, part.lot_id).pay_debt()
        await dispute_store.add_taken(self._conn, dispute, -dispute.taken, -dispute.taken_minor)
        await store.add_topped_up(self._conn, dispute.account_id, dispute.taken)
        return dataclasses.replace(dispute, taken=ZERO, taken_minor=0, lost=ZERO, withdrawn_minor=0)

    async def _note(self, dispute: Dispute, share: DisputeShare, lot_id: UUID, amount: Usd) -> None:
        if amount > ZERO:
            await dispute_store.add_part(self._conn, dispute, DisputePart(share, lot_id, amount))

    def _returns(self, dispute: Dispute, lot_id: UUID | None = None) -> CreditReturns:
        credit = CreditReturn(
            account_id=dispute.account_id,
            lot_id=lot_id or dispute.lot_id,
            clearing=clearing_of(self._capture),
            reason=f"dispute {dispute.shown_id}",
        )
        return CreditReturns(self._conn, self._funding, credit)
