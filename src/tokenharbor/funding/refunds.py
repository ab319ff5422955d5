"""Refunds: previewed first; then the credit is set aside, and the processor is asked.

Invariant: credit leaves the line before money leaves the processor, so it cannot be spent and refunded. A customer can
get back the part of a top-up that is neither spent nor held, to the method that paid it, within the edition's window;
the window is judged when they ask. An operator may also refund after the window, as long as the processor can. The
rewards for that part go with it: locked match and cashback. Cashback that was already spent reduces the refund.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from tokenharbor.funding import auto_store, dispute_store, refund_store, store
from tokenharbor.funding.context import Funding, NothingReturned, RewardReturn
from tokenharbor.funding.people import is_same_person
from tokenharbor.funding.references import check_unused, read_reference
from tokenharbor.funding.refund_calls import apply_refund_on, try_follow_refund
from tokenharbor.funding.refund_steps import give_up
from tokenharbor.funding.refund_types import CaptureBalance, Refund, RefundOrigin, RefundProgress
from tokenharbor.funding.returns import CreditReturn, CreditReturns, ReturnedMoney, clearing_of, money_of
from tokenharbor.funding.types import MANUAL, AutoTopUpStop
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Conflict, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.ledger import address
from tokenharbor.ledger.posting import Posting
from tokenharbor.ledger.types import Restriction
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.payments.types import ProcessorRefund, RefundState

FIRST_SWEEP_AFTER: Final = timedelta(seconds=5)
"""How long after a refund was recorded the sweep first follows it; its caller has asked the processor by then."""

_LONGEST_KEY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """A request for a refund of `amount` of credit; None: of all that can be refunded."""

    top_up_id: UUID
    idempotency_key: str
    origin: RefundOrigin
    actor: str
    amount: Usd | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LeavingCredit:
    """Credit that leaves a lot: its locked part if `restriction` says so, its spendable part if that is None."""

    lot_id: UUID
    amount: Usd
    restriction: Restriction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPreview:
    """The effect of a refund before it is made. `returned` is the money and the credit of the top-up that leaves for
    it; `rewards` are taken back with it; `leaving` is all credit that leaves, by lot. `most` is the highest amount that
    can be asked for. With `review`, an operator decides first.
    """

    top_up_id: UUID
    returned: ReturnedMoney
    rewards: RewardReturn
    leaving: Sequence[LeavingCredit]
    most: Usd
    review: bool


@dataclass(frozen=True, slots=True)
class RecordedRefund:
    """A refund whose credit is set aside, and the rewards that were taken back with it, if that was done now."""

    refund: Refund
    rewards: RewardReturn


@dataclass(frozen=True, slots=True)
class _Refundable:
    """A capture that can be refunded: `asked` is the money and credit asked for before rewards are subtracted, `most`
    the highest amount that can be asked for.
    """

    capture: CaptureBalance
    asked: ReturnedMoney
    most: Usd
    review: bool


async def preview_refund(funding: Funding, top_up_id: UUID, amount: Usd | None, origin: RefundOrigin) -> RefundPreview:
    """Return what `ask_refund` would do now. Raises Missing, Rejected or Conflict."""
    async with funding.change() as conn:
        found = await _lock_refundable(conn, funding, top_up_id, amount, origin)
        capture = found.capture
        rewards = await funding.hooks.preview_return(conn, capture.account_id, capture.lot_id, found.asked.amount)
        returned = _reduced(found, rewards)
    return RefundPreview(
        top_up_id=top_up_id,
        returned=returned,
        rewards=rewards,
        leaving=_leaving(capture, returned, rewards.postings),
        most=found.most,
        review=found.review,
    )


async def ask_refund(funding: Funding, request: RefundRequest) -> Refund:
    """Record a refund and ask the processor for it, unless an operator decides first. Return the refund.

    The same idempotency key returns the same refund. If the processor does not answer, the sweep asks again. Raises
    Missing; Rejected or Conflict if it cannot be refunded; Conflict if the key was used for another refund.
    """
    if not 0 < len(request.idempotency_key) <= _LONGEST_KEY or not request.idempotency_key.isprintable():
        raise Rejected(
            f"an idempotency key must have 1 to {_LONGEST_KEY} printable characters", param="idempotency_key"
        ).because(ErrorReason.IDEMPOTENCY_KEY_INVALID)
    async with funding.change() as conn:
        refund = (await record_refund(conn, funding, request)).refund
    return await try_follow_refund(funding, refund.id) if refund.state is RefundProgress.ASKED else refund


async def approve_refund(funding: Funding, refund_id: UUID, actor: str, reason: str = "") -> Refund:
    """Approve a refund in review and ask the processor for it. Raises Missing, or Conflict if it is not in review."""
    async with funding.change() as conn:
        await approve_in_review(conn, funding, await _lock_waiting(conn, funding, refund_id), actor, reason)
    return await try_follow_refund(funding, refund_id)


async def reject_refund(funding: Funding, refund_id: UUID, actor: str, reason: str = "") -> Refund:
    """Reject a refund in review and return its credit. Raises Missing, or Conflict if it is not in review."""
    async with funding.change() as conn:
        return await reject_in_review(conn, funding, await _lock_waiting(conn, funding, refund_id), actor, reason)


async def approve_in_review(
    conn: asyncpg.Connection, funding: Funding, refund: Refund, actor: str, reason: str
) -> Refund:
    """Approve a refund in review. The wallet is locked."""
    now = funding.world.clock.now()
    asked = dataclasses.replace(refund, state=RefundProgress.ASKED, next_look_at=now + FIRST_SWEEP_AFTER)
    return await refund_store.set_decided(conn, asked, actor, reason, now)


async def reject_in_review(
    conn: asyncpg.Connection, funding: Funding, refund: Refund, actor: str, reason: str
) -> Refund:
    """Reject a refund in review and return its credit. The wallet is locked."""
    await give_up(conn, funding, refund)
    rejected = dataclasses.replace(refund, state=RefundProgress.REJECTED, next_look_at=None)
    return await refund_store.set_decided(conn, rejected, actor, reason, funding.world.clock.now())


async def settle_refund(funding: Funding, refund_id: UUID, reference: str | None, actor: str) -> Refund:
    """Record how a manual refund ended: paid, with the bank's reference, or failed if `reference` is None.

    Raises Missing, Rejected, or Conflict: for a refund that its processor reports itself, for a reference that was
    already used, or when `actor` asked for the withdrawal that the refund belongs to.
    """
    if not actor.strip():
        raise Rejected("name who settles the refund", param="actor")
    paid = None if reference is None else read_reference(reference)
    async with funding.change() as conn:
        refund = await _lock_refund(conn, funding, refund_id)
        if refund.processor != MANUAL or refund.state is not RefundProgress.CALLED:
            raise Conflict(f"{refund.shown_id} is {refund.state} at {refund.processor}: nothing to settle")
        if refund.origin is RefundOrigin.WITHDRAWAL and is_same_person(refund.actor, actor):
            raise Conflict(f"{actor} has asked for {refund.shown_id}: another person has to settle it")
        await refund_store.set_settled_by(conn, refund_id, actor)
        if paid is not None:
            await check_unused(conn, paid)
        reported = ProcessorRefund(
            processor_refund_id=paid or refund.processor_refund_id or "",
            capture_id=refund.capture_id,
            money=refund.money,
            state=RefundState.FAILED if paid is None else RefundState.DONE,
            refund_id=refund.shown_id,
            fault="" if paid is not None else "an operator recorded that it was not paid",
        )
        return await apply_refund_on(conn, funding, refund_id, reported)


async def record_refund(
    conn: asyncpg.Connection, funding: Funding, request: RefundRequest, *, waits: bool = False
) -> RecordedRefund:
    """Record a refund and set its credit aside, or return the refund that this key already has.

    With `waits`, it is in review whatever the edition says. Runs in the caller's transaction. Raises Missing, Rejected
    or Conflict.
    """
    account_id = (await store.get_top_up(conn, request.top_up_id)).account_id
    await Wallets(conn).lock_wallet(account_id, funding.world.clock.now())
    known = await refund_store.find_by_key(conn, account_id, request.idempotency_key)
    if known is not None:
        if (known.top_up_id, known.asked) != (request.top_up_id, request.amount):
            raise Conflict(
                f"the idempotency key {request.idempotency_key!r} was used for another refund: {known.shown_id}"
            ).because(ErrorReason.IDEMPOTENCY_KEY_USED)
        return RecordedRefund(known, NothingReturned())
    found = await _lock_refundable(conn, funding, request.top_up_id, request.amount, request.origin)
    review = waits or found.review
    refund_id, capture, now = funding.world.ids.new(), found.capture, funding.world.clock.now()
    rewards = await funding.hooks.take_back(
        conn, account_id, capture.lot_id, found.asked.amount, return_id=refund_id, disputed=False
    )
    returned = _reduced(found, rewards)
    refund = Refund(
        id=refund_id,
        top_up_id=request.top_up_id,
        account_id=account_id,
        processor=capture.processor,
        capture_id=capture.capture_id,
        lot_id=capture.lot_id,
        idempotency_key=request.idempotency_key,
        origin=request.origin,
        actor=request.actor,
        reason=request.reason,
        asked=request.amount,
        amount=returned.amount,
        reduced=rewards.reduced,
        set_aside=returned.amount,
        money=returned.money,
        state=RefundProgress.REVIEW if review else RefundProgress.ASKED,
        asked_at=now,
        next_look_at=None if review else now + FIRST_SWEEP_AFTER,
    )
    why = f"refund {refund.shown_id}"
    wanted = CreditReturn(account_id=account_id, lot_id=capture.lot_id, clearing=clearing_of(capture), reason=why)
    await CreditReturns(conn, funding, wanted).set_aside(returned.amount)
    await auto_store.stop(conn, account_id, AutoTopUpStop.REFUND, f"{refund.shown_id}: a top-up is being refunded", now)
    return RecordedRefund(await refund_store.add_refund(conn, refund), rewards)


async def _lock_refundable(
    conn: asyncpg.Connection, funding: Funding, top_up_id: UUID, amount: Usd | None, origin: RefundOrigin
) -> _Refundable:
    """Lock the top-up's wallet and return what can be refunded of it. Raises Missing, Rejected or Conflict."""
    top_up, now = await store.get_top_up(conn, top_up_id), funding.world.clock.now()
    await Wallets(conn).lock_wallet(top_up.account_id, now)
    if amount is not None and amount <= ZERO:
        raise Rejected("an amount must be above 0", param="amount").because(ErrorReason.AMOUNT_NOT_POSITIVE)
    capture = None
    if top_up.capture_id is not None:
        capture = await refund_store.find_capture(conn, top_up.processor, top_up.capture_id)
    if capture is None:
        raise Conflict(f"{top_up.shown_id} is {top_up.state}: there is nothing to refund").because(
            ErrorReason.TOP_UP_NOT_PAID
        )
    _check_window(funding, capture, origin, now)
    await funding.hooks.run_due(conn, top_up.account_id)
    state = await Wallets(conn).lock(top_up.account_id, now)
    if state.debt:
        raise Conflict(f"the account owes ${state.debt.brief_up()}: pay that before a refund").because(
            ErrorReason.REFUND_DEBT, owed_usd=state.debt
        )
    unspent = min(state.unspent(capture.lot_id), capture.left - capture.leaving)
    most = money_of(capture, unspent)
    if not most.money.minor:
        raise Conflict(
            f"nothing of {top_up.shown_id} can be refunded: it is spent, held or already being refunded"
        ).because(ErrorReason.REFUND_NOTHING_LEFT)
    if amount is not None and amount > unspent:
        words = f"at most ${most.amount.brief_down()} of {top_up.shown_id} can be refunded now"
        raise Rejected(words, param="amount").because(ErrorReason.REFUND_MOST, most_usd=most.amount)
    asked = most if amount is None else money_of(capture, amount)
    if not asked.money.minor:
        raise Rejected(f"${amount} of credit is worth less than one cent of the payment", param="amount").because(
            ErrorReason.REFUND_TOO_LITTLE
        )
    review = origin is RefundOrigin.CUSTOMER and await _needs_review(conn, funding, top_up.account_id, now)
    return _Refundable(capture, asked, most.amount, review)


