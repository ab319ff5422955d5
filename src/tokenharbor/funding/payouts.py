"""From an approved withdrawal to its end: the one path for a command, a webhook, the sweep and a restart.

Idea: as with refunds, credit has left the line before the processor is asked, the call has no transaction around it,
and only what was read at the processor counts. A withdrawal stands for one payout. What goes back to what paid for a
top-up is a refund (`funding/refund_calls.py`); what is here goes to payees.

Invariant: before the processor is asked the first time, the withdrawal is `called`, and that is committed. So whoever
finds one that is not called knows that no processor has heard of it: a dispute ends it, and its credit is back in its
lots before the dispute takes them. Debt, a dispute, a payee that was removed or changed are looked for in the same
transaction; what may not leave any more has failed.

A call whose answer was lost is made again with the same id. Processors refuse a second payout of one id and say where
the first is, for some thirty days; after that nobody calls again. A first call that is refused has paid nothing. A
later one that is refused says nothing of the first: an operator looks at the processor and says what became of it.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg

from tokenharbor.funding import dispute_store, withdrawal_store
from tokenharbor.funding.amounts import BOOKS_CURRENCY
from tokenharbor.funding.context import Funding, FundingAlarm
from tokenharbor.funding.payees import check_payee, read_payee
from tokenharbor.funding.references import check_unused, read_reference
from tokenharbor.funding.returns import CreditReturn, CreditReturns
from tokenharbor.funding.types import MANUAL
from tokenharbor.funding.withdrawable import TOP_UP
from tokenharbor.funding.withdrawal_types import Withdrawal, WithdrawalPart, WithdrawalProgress
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Conflict, Missing, ProcessorError, ProcessorRefused, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.ledger import address
from tokenharbor.ledger.credit_state import CreditState
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.payments.types import Payee, PayoutOrder, PayoutState, ProcessorEvent, ProcessorPayout

CALLED_FOR: Final = timedelta(days=29)
"""For how long a payout whose answer was lost is asked for again: processors know an id of ours a day longer."""


@dataclass(frozen=True, slots=True)
class _Call:
    """What the processor is to be asked: to pay `payee`, or, without one, what has become of its object. `first`: it
    has not been asked before.
    """

    withdrawal: Withdrawal
    payee: Payee | None
    first: bool = False


async def check_free(conn: asyncpg.Connection, funding: Funding, state: CreditState) -> None:
    """Whether anything may leave the account now. Raises Rejected where the edition pays nothing out, Conflict."""
    if not funding.policy().withdrawals.enabled:
        raise Rejected("this edition pays no credit out", param="account").because(ErrorReason.WITHDRAWALS_NOT_OFFERED)
    if state.debt:
        raise Conflict(f"the account owes ${state.debt.brief_up()}: nothing is paid out until that is paid").because(
            ErrorReason.WITHDRAWAL_DEBT, owed_usd=state.debt
        )
    if await dispute_store.count_open(conn, state.account_id):
        raise Conflict("a payment of the account is disputed: nothing is paid out until that has ended").because(
            ErrorReason.WITHDRAWAL_DISPUTE
        )


async def follow_withdrawal(funding: Funding, withdrawal_id: UUID) -> Withdrawal:
    """Ask the processor for it, or what has become of it. Raises Missing, ProcessorUnavailable, DatabaseUnavailable."""
    async with funding.change() as conn:
        call = await _begin(conn, funding, withdrawal_id)
    if isinstance(call, Withdrawal):
        return call
    try:
        told = await _ask(funding, call)
    except ProcessorRefused as error:
        return await _refused(funding, call, str(error))
    return await take_payout(funding, withdrawal_id, told)


async def look_at_withdrawal(funding: Funding, withdrawal_id: UUID) -> Withdrawal:
    """Likewise; a processor that does not answer is asked again by the sweep, and the row says so."""
    try:
        return await follow_withdrawal(funding, withdrawal_id)
    except ProcessorError as error:
        async with funding.acquire() as conn:
            return await withdrawal_store.note_fault(conn, withdrawal_id, str(error))


async def take_payout(funding: Funding, withdrawal_id: UUID, told: ProcessorPayout) -> Withdrawal:
    """What follows from a payout as it was read, in one transaction. Raises Missing, DatabaseUnavailable."""
    async with funding.change() as conn:
        before = await _lock(conn, funding, withdrawal_id)
        after = await _take(conn, funding, before, told)
    if after.state is WithdrawalProgress.FAILED is not before.state:
        funding.report(FundingAlarm.WITHDRAWAL_FAILED, after.shown_id, after.processor)
    if after.state is before.state and after.fault not in ("", before.fault):
        funding.report(FundingAlarm.PAYMENT_MISMATCH, after.shown_id, after.processor)
    return after


async def handle_payout(funding: Funding, processor: str, event: ProcessorEvent) -> str:
    """An event about a payout, ours or not."""
    told = await funding.processor(processor).read_payout(event.object_id)
    async with funding.acquire() as conn:
        withdrawal = await _find(conn, processor, told)
    if withdrawal is None:
        return "it is about no withdrawal of ours"
    await take_payout(funding, withdrawal.id, told)
    return ""


async def settle_payout(funding: Funding, withdrawal_id: UUID, reference: str | None) -> Withdrawal:
    """What an operator says of a payout: paid by hand, with the bank's reference; where the processor does not tell,
    its object, which is read; None: not paid. Raises Rejected, Conflict, ProcessorError.
    """
    async with funding.acquire() as conn:
        withdrawal = await withdrawal_store.get_withdrawal(conn, withdrawal_id)
    told = None
    if reference is not None and withdrawal.processor != MANUAL:
        told = await funding.processor(withdrawal.processor).read_payout(reference)
    paid = None if reference is None or told is not None else read_reference(reference)
    async with funding.change() as conn:
        withdrawal = await _lock(conn, funding, withdrawal_id)
        _check_settled_by_hand(withdrawal)
        if paid is not None:
            await check_unused(conn, paid)
        return await _take(conn, funding, withdrawal, told or _told_by_hand(withdrawal, paid))


def _check_settled_by_hand(withdrawal: Withdrawal) -> None:
    """Raises Conflict for one of which its processor says itself what became of it."""
    is_lost = withdrawal.processor_payout_id is None and withdrawal.next_look_at is None
    if withdrawal.state is not WithdrawalProgress.CALLED or not (withdrawal.processor == MANUAL or is_lost):
        raise Conflict(
            f"{withdrawal.shown_id} is {withdrawal.state} at {withdrawal.processor}: nothing is to be said of it"
        )


def _told_by_hand(withdrawal: Withdrawal, reference: str | None) -> ProcessorPayout:
    return ProcessorPayout(
        processor_payout_id=reference or withdrawal.processor_payout_id or "",
        withdrawal_id=withdrawal.shown_id,
        money=withdrawal.money,
        state=PayoutState.FAILED if reference is None else PayoutState.DONE,
        fault="" if reference is not None else "an operator says that it was not paid",
    )


async def give_up_payout(conn: asyncpg.Connection, funding: Funding, withdrawal: Withdrawal) -> None:
    """What was set aside and taken back for a payout returns; its row is the caller's."""
    await _PayoutStep(conn, funding, withdrawal).give_up()


