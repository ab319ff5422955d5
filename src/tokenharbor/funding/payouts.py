"""From an approved withdrawal to its end: the one path for a command, a webhook, the sweep and a restart.

As with refunds, the credit is set aside before the processor is asked, the processor is called outside of any
transaction, and only what was read at the processor counts. Each withdrawal to a payee is one payout. A withdrawal back
to a top-up's payment is a refund (`funding/refund_calls.py`).

Invariant: no processor knows of a withdrawal that is not `called`, since that state is committed before the first call.
So a dispute can fail such a withdrawal, and its credit is back in its lots before the dispute takes them. The same
transaction checks for debt, disputes and a payee that was removed or changed; a withdrawal that is no longer allowed
fails.

A call whose answer was lost is repeated with the same id. Processors refuse a second payout with the same id and say
where the first is, for some thirty days; after that the call is not repeated. If the first call is refused, nothing was
paid. If a later one is refused, the outcome of the first is unknown: an operator looks it up at the processor and
records it.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg

from tokenharbor.funding import dispute_store, withdrawal_store
from tokenharbor.funding.amounts import BOOKS_CURRENCY
from tokenharbor.funding.context import Funding, FundingAlarm
from tokenharbor.funding.payees import check_payee, read_payee
from tokenharbor.funding.people import is_same_person
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
"""How long a payout whose answer was lost is asked for again: processors remember our id a day longer."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A call to the processor: pay `payee`, or, if that is None, read the payout's state. `first`: it was not asked
    before.
    """

    withdrawal: Withdrawal
    payee: Payee | None
    first: bool = False


async def check_withdrawals_allowed(conn: asyncpg.Connection, funding: Funding, state: CreditState) -> None:
    """Raise Rejected if the edition offers no withdrawals; Conflict if the account has debt or an open dispute."""
    if not funding.policy().withdrawals.enabled:
        raise Rejected("this edition offers no withdrawals", param="account").because(
            ErrorReason.WITHDRAWALS_NOT_OFFERED
        )
    if state.debt:
        raise Conflict(f"the account owes ${state.debt.brief_up()}: pay that before a withdrawal").because(
            ErrorReason.WITHDRAWAL_DEBT, owed_usd=state.debt
        )
    if await dispute_store.count_open(conn, state.account_id):
        raise Conflict("a payment of the account is disputed: wait until the dispute has ended").because(
            ErrorReason.WITHDRAWAL_DISPUTE
        )


async def follow_withdrawal(funding: Funding, withdrawal_id: UUID) -> Withdrawal:
    """Ask the processor for a payout, or read its state there. Return the withdrawal as it is then.

    Raises Missing, ProcessorUnavailable or DatabaseUnavailable.
    """
    async with funding.change() as conn:
        call = await _begin(conn, funding, withdrawal_id)
    if isinstance(call, Withdrawal):
        return call
    try:
        reported = await _ask(funding, call)
    except ProcessorRefused as error:
        return await _refused(funding, call, str(error))
    return await apply_payout(funding, withdrawal_id, reported)


async def try_follow_withdrawal(funding: Funding, withdrawal_id: UUID) -> Withdrawal:
    """Follow a payout like `follow_withdrawal`. If the processor fails, note it in the row; the sweep asks again."""
    try:
        return await follow_withdrawal(funding, withdrawal_id)
    except ProcessorError as error:
        async with funding.acquire() as conn:
            return await withdrawal_store.note_fault(conn, withdrawal_id, str(error))


async def apply_payout(funding: Funding, withdrawal_id: UUID, reported: ProcessorPayout) -> Withdrawal:
    """Apply a payout as read, in one transaction. Raises Missing or DatabaseUnavailable."""
    async with funding.change() as conn:
        before = await _lock(conn, funding, withdrawal_id)
        after = await _apply(conn, funding, before, reported)
    if after.state is WithdrawalProgress.FAILED is not before.state:
        funding.report(FundingAlarm.WITHDRAWAL_FAILED, after.shown_id, after.processor)
    if after.state is before.state and after.fault not in ("", before.fault):
        funding.report(FundingAlarm.PAYMENT_MISMATCH, after.shown_id, after.processor)
    return after


async def handle_payout(funding: Funding, processor: str, event: ProcessorEvent) -> str:
    """Handle an event about a payout, which may not be ours."""
    reported = await funding.processor(processor).read_payout(event.object_id)
    async with funding.acquire() as conn:
        withdrawal = await _find(conn, processor, reported)
    if withdrawal is None:
        return "not about a withdrawal of ours"
    await apply_payout(funding, withdrawal.id, reported)
    return ""


async def settle_payout(funding: Funding, withdrawal_id: UUID, reference: str | None, actor: str) -> Withdrawal:
    """Record how a payout ended: paid by hand, with the bank's reference; paid by a processor whose answer was lost,
    with its object, which is read; or failed if `reference` is None. Raises Rejected, Conflict or ProcessorError.
    """
    async with funding.acquire() as conn:
        withdrawal = await withdrawal_store.get_withdrawal(conn, withdrawal_id)
    reported = None
    if reference is not None and withdrawal.processor != MANUAL:
        reported = await funding.processor(withdrawal.processor).read_payout(reference)
    paid = None if reference is None or reported is not None else read_reference(reference)
    async with funding.change() as conn:
        withdrawal = await _lock(conn, funding, withdrawal_id)
        _check_settled_by_hand(withdrawal, actor)
        await withdrawal_store.set_settled_by(conn, withdrawal_id, actor)
        if paid is not None:
            await check_unused(conn, paid)
        return await _apply(conn, funding, withdrawal, reported or _payout_by_hand(withdrawal, paid))


def _check_settled_by_hand(withdrawal: Withdrawal, actor: str) -> None:
    """Raise Conflict if the processor reports the withdrawal's outcome itself, or the same person asked for it."""
    if is_same_person(withdrawal.actor, actor):
        raise Conflict(f"{actor} has asked for {withdrawal.shown_id}: another person has to settle it")
    is_lost = withdrawal.processor_payout_id is None and withdrawal.next_look_at is None
    if withdrawal.state is not WithdrawalProgress.CALLED or not (withdrawal.processor == MANUAL or is_lost):
        raise Conflict(f"{withdrawal.shown_id} is {withdrawal.state} at {withdrawal.processor}: nothing to settle")