def _check_window(funding: Funding, capture: CaptureBalance, origin: RefundOrigin, now: datetime) -> None:
    """Raise Rejected or Conflict if a capture cannot be refunded now."""
    policy = funding.policy().refunds
    last = capture.processor_refundable_until
    if last is not None and now > last:
        raise Conflict(f"{capture.processor} could refund this payment only until {last:%Y-%m-%d}").because(
            ErrorReason.REFUND_PROCESSOR_OVER, until=last
        )
    if origin is not RefundOrigin.CUSTOMER:
        return
    if not policy.customer:
        raise Rejected("this edition refunds only failures of the service: ask the operator", param="top_up").because(
            ErrorReason.REFUND_NOT_OFFERED
        )
    if capture.refundable_until is None or now > capture.refundable_until:
        shown = ids.show("topup", capture.top_up_id)
        raise Conflict(f"{shown} was paid on {capture.paid_at:%Y-%m-%d}: its refund window is over").because(
            ErrorReason.REFUND_WINDOW_OVER, paid_at=capture.paid_at
        )


async def _needs_review(conn: asyncpg.Connection, funding: Funding, account_id: UUID, now: datetime) -> bool:
    """Return whether a customer's refund needs an operator: after several recent refunds, or while a dispute is
    open.
    """
    policy = funding.policy().refunds
    if await dispute_store.count_open(conn, account_id):
        return True
    earlier = await refund_store.count_recent(conn, account_id, now - timedelta(days=policy.review_days))
    return earlier + 1 >= policy.review_from