def part_returns(
    conn: asyncpg.Connection, funding: Funding, withdrawal: Withdrawal, part: WithdrawalPart
) -> CreditReturns:
    """The moves of one lot's credit."""
    wanted = CreditReturn(
        account_id=withdrawal.account_id,
        lot_id=part.lot_id,
        clearing=address.clearing(withdrawal.processor, withdrawal.money.currency.lower()),
        reason=f"withdrawal {withdrawal.shown_id}",
        asked_at=withdrawal.asked_at,
    )
    return CreditReturns(conn, funding, wanted)


async def _lock(conn: asyncpg.Connection, funding: Funding, withdrawal_id: UUID) -> Withdrawal:
    account_id = (await withdrawal_store.get_withdrawal(conn, withdrawal_id)).account_id
    await Wallets(conn).lock_wallet(account_id, funding.world.clock.now())  # before any row of this room
    return await withdrawal_store.get_withdrawal(conn, withdrawal_id)


async def _begin(conn: asyncpg.Connection, funding: Funding, withdrawal_id: UUID) -> _Call | Withdrawal:
    """From here on the processor may have been asked. A withdrawal: there is nothing to ask."""
    withdrawal, now = await _lock(conn, funding, withdrawal_id), funding.world.clock.now()
    if withdrawal.payee_id is None or withdrawal.state not in (WithdrawalProgress.APPROVED, WithdrawalProgress.CALLED):
        return withdrawal
    if withdrawal.processor_payout_id is not None:
        return _Call(withdrawal, None)
    first = withdrawal.state is WithdrawalProgress.APPROVED
    try:
        payee = await _payee(conn, funding, withdrawal, withdrawal.payee_id, first=first)
    except (Rejected, Conflict, Missing) as error:
        return await _stop(conn, funding, withdrawal, str(error))
    if withdrawal.called_at is not None and now > withdrawal.called_at + CALLED_FOR:
        return await _stop(conn, funding, withdrawal, "the processor's answer was lost: look whether it has paid")
    return _Call(await withdrawal_store.set_calling(conn, withdrawal_id, now), payee, first=first)


