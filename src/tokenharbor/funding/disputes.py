"""Disputes: what a payer disputes is frozen; it leaves when the processor takes the money, and returns when it is won.

Idea: as with payments and refunds, an event is a hint; the dispute is read again, and what follows is one transaction
under the wallet's lock, by what the processor's object says of the money, never by the order of events.

- Open: what of the disputed lot is neither spent nor held is set aside, again at each look, since holds end. The
  account withdraws nothing, and a customer's refund waits for an operator.
- Money taken: it comes from the lot; then the top-up's rewards go (a match, locked or not, and its cashback); what of
  all that was spent is debt, which other top-ups pay at once. What exceeds the capture is our loss, and so are fees.
- Money back: each lot has again what it gave. What was paid from the account's debt meanwhile comes as a new lot. A
  lot that has expired meanwhile is granted anew, with its whole time.
- Ended: what is still frozen is free.
"""

import dataclasses

import asyncpg

from tokenharbor.funding import auto_store, dispute_store, refund_store, store
from tokenharbor.funding.context import Funding, FundingAlarm
from tokenharbor.funding.dispute_store import Dispute, DisputePart, DisputeShare
from tokenharbor.funding.refund_types import CaptureBalance
from tokenharbor.funding.returns import (
    CreditReturn,
    CreditReturns,
    ReturnedMoney,
    amount_of,
    clearing_of,
    tax_returned,
    with_tax,
)
from tokenharbor.kernel.errors import ProcessorError, ProcessorRefused, ProcessorUnavailable
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Money, Usd
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.payments.types import DisputeState, ProcessorDispute, ProcessorEvent

_OVER = (DisputeState.WON, DisputeState.LOST)


async def handle_dispute(funding: Funding, processor: str, event: ProcessorEvent) -> str:
    """An event about a dispute."""
    await take_dispute(funding, processor, await funding.processor(processor).read_dispute(event.object_id))
    return ""


async def look_at_dispute(funding: Funding, dispute_id: UUID) -> None:
    """Read it again; what a processor does not answer stands in the row. Raises Missing, DatabaseUnavailable."""
    async with funding.acquire() as conn:
        dispute = await dispute_store.get_dispute(conn, dispute_id)
    try:
        told = await funding.processor(dispute.processor).read_dispute(dispute.dispute_id)
        await take_dispute(funding, dispute.processor, told)
    except ProcessorError as error:
        async with funding.acquire() as conn:
            await dispute_store.note_fault(conn, dispute_id, str(error))


async def take_dispute(funding: Funding, processor: str, told: ProcessorDispute) -> Dispute:
    """What follows from a dispute as it was read, in one transaction.

    Raises ProcessorUnavailable while no top-up of ours is known to have its capture, ProcessorRefused.
    """
    async with funding.acquire() as conn, conn.transaction():
        capture = await refund_store.find_capture(conn, processor, told.capture_id)
        if capture is None:
            raise ProcessorUnavailable(f"no top-up of ours has the capture {told.capture_id[:80]} yet")
        if {told.money.currency, told.withdrawn.currency} != {capture.money.currency}:
            raise ProcessorRefused(f"a dispute in {told.money.currency} of a payment in {capture.money.currency}")
        await Wallets(conn).lock(capture.account_id, funding.world.clock.now())
        known = await dispute_store.find_by_object(conn, processor, told.dispute_id)
        await funding.hooks.run_due(conn, capture.account_id)
        before = known or await _add(conn, funding, capture, told)
        after = await _DisputeStep(conn, funding, capture).follow(before, told)
    if known is None:
        funding.report(FundingAlarm.DISPUTE_OPENED, after.shown_id, processor)
    if after.lost > before.lost or after.fault:
        funding.report(FundingAlarm.PAYMENT_MISMATCH, after.shown_id, processor)
    return after


async def _add(conn: asyncpg.Connection, funding: Funding, capture: CaptureBalance, told: ProcessorDispute) -> Dispute:
    now = funding.world.clock.now()
    dispute = Dispute(
        id=funding.world.ids.new(),
        processor=capture.processor,
        dispute_id=told.dispute_id,
        capture_id=capture.capture_id,
        top_up_id=capture.top_up_id,
        account_id=capture.account_id,
        lot_id=capture.lot_id,
        money=told.money,
        state=DisputeState.OPENED,
        opened_at=now,
        respond_until=told.respond_until,
    )
    await auto_store.stop(conn, dispute.account_id, f"{dispute.shown_id}: a top-up is disputed", now)
    return await dispute_store.add_dispute(conn, dispute)


