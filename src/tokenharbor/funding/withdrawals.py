"""Withdrawals: previewed first; then the credit is set aside, a person approves, and the processor is asked.

Invariant: credit leaves the line before money leaves the processor, and each credit can leave only once. While the
processor of a top-up can refund it, its credit goes back to that payment: the withdrawal is a refund, without the
edition's window. Later, and for matured rewards, it goes to a payee. `funding/withdrawable.py` has the rules.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from tokenharbor.editions.policy import WithdrawalPolicy
from tokenharbor.funding import auto_store, refund_store, store, withdrawal_store
from tokenharbor.funding.context import Funding, FundingAlarm, RewardReturn
from tokenharbor.funding.payees import check_payee, payee_kinds
from tokenharbor.funding.payouts import (
    check_withdrawals_allowed,
    give_up_payout,
    part_returns,
    settle_payout,
    try_follow_withdrawal,
)
from tokenharbor.funding.people import is_same_person
from tokenharbor.funding.refund_calls import try_follow_refund
from tokenharbor.funding.refund_steps import give_up
from tokenharbor.funding.refund_types import Refund, RefundOrigin
from tokenharbor.funding.refunds import RefundRequest, approve_in_review, record_refund, reject_in_review, settle_refund
from tokenharbor.funding.types import AutoTopUpStop
from tokenharbor.funding.withdrawable import LotOutlook, WithdrawalDestination, list_destinations, read_outlook
from tokenharbor.funding.withdrawal_parts import take_parts
from tokenharbor.funding.withdrawal_types import Withdrawal, WithdrawalProgress
from tokenharbor.kernel.errors import Conflict, HarborError, Missing, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import NANO_PER_CENT, ZERO, Money, Usd
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.ledger.wallets import Wallets

FIRST_SWEEP_AFTER: Final = timedelta(seconds=5)
"""How long after a withdrawal was recorded the sweep first follows it; its caller has asked the processor by then."""

_LONGEST_KEY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalRequest:
    """A request to withdraw `amount` of credit; None: all that can go there. Exactly one of `top_up_id` (back to its
    payment) and `payee_id` is set.
    """

    account_id: UUID
    idempotency_key: str
    actor: str
    top_up_id: UUID | None = None
    payee_id: UUID | None = None
    amount: Usd | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalPreview:
    """The effect of a withdrawal before it is made: its row, and the rewards taken back with it."""

    withdrawal: Withdrawal
    rewards: RewardReturn


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOutlook:
    """What an account can withdraw now or later. `frozen` says why nothing can be withdrawn now; if it is None,
    `destinations` has the amounts. `policy` has the edition's bounds.
    """

    account_id: UUID
    lots: Sequence[LotOutlook]
    day_left: Usd
    destinations: Sequence[WithdrawalDestination]
    policy: WithdrawalPolicy
    payee_kinds: Mapping[str, frozenset[str]]
    frozen: HarborError | None = None


async def preview_account(funding: Funding, account_id: UUID) -> AccountOutlook:
    """Return what an account can withdraw. Raises Missing."""
    frozen = None
    async with funding.change() as conn:
        now = funding.world.clock.now()
        await Wallets(conn).lock_wallet(account_id, now)
        await funding.hooks.run_due(conn, account_id)
        state = await Wallets(conn).lock(account_id, now)
        try:
            await check_withdrawals_allowed(conn, funding, state)
        except (Rejected, Conflict) as error:
            frozen = error
        lots, left = await read_outlook(conn, funding, state), await _day_left(conn, funding, account_id)
    return AccountOutlook(
        account_id=account_id,
        lots=lots,
        day_left=left,
        destinations=() if frozen else list_destinations(lots, now),
        policy=funding.policy().withdrawals,
        payee_kinds=payee_kinds(funding),
        frozen=frozen,
    )


async def preview_withdrawal(funding: Funding, request: WithdrawalRequest) -> WithdrawalPreview:
    """Return what `ask_withdrawal` would do now, by doing it and rolling back. Raises Missing, Rejected or Conflict."""
    async with funding.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        try:
            return await _record(conn, funding, request)
        finally:
            await transaction.rollback()


async def ask_withdrawal(funding: Funding, request: WithdrawalRequest) -> Withdrawal:
    """Record a withdrawal and ask the processor for it, unless a person has to approve it first. Return it.

    The same idempotency key returns the same withdrawal. If the processor does not answer, the sweep asks again. Raises
    Missing, Rejected or Conflict.
    """
    if not 0 < len(request.idempotency_key) <= _LONGEST_KEY or not request.idempotency_key.isprintable():
        raise Rejected(
            f"an idempotency key must have 1 to {_LONGEST_KEY} printable characters", param="idempotency_key"
        ).because(ErrorReason.IDEMPOTENCY_KEY_INVALID)
    if not request.actor.strip():
        raise Rejected("say who asks for the withdrawal", param="actor")
    async with funding.change() as conn:
        known = await _find_known(conn, funding, request)
        withdrawal = known or (await _record(conn, funding, request)).withdrawal
    if known is None and withdrawal.state is WithdrawalProgress.ASKED:
        funding.report(FundingAlarm.WITHDRAWAL_WAITS, withdrawal.shown_id, withdrawal.processor)
    return await _continue(funding, withdrawal)


async def approve_withdrawal(funding: Funding, withdrawal_id: UUID, actor: str, reason: str = "") -> Withdrawal:
    """Approve a withdrawal and ask the processor for it. Raises Missing; Rejected for an empty `actor`; Conflict if it
    does not wait, if the same person asked for it, or if the account may not withdraw now.
    """
    if not actor.strip():
        raise Rejected("say who approves the withdrawal", param="actor")
    async with funding.change() as conn:
        withdrawal, now = await _lock_waiting(conn, funding, withdrawal_id), funding.world.clock.now()
        if is_same_person(withdrawal.actor, actor):
            raise Conflict(f"{actor} asked for {withdrawal.shown_id}: another person must approve it")
        await check_withdrawals_allowed(conn, funding, await Wallets(conn).lock(withdrawal.account_id, now))
        next_look_at = None
        if withdrawal.payee_id is not None:
            await check_payee(conn, funding, withdrawal.account_id, withdrawal.payee_id)
            next_look_at = now + FIRST_SWEEP_AFTER
        else:
            await approve_in_review(conn, funding, await _refund(conn, withdrawal), actor, reason)
        approved = dataclasses.replace(withdrawal, state=WithdrawalProgress.APPROVED, next_look_at=next_look_at)
        withdrawal = await withdrawal_store.set_decided(conn, approved, actor, reason, now)
    return await _continue(funding, withdrawal)


async def reject_withdrawal(funding: Funding, withdrawal_id: UUID, actor: str, reason: str = "") -> Withdrawal:
    """Reject a waiting withdrawal and return its credit. Raises Missing, or Conflict if it does not wait."""
    return await _reject(funding, withdrawal_id, WithdrawalProgress.REJECTED, actor, reason)


async def cancel_withdrawal(funding: Funding, withdrawal_id: UUID, actor: str, reason: str = "") -> Withdrawal:
    """Cancel a waiting withdrawal for its account and return its credit. Raises Missing, or Conflict if it does not
    wait.
    """
    return await _reject(funding, withdrawal_id, WithdrawalProgress.CANCELLED, actor, reason)


async def settle_withdrawal(funding: Funding, withdrawal_id: UUID, reference: str | None, actor: str) -> Withdrawal:
    """Record how a withdrawal ended that its processor does not report: paid, with the bank's reference or the
    processor's object, or failed if `reference` is None. Raises Missing, Rejected, Conflict or ProcessorError.
    """
    if not actor.strip():
        raise Rejected("name who settles the withdrawal", param="actor")
    async with funding.acquire() as conn:
        withdrawal = await withdrawal_store.get_withdrawal(conn, withdrawal_id)
    if withdrawal.refund_id is None:
        return await settle_payout(funding, withdrawal_id, reference, actor)
    await settle_refund(funding, withdrawal.refund_id, reference, actor)
    return await _read(funding, withdrawal_id)


async def end_uncalled(
    conn: asyncpg.Connection,
    funding: Funding,
    account_id: UUID,
    why: str,
    *,
    of: Callable[[Withdrawal], bool] = lambda _: True,
) -> Sequence[Withdrawal]:
    """Fail the withdrawals of which no processor knows yet, and return their credit. The wallet is locked."""
    now, ended = funding.world.clock.now(), []
    for withdrawal_id in await withdrawal_store.list_uncalled(conn, account_id):
        withdrawal = await withdrawal_store.get_withdrawal(conn, withdrawal_id)
        if not of(withdrawal):
            continue
        ended.append(withdrawal)
        if withdrawal.refund_id is None:
            await give_up_payout(conn, funding, withdrawal)
            await withdrawal_store.set_failed(conn, withdrawal_id, None, now, why)
        else:
            await give_up(conn, funding, await _refund(conn, withdrawal))
            await refund_store.set_failed(conn, withdrawal.refund_id, None, now, why)
    return ended


async def _continue(funding: Funding, withdrawal: Withdrawal) -> Withdrawal:
    """Ask the processor for a withdrawal, if it is approved."""
    if withdrawal.state is not WithdrawalProgress.APPROVED:
        return withdrawal
    if withdrawal.refund_id is None:
        return await try_follow_withdrawal(funding, withdrawal.id)
    await try_follow_refund(funding, withdrawal.refund_id)
    return await _read(funding, withdrawal.id)


async def _read(funding: Funding, withdrawal_id: UUID) -> Withdrawal:
    async with funding.acquire() as conn:
        return await withdrawal_store.get_withdrawal(conn, withdrawal_id)


async def _find_known(conn: asyncpg.Connection, funding: Funding, request: WithdrawalRequest) -> Withdrawal | None:
    """Lock the wallet and return the withdrawal that this key already has. Raises Conflict if it differs."""
    await Wallets(conn).lock_wallet(request.account_id, funding.world.clock.now())
    known = await withdrawal_store.find_by_key(conn, request.account_id, request.idempotency_key)
    if known is None:
        return None
    top_up_id = None if known.refund_id is None else (await _refund(conn, known)).top_up_id
    if (known.payee_id, top_up_id, known.asked) != (request.payee_id, request.top_up_id, request.amount):
        raise Conflict(
            f"the idempotency key {request.idempotency_key!r} was used for another withdrawal: {known.shown_id}"
        ).because(ErrorReason.IDEMPOTENCY_KEY_USED)
    return known


async def _record(conn: asyncpg.Connection, funding: Funding, request: WithdrawalRequest) -> WithdrawalPreview:
    """Record the withdrawal and set its credit aside. Raises Missing, Rejected or Conflict."""
    if (request.top_up_id is None) == (request.payee_id is None):
        raise Rejected("name either a top-up or a payee to withdraw to", param="to").because(
            ErrorReason.WITHDRAWAL_TARGET_MISSING
        )
    if request.amount is not None and request.amount <= ZERO:
        raise Rejected("an amount must be above 0", param="amount").because(ErrorReason.AMOUNT_NOT_POSITIVE)
    now = funding.world.clock.now()
    await Wallets(conn).lock_wallet(request.account_id, now)
    await funding.hooks.run_due(conn, request.account_id)
    await check_withdrawals_allowed(conn, funding, await Wallets(conn).lock(request.account_id, now))
    draft = _Draft(conn, funding, request)
    preview = await (draft.to_payee() if request.top_up_id is None else draft.to_payment(request.top_up_id))
    await _check_amount(conn, funding, preview.withdrawal)
    why = f"{preview.withdrawal.shown_id}: credit is withdrawn"
    await auto_store.stop(conn, request.account_id, AutoTopUpStop.WITHDRAWAL, why, now)
    stored = await withdrawal_store.add_withdrawal(conn, preview.withdrawal)
    return dataclasses.replace(preview, withdrawal=stored)


async def _check_amount(conn: asyncpg.Connection, funding: Funding, withdrawal: Withdrawal) -> None:
    """Raise Rejected below the edition's minimum, Conflict above what is left of the daily limit."""
    least = funding.policy().withdrawals.minimum
    if withdrawal.amount < least:
        shown = withdrawal.amount.brief_down()
        words = f"${shown} can be withdrawn, but a withdrawal must be at least ${least.brief_up()}"
        raise Rejected(words, param="amount").because(
            ErrorReason.WITHDRAWAL_LEAST, amount_usd=withdrawal.amount, least_usd=least
        )
    left = await _day_left(conn, funding, withdrawal.account_id)
    if withdrawal.amount > left:
        raise Conflict(f"only ${left.brief_down()} more can be withdrawn today (UTC)").because(
            ErrorReason.WITHDRAWAL_DAY, left_usd=left
        )