def _reduced(found: _Refundable, rewards: RewardReturn) -> ReturnedMoney:
    """Return the money that comes back after rewards are subtracted. Raises Conflict if nothing is left."""
    returned = found.asked
    if rewards.reduced:
        returned = money_of(found.capture, returned.amount - rewards.reduced)
    if not returned.money.minor:
        raise Conflict("nothing would be refunded: the cashback of this top-up was already spent").because(
            ErrorReason.REFUND_CASHBACK_SPENT
        )
    return returned


def _leaving(capture: CaptureBalance, returned: ReturnedMoney, postings: Sequence[Posting]) -> Sequence[LeavingCredit]:
    """Return the credit that leaves, by lot: of the top-up's own lot and of the rewards' lots."""
    own = address.account_prefix(capture.account_id)
    amounts: dict[tuple[UUID, Restriction | None], Usd] = {(capture.lot_id, None): returned.amount}
    for posting in postings:
        if posting.lot_id is not None and posting.source.startswith(own):
            locked = posting.source == address.account(capture.account_id, Restriction.LOCKED)
            place = (posting.lot_id, Restriction.LOCKED if locked else None)
            amounts[place] = amounts.get(place, ZERO) + posting.amount
    return [LeavingCredit(lot_id, amount, restriction) for (lot_id, restriction), amount in amounts.items()]


async def _lock_refund(conn: asyncpg.Connection, funding: Funding, refund_id: UUID) -> Refund:
    """Lock a refund's wallet and return the refund. Raises Missing."""
    account_id = (await refund_store.get_refund(conn, refund_id)).account_id
    await Wallets(conn).lock_wallet(account_id, funding.world.clock.now())
    return await refund_store.get_refund(conn, refund_id)


async def _lock_waiting(conn: asyncpg.Connection, funding: Funding, refund_id: UUID) -> Refund:
    refund = await _lock_refund(conn, funding, refund_id)
    if refund.state is not RefundProgress.REVIEW:
        raise Conflict(f"{refund.shown_id} is not in review: it is {refund.state}")
    if refund.origin is RefundOrigin.WITHDRAWAL:
        raise Conflict(f"{refund.shown_id} belongs to a withdrawal: approve or reject the withdrawal")
    return refund