class _DisputeStep:
    """From where a dispute stood to where it stands, in the caller's transaction."""

    def __init__(self, conn: asyncpg.Connection, funding: Funding, capture: CaptureBalance) -> None:
        self._conn = conn
        self._funding = funding
        self._capture = capture
        self._now = funding.world.clock.now()

    async def follow(self, dispute: Dispute, told: ProcessorDispute) -> Dispute:
        withdrawn, fault = told.withdrawn.minor, ""
        if withdrawn and not dispute.withdrawn_minor:
            dispute = await self._take(dispute, told.withdrawn)
        elif dispute.withdrawn_minor and not withdrawn:
            dispute = await self._give_back(dispute)
        elif withdrawn != dispute.withdrawn_minor:
            fault = f"{told.withdrawn} are withdrawn; {Money(told.money.currency, dispute.withdrawn_minor)} were before"
        over = told.state in _OVER
        dispute = await (self._release(dispute) if over else self._freeze(dispute))
        ended_at = (dispute.ended_at or self._now) if over else None
        return await dispute_store.set_dispute(
            self._conn,
            dataclasses.replace(
                dispute, state=told.state, respond_until=told.respond_until, ended_at=ended_at, fault=fault
            ),
        )

    async def _freeze(self, dispute: Dispute) -> Dispute:
        """The lot's rest, and what has become free of it since."""
        returns = self._returns(dispute)
        rest = (await returns.state()).unspent(dispute.lot_id)
        await returns.set_aside(rest)
        return dataclasses.replace(dispute, frozen=dispute.frozen + rest)

    async def _release(self, dispute: Dispute) -> Dispute:
        await self._returns(dispute).restore(dispute.frozen)
        return dataclasses.replace(dispute, frozen=ZERO)

    async def _take(self, dispute: Dispute, money: Money) -> Dispute:
        """The processor has taken so much."""
        capture, returns = self._capture, self._returns(dispute)
        amount = amount_of(capture, money)
        taken, minor = min(amount, capture.left), min(money.minor, capture.left_minor)
        paid, before = min(taken, dispute.frozen), (await returns.state()).debt
        await returns.leave(taken, paid)
        owed = (await returns.state()).debt - before
        await self._note(dispute, DisputeShare.OWN, dispute.lot_id, taken - owed)
        await self._pay_from_others(dispute, DisputeShare.OTHER, owed)
        if taken:
            await self._take_rewards(dispute, taken)
        lost = with_tax(capture, amount - taken)
        tax = tax_returned(capture, taken, minor)
        await returns.book_differences(ReturnedMoney(money, taken), tax=tax, lost=lost)
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
        """Other top-ups pay the debt, in the order in which they would be spent."""
        state = await self._returns(dispute).state()
        for piece in state.tail:
            amount = min(owed, piece.amount)
            if amount > ZERO and piece.lot.origin in ("top-up", "returned"):
                await self._returns(dispute, piece.lot.id).pay_debt(amount)
                await self._note(dispute, share, piece.lot.id, amount)
                owed = owed - amount

    async def _give_back(self, dispute: Dispute) -> Dispute:
        """The processor has given all of it back."""
        returns, parts = self._returns(dispute), await dispute_store.take_parts(self._conn, dispute)
        from_lots = [part for part in parts if part.share is not DisputeShare.REWARD]
        money = Money(self._capture.money.currency, dispute.withdrawn_minor)
        tax = -tax_returned(self._capture, -dispute.taken, -dispute.taken_minor)
        await returns.book_differences(ReturnedMoney(money, dispute.taken), tax=tax, lost=dispute.lost, back=True)
        for part in from_lots:
            await self._returns(dispute, part.lot_id).come_back(part.amount)
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
        wanted = CreditReturn(
            account_id=dispute.account_id,
            lot_id=lot_id or dispute.lot_id,
            clearing=clearing_of(self._capture),
            reason=f"dispute {dispute.shown_id}",
        )
        return CreditReturns(self._conn, self._funding, wanted)