async def _day_left(conn: asyncpg.Connection, funding: Funding, account_id: UUID) -> Usd:
    midnight = funding.world.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    asked = await withdrawal_store.sum_asked_since(conn, account_id, midnight)
    return max(ZERO, funding.policy().withdrawals.day - asked)


async def _reject(
    funding: Funding, withdrawal_id: UUID, state: WithdrawalProgress, actor: str, reason: str
) -> Withdrawal:
    async with funding.change() as conn:
        withdrawal, now = await _lock_waiting(conn, funding, withdrawal_id), funding.world.clock.now()
        if withdrawal.refund_id is None:
            await give_up_payout(conn, funding, withdrawal)
        else:
            await reject_in_review(conn, funding, await _refund(conn, withdrawal), actor, reason)
        ended = dataclasses.replace(withdrawal, state=state, next_look_at=None)
        return await withdrawal_store.set_decided(conn, ended, actor, reason, now)


async def _lock_waiting(conn: asyncpg.Connection, funding: Funding, withdrawal_id: UUID) -> Withdrawal:
    account_id = (await withdrawal_store.get_withdrawal(conn, withdrawal_id)).account_id
    await Wallets(conn).lock_wallet(account_id, funding.world.clock.now())
    withdrawal = await withdrawal_store.get_withdrawal(conn, withdrawal_id)
    if withdrawal.state is not WithdrawalProgress.ASKED:
        raise Conflict(f"{withdrawal.shown_id} does not wait for approval: it is {withdrawal.state}").because(
            ErrorReason.WITHDRAWAL_DECIDED
        )
    return withdrawal