async def _payee(
    conn: asyncpg.Connection, funding: Funding, withdrawal: Withdrawal, payee_id: UUID, *, first: bool
) -> Payee:
    """Who is paid. Raises Rejected, Conflict, Missing where nothing may leave, or not there."""
    if first:
        await check_free(conn, funding, await Wallets(conn).lock(withdrawal.account_id, funding.world.clock.now()))
    return await read_payee(conn, await check_payee(conn, funding, withdrawal.account_id, payee_id))


async def _stop(conn: asyncpg.Connection, funding: Funding, withdrawal: Withdrawal, why: str) -> Withdrawal:
    """What was never called has failed; what was may have been paid, and waits for an operator."""
    if withdrawal.state is WithdrawalProgress.CALLED:
        return await withdrawal_store.note_fault(conn, withdrawal.id, why, final=True)
    return await _PayoutStep(conn, funding, withdrawal).fail(None, why)


async def _take(
    conn: asyncpg.Connection, funding: Funding, withdrawal: Withdrawal, told: ProcessorPayout
) -> Withdrawal:
    """What is not as it was asked for moves nothing."""
    if wrong := await _difference(conn, withdrawal, told):
        return await withdrawal_store.note_fault(conn, withdrawal.id, wrong)
    return await _PayoutStep(conn, funding, withdrawal).follow(told)


async def _ask(funding: Funding, call: _Call) -> ProcessorPayout:
    """All tries have one id."""
    processor, withdrawal = funding.processor(call.withdrawal.processor), call.withdrawal
    if call.payee is None:
        return await processor.read_payout(withdrawal.processor_payout_id or "")
    return await processor.pay_out(
        PayoutOrder(
            withdrawal_id=withdrawal.shown_id,
            payee=call.payee,
            money=withdrawal.money,
            note=f"Withdrawal {withdrawal.shown_id}",
        )
    )


async def _refused(funding: Funding, call: _Call, why: str) -> Withdrawal:
    """The first call that is refused has paid nothing. Refused later, somebody else has to say what became of it."""
    async with funding.change() as conn:
        current = await _lock(conn, funding, call.withdrawal.id)
        if current.state is not WithdrawalProgress.CALLED:
            return current
        if not call.first or current.processor_payout_id is not None:
            return await withdrawal_store.note_fault(conn, current.id, why, final=True)
        failed = await _PayoutStep(conn, funding, current).fail(None, why)
    funding.report(FundingAlarm.WITHDRAWAL_FAILED, failed.shown_id, failed.processor)
    return failed


async def _difference(conn: asyncpg.Connection, withdrawal: Withdrawal, told: ProcessorPayout) -> str:
    """What of a processor's payout is not as it was asked for; "" if all is."""
    if told.withdrawal_id != withdrawal.shown_id or told.money != withdrawal.money:
        return f"{told.money} were paid out for {told.withdrawal_id[:80]}, not {withdrawal.money}"
    known = withdrawal.processor_payout_id
    if withdrawal.processor != MANUAL and known not in (None, told.processor_payout_id):
        return f"a second payout: {told.processor_payout_id[:80]}"
    other = await withdrawal_store.find_by_object(conn, withdrawal.processor, told.processor_payout_id)
    if other is not None and other.id != withdrawal.id:
        return f"{told.processor_payout_id[:80]} is {other.shown_id}"
    return ""