def _payout_by_hand(withdrawal: Withdrawal, reference: str | None) -> ProcessorPayout:
    return ProcessorPayout(
        processor_payout_id=reference or withdrawal.processor_payout_id or "",
        withdrawal_id=withdrawal.shown_id,
        money=withdrawal.money,
        state=PayoutState.FAILED if reference is None else PayoutState.DONE,
        fault="" if reference is not None else "an operator recorded that it was not paid",
    )


async def give_up_payout(conn: asyncpg.Connection, funding: Funding, withdrawal: Withdrawal) -> None:
    """Return the credit and rewards that were set aside for a payout. The caller changes its row."""
    await _PayoutStep(conn, funding, withdrawal).give_up()


def part_returns(
    conn: asyncpg.Connection, funding: Funding, withdrawal: Withdrawal, part: WithdrawalPart
) -> CreditReturns:
    """Return the object that moves one part's credit."""
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
    """Prepare a call and commit that the processor may have been asked. Return the withdrawal if nothing is to be
    asked.
    """
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
        return await _stop(conn, funding, withdrawal, "the processor's answer was lost: look up whether it paid")
    return _Call(await withdrawal_store.set_calling(conn, withdrawal_id, now), payee, first=first)


async def _payee(
    conn: asyncpg.Connection, funding: Funding, withdrawal: Withdrawal, payee_id: UUID, *, first: bool
) -> Payee:
    """Return the payee. Raises Rejected, Conflict or Missing if the account, or this payee, may not be paid now."""
    if first:
        await check_withdrawals_allowed(
            conn, funding, await Wallets(conn).lock(withdrawal.account_id, funding.world.clock.now())
        )
    return await read_payee(conn, await check_payee(conn, funding, withdrawal.account_id, payee_id))


async def _stop(conn: asyncpg.Connection, funding: Funding, withdrawal: Withdrawal, why: str) -> Withdrawal:
    """Fail a withdrawal that was never called. One that was called may have been paid, and waits for an operator."""
    if withdrawal.state is WithdrawalProgress.CALLED:
        return await withdrawal_store.note_fault(conn, withdrawal.id, why, final=True)
    return await _PayoutStep(conn, funding, withdrawal).fail(None, why)


async def _apply(
    conn: asyncpg.Connection, funding: Funding, withdrawal: Withdrawal, reported: ProcessorPayout
) -> Withdrawal:
    """Apply a payout. One that does not match its order moves nothing."""
    if wrong := await _find_difference(conn, withdrawal, reported):
        return await withdrawal_store.note_fault(conn, withdrawal.id, wrong)
    return await _PayoutStep(conn, funding, withdrawal).follow(reported)


async def _ask(funding: Funding, call: _Call) -> ProcessorPayout:
    """Pay out, or read the payout. All tries have one id."""
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
    """Handle a refusal: of the first call, nothing was paid; of a later one, an operator has to settle the
    withdrawal.
    """
    async with funding.change() as conn:
        current = await _lock(conn, funding, call.withdrawal.id)
        if current.state is not WithdrawalProgress.CALLED:
            return current
        if not call.first or current.processor_payout_id is not None:
            return await withdrawal_store.note_fault(conn, current.id, why, final=True)
        failed = await _PayoutStep(conn, funding, current).fail(None, why)
    funding.report(FundingAlarm.WITHDRAWAL_FAILED, failed.shown_id, failed.processor)
    return failed