async def _refund(conn: asyncpg.Connection, withdrawal: Withdrawal) -> Refund:
    assert withdrawal.refund_id is not None, "it goes back to a payment"  # noqa: S101  for mypy
    return await refund_store.get_refund(conn, withdrawal.refund_id)


class _Draft:
    """A withdrawal in preparation: its credit is set aside, and its row is not written yet."""

    def __init__(self, conn: asyncpg.Connection, funding: Funding, request: WithdrawalRequest) -> None:
        self._conn = conn
        self._funding = funding
        self._request = request
        self._now: datetime = funding.world.clock.now()
        self._waits = funding.policy().withdrawals.approval

    async def to_payment(self, top_up_id: UUID) -> WithdrawalPreview:
        """Prepare a withdrawal to a top-up's payment, as a refund of the top-up."""
        top_up = await store.get_top_up(self._conn, top_up_id)
        if top_up.account_id != self._request.account_id:
            raise Missing(f"the account has no top-up {top_up.shown_id}")
        withdrawal_id = self._funding.world.ids.new()
        request = RefundRequest(
            top_up_id=top_up_id,
            idempotency_key=f"withdrawal/{withdrawal_id}",
            origin=RefundOrigin.WITHDRAWAL,
            actor=self._request.actor,
            amount=self._request.amount,
            reason=self._request.reason,
        )
        recorded = await record_refund(self._conn, self._funding, request, waits=self._waits)
        refund = recorded.refund
        withdrawal = self._new_withdrawal(withdrawal_id, refund.processor, refund.amount, refund.money)
        withdrawal = dataclasses.replace(withdrawal, refund_id=refund.id, pretended=top_up.pretended, next_look_at=None)
        return WithdrawalPreview(withdrawal=withdrawal, rewards=recorded.rewards)

    async def to_payee(self) -> WithdrawalPreview:
        """Prepare a withdrawal to a payee, from the lots that can go there, top-ups first."""
        assert self._request.payee_id is not None, "checked before"  # noqa: S101  for mypy
        payee = await check_payee(self._conn, self._funding, self._request.account_id, self._request.payee_id)
        await self._check_pretended(payee.processor)
        taken = await take_parts(self._conn, self._funding, self._request.account_id, self._request.amount)
        amount = Usd(sum(part.amount for part in taken.parts))
        if not amount:
            raise Conflict("nothing can be withdrawn to a payee now").because(ErrorReason.WITHDRAWAL_NOTHING)
        self._check_given(taken.given)
        withdrawal_id = self._funding.world.ids.new()
        withdrawal = self._new_withdrawal(withdrawal_id, payee.processor, amount, Money.of_usd_down(amount))
        withdrawal = dataclasses.replace(withdrawal, payee_id=payee.id, parts=taken.parts)
        for part in taken.parts:
            await part_returns(self._conn, self._funding, withdrawal, part).set_aside(part.amount)
        return WithdrawalPreview(withdrawal=withdrawal, rewards=taken.rewards)

    def _check_given(self, given: Usd) -> None:
        """Raise Rejected, with the most that can be withdrawn, if that is less than asked for, to the cent."""
        asked, most = self._request.amount, Usd(given - given % NANO_PER_CENT)
        if asked is not None and most < asked - asked % NANO_PER_CENT:
            raise Rejected(f"at most ${most.brief_down()} can be withdrawn to a payee now", param="amount").because(
                ErrorReason.WITHDRAWAL_MOST, most_usd=most
            )

    async def _check_pretended(self, processor: str) -> None:
        """Raise Conflict if pretended credit would be paid as real money, or real credit as pretended money."""
        has_pretended = await withdrawal_store.has_pretended(self._conn, self._request.account_id)
        if has_pretended and processor not in self._funding.pretended:
            raise Conflict(f"the account has credit of pretended payments, which {processor} cannot pay out").because(
                ErrorReason.WITHDRAWAL_PRETENDED
            )
        if not has_pretended and processor in self._funding.pretended:
            raise Conflict(f"the account's payments are real, and {processor} only pretends to pay").because(
                ErrorReason.WITHDRAWAL_NOT_PRETENDED
            )

    def _new_withdrawal(self, withdrawal_id: UUID, processor: str, amount: Usd, money: Money) -> Withdrawal:
        """Return the withdrawal without its destination, which the caller sets."""
        request = self._request
        return Withdrawal(
            id=withdrawal_id,
            account_id=request.account_id,
            idempotency_key=request.idempotency_key,
            actor=request.actor,
            reason=request.reason,
            payee_id=None,
            refund_id=None,
            processor=processor,
            pretended=processor in self._funding.pretended,
            asked=request.amount,
            amount=amount,
            money=money,
            state=WithdrawalProgress.ASKED if self._waits else WithdrawalProgress.APPROVED,
            asked_at=self._now,
            next_look_at=None if self._waits else self._now + FIRST_SWEEP_AFTER,
        )