async def _find(conn: asyncpg.Connection, processor: str, told: ProcessorPayout) -> Withdrawal | None:
    """By our id in it."""
    try:
        named = await withdrawal_store.get_withdrawal(conn, ids.parse("withdrawal", told.withdrawal_id))
    except (ValueError, Missing):  # another system's
        return None
    return named if named.processor == processor and named.payee_id is not None else None


class _PayoutStep:
    """From where a withdrawal to a payee stood to where it stands, in the caller's transaction; wallet locked."""

    def __init__(self, conn: asyncpg.Connection, funding: Funding, withdrawal: Withdrawal) -> None:
        self._conn = conn
        self._funding = funding
        self._withdrawal = withdrawal
        self._now = funding.world.clock.now()

    async def follow(self, told: ProcessorPayout) -> Withdrawal:
        match self._withdrawal.state, told.state:
            case WithdrawalProgress.CALLED, PayoutState.PENDING:
                payout_id = told.processor_payout_id
                return await withdrawal_store.set_called(self._conn, self._withdrawal.id, payout_id, self._now)
            case ((WithdrawalProgress.CALLED | WithdrawalProgress.FAILED), PayoutState.DONE):
                return await self._close(told)
            case WithdrawalProgress.CALLED, PayoutState.FAILED:
                return await self.fail(told.processor_payout_id, told.fault)
            case WithdrawalProgress.DONE, PayoutState.FAILED:
                return await self._reopen(told)
        return self._withdrawal

    async def fail(self, payout_id: str | None, why: str) -> Withdrawal:
        """The money has not left: the lots have their credit again."""
        await self.give_up()
        why = why or "the payout failed"
        return await withdrawal_store.set_failed(self._conn, self._withdrawal.id, payout_id or None, self._now, why)

    async def give_up(self) -> None:
        for part in self._withdrawal.parts:
            await self._returns(part).restore(part.amount)
        await self._give_rewards_back()
        await self._funding.hooks.run_due(self._conn, self._withdrawal.account_id)

    async def _close(self, told: ProcessorPayout) -> Withdrawal:
        """The money has left: from what was set aside; where it had failed before, from what is there, else as debt."""
        for part in self._withdrawal.parts:
            had_failed = self._withdrawal.state is WithdrawalProgress.FAILED
            there = await self._set_aside_again(part) if had_failed else part.amount
            await self._returns(part).leave(part.amount, there)
        fee = told.fee.usd if told.fee is not None and told.fee.currency == BOOKS_CURRENCY else ZERO
        payout_id = told.processor_payout_id
        return await withdrawal_store.set_done(self._conn, self._withdrawal.id, payout_id, Usd(fee), self._now)

    async def _set_aside_again(self, part: WithdrawalPart) -> Usd:
        """What of a part is there. What a top-up's lot brought is taken back as before."""
        hooks, account_id, returns = self._funding.hooks, self._withdrawal.account_id, self._returns(part)
        state = await returns.state()
        if state.lots[part.lot_id].origin == TOP_UP:
            await hooks.run_due(self._conn, account_id)
            whole = part.amount + part.reduced
            await hooks.take_back(self._conn, account_id, part.lot_id, whole, return_id=part.id, disputed=False)
            state = await returns.state()
        there = min(part.amount, state.unspent(part.lot_id))
        await returns.set_aside(there)
        return there

    async def _reopen(self, told: ProcessorPayout) -> Withdrawal:
        """The money had left, and has come back."""
        for part in self._withdrawal.parts:
            await self._returns(part).come_back(part.amount)
        await self._give_rewards_back()
        for part in self._withdrawal.parts:
            await self._returns(part).pay_debt()
        why = told.fault or "it came back"
        return await withdrawal_store.set_failed(
            self._conn, self._withdrawal.id, told.processor_payout_id, self._now, why
        )

    async def _give_rewards_back(self) -> None:
        """Each part of a top-up was a return of its own."""
        for part in self._withdrawal.parts:
            await self._funding.hooks.give_back(self._conn, self._withdrawal.account_id, return_id=part.id)

    def _returns(self, part: WithdrawalPart) -> CreditReturns:
        return part_returns(self._conn, self._funding, self._withdrawal, part)