async def _find_difference(conn: asyncpg.Connection, withdrawal: Withdrawal, reported: ProcessorPayout) -> str:
    """Return how a processor's payout differs from ours, "" if it matches."""
    if reported.withdrawal_id != withdrawal.shown_id or reported.money != withdrawal.money:
        return f"{reported.money} was paid out for {reported.withdrawal_id[:80]}, not {withdrawal.money}"
    known = withdrawal.processor_payout_id
    if withdrawal.processor != MANUAL and known not in (None, reported.processor_payout_id):
        return f"a second payout: {reported.processor_payout_id[:80]}"
    other = await withdrawal_store.find_by_object(conn, withdrawal.processor, reported.processor_payout_id)
    if other is not None and other.id != withdrawal.id:
        return f"{reported.processor_payout_id[:80]} already belongs to {other.shown_id}"
    return ""


async def _find(conn: asyncpg.Connection, processor: str, reported: ProcessorPayout) -> Withdrawal | None:
    """Find our withdrawal by our id in the payout."""
    try:
        named = await withdrawal_store.get_withdrawal(conn, ids.parse("withdrawal", reported.withdrawal_id))
    except (ValueError, Missing):  # the id of another system
        return None
    return named if named.processor == processor and named.payee_id is not None else None


class _PayoutStep:
    """Moves a withdrawal to a payee to the state that was read, in the caller's transaction; the wallet is locked."""

    def __init__(self, conn: asyncpg.Connection, funding: Funding, withdrawal: Withdrawal) -> None:
        self._conn = conn
        self._funding = funding
        self._withdrawal = withdrawal
        self._now = funding.world.clock.now()

    async def follow(self, reported: ProcessorPayout) -> Withdrawal:
        """Apply the processor's payout, and return the stored withdrawal."""
        match self._withdrawal.state, reported.state:
            case WithdrawalProgress.CALLED, PayoutState.PENDING:
                payout_id = reported.processor_payout_id
                return await withdrawal_store.set_called(self._conn, self._withdrawal.id, payout_id, self._now)
            case ((WithdrawalProgress.CALLED | WithdrawalProgress.FAILED), PayoutState.DONE):
                return await self._close(reported)
            case WithdrawalProgress.CALLED, PayoutState.FAILED:
                return await self.fail(reported.processor_payout_id, reported.fault)
            case WithdrawalProgress.DONE, PayoutState.FAILED:
                return await self._reopen(reported)
        return self._withdrawal

    async def fail(self, payout_id: str | None, why: str) -> Withdrawal:
        """Fail a payout whose money did not leave: the lots get their credit back."""
        await self.give_up()
        why = why or "the payout failed"
        return await withdrawal_store.set_failed(self._conn, self._withdrawal.id, payout_id or None, self._now, why)

    async def give_up(self) -> None:
        for part in self._withdrawal.parts:
            await self._returns(part).restore(part.amount)
        await self._give_rewards_back()
        await self._funding.hooks.run_due(self._conn, self._withdrawal.account_id)

    async def _close(self, reported: ProcessorPayout) -> Withdrawal:
        """Finish a payout whose money left: use the credit set aside. If it had failed before, take what the lots have,
        and the rest as debt.
        """
        for part in self._withdrawal.parts:
            had_failed = self._withdrawal.state is WithdrawalProgress.FAILED
            there = await self._set_aside_again(part) if had_failed else part.amount
            await self._returns(part).leave(part.amount, there)
        fee = reported.fee.usd if reported.fee is not None and reported.fee.currency == BOOKS_CURRENCY else ZERO
        payout_id = reported.processor_payout_id
        return await withdrawal_store.set_done(self._conn, self._withdrawal.id, payout_id, Usd(fee), self._now)

    async def _set_aside_again(self, part: WithdrawalPart) -> Usd:
        """Set aside what a part's lot still has, after taking back a top-up's rewards again. Return that amount."""
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

    async def _reopen(self, reported: ProcessorPayout) -> Withdrawal:
        """Fail a payout whose money had left and has come back."""
        for part in self._withdrawal.parts:
            await self._returns(part).move_back(part.amount)
        await self._give_rewards_back()
        for part in self._withdrawal.parts:
            await self._returns(part).pay_debt()
        why = reported.fault or "the money came back"
        return await withdrawal_store.set_failed(
            self._conn, self._withdrawal.id, reported.processor_payout_id, self._now, why
        )

    async def _give_rewards_back(self) -> None:
        """Give back the rewards of each part, which was one return each."""
        for part in self._withdrawal.parts:
            await self._funding.hooks.give_back(self._conn, self._withdrawal.account_id, return_id=part.id)

    def _returns(self, part: WithdrawalPart) -> CreditReturns:
        return part_returns(self._conn, self._funding, self._withdrawal, part)
