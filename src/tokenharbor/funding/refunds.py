"""Refunds: what will come back is shown first; then credit leaves the line, and the processor is asked.

A customer gets back what of a top-up is neither spent nor held, within the edition's window, which is judged when they
ask; by how it was paid. An operator may refund after the window, too, as long as the processor can. What the account
was given for the top-up goes with it: locked credit, and cashback; cashback that was spent reduces the refund.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from tokenharbor.funding import auto_store, dispute_store, refund_store, store
from tokenharbor.funding.context import Funding, NothingReturned, RewardReturn
from tokenharbor.funding.references import check_unused, read_reference
from tokenharbor.funding.refund_calls import look_at_refund, take_refund_on
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

FIRST_LOOK: Final = timedelta(seconds=5)
"""When the sweep looks at a new refund first: its caller has asked the processor by then."""

_LONGEST_KEY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """A refund asked for: of `amount` of credit, None for all that there is."""

    top_up_id: UUID
    idempotency_key: str
    origin: RefundOrigin
    actor: str
    amount: Usd | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LeavingCredit:
    """What leaves a lot; `restriction` says of which part of it: what is locked, or None, what can be spent."""

    lot_id: UUID
    amount: Usd
    restriction: Restriction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPreview:
    """What will come back: `returned` is the money and the credit that leaves for it. `rewards` are what is taken back
    with it. `leaving` is all credit that leaves, by lot; `most` is what can be asked for at most. `review`: an operator
    decides first.
    """

    top_up_id: UUID
    returned: ReturnedMoney
    rewards: RewardReturn
    leaving: Sequence[LeavingCredit]
    most: Usd
    review: bool


@dataclass(frozen=True, slots=True)
class RecordedRefund:
    """A refund whose credit is set aside, and what was taken back with it, if that was done now."""

    refund: Refund
    rewards: RewardReturn


@dataclass(frozen=True, slots=True)
class _Refundable:
    """A capture of which something can be refunded: how much of what was asked for, before rewards count; and the most
    that can be asked for.
    """

    capture: CaptureBalance
    asked: ReturnedMoney
    most: Usd
    review: bool


async def preview_refund(funding: Funding, top_up_id: UUID, amount: Usd | None, origin: RefundOrigin) -> RefundPreview:
    """What `ask_refund` would do now. Raises Missing, Rejected, Conflict."""
    async with funding.change() as conn:
        found = await _look(conn, funding, top_up_id, amount, origin)
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
    """The refund; the processor has been asked, unless an operator decides first. The same idempotency key is the same
    refund. A processor that does not answer is asked again by the sweep.

    Raises Missing, Rejected for what cannot be refunded, Conflict for a key that was used for something else.
    """
    if not 0 < len(request.idempotency_key) <= _LONGEST_KEY or not request.idempotency_key.isprintable():
        raise Rejected(
            f"an idempotency key has 1 to {_LONGEST_KEY} printable characters", param="idempotency_key"
        ).because(ErrorReason.IDEMPOTENCY_KEY_INVALID)
    async with funding.change() as conn:
        refund = (await record_refund(conn, funding, request)).refund
    return await look_at_refund(funding, refund.id) if refund.state is RefundProgress.ASKED else refund


async def approve_refund(funding: Funding, refund_id: UUID, actor: str, reason: str = "") -> Refund:
    """What waited for an operator goes on. Raises Missing, Conflict for one that does not wait."""
    async with funding.change() as conn:
        await let_go_on(conn, funding, await _lock_waiting(conn, funding, refund_id), actor, reason)
    return await look_at_refund(funding, refund_id)


async def reject_refund(funding: Funding, refund_id: UUID, actor: str, reason: str = "") -> Refund:
    """What waited for an operator is not done: the credit is back. Raises Missing, Conflict likewise."""
    async with funding.change() as conn:
        return await turn_down(conn, funding, await _lock_waiting(conn, funding, refund_id), actor, reason)


async def let_go_on(conn: asyncpg.Connection, funding: Funding, refund: Refund, actor: str, reason: str) -> Refund:
    """What is in review is asked for. The wallet is locked."""
    now = funding.world.clock.now()
    asked = dataclasses.replace(refund, state=RefundProgress.ASKED, next_look_at=now + FIRST_LOOK)
    return await refund_store.set_decided(conn, asked, actor, reason, now)


async def turn_down(conn: asyncpg.Connection, funding: Funding, refund: Refund, actor: str, reason: str) -> Refund:
    """What is in review is not done: its credit is back. The wallet is locked."""
    await give_up(conn, funding, refund)
    rejected = dataclasses.replace(refund, state=RefundProgress.REJECTED, next_look_at=None)
    return await refund_store.set_decided(conn, rejected, actor, reason, funding.world.clock.now())


async def settle_refund(funding: Funding, refund_id: UUID, reference: str | None) -> Refund:
    """What an operator says of a refund that no program makes: paid, with the bank's reference; None: it failed.

    Raises Missing, Conflict for one of a processor that says so itself, and for a reference that was used.
    """
    paid = None if reference is None else read_reference(reference)
    async with funding.change() as conn:
        refund = await _lock_refund(conn, funding, refund_id)
        if refund.processor != MANUAL or refund.state is not RefundProgress.CALLED:
            raise Conflict(f"{refund.shown_id} is {refund.state} at {refund.processor}: there is nothing to settle")
        if paid is not None:
            await check_unused(conn, paid)
        told = ProcessorRefund(
            processor_refund_id=paid or refund.processor_refund_id or "",
            capture_id=refund.capture_id,
            money=refund.money,
            state=RefundState.FAILED if paid is None else RefundState.DONE,
            refund_id=refund.shown_id,
            fault="" if paid is not None else "an operator says that it was not paid",
        )
        return await take_refund_on(conn, funding, refund_id, told)


async def record_refund(
    conn: asyncpg.Connection, funding: Funding, request: RefundRequest, *, waits: bool = False
) -> RecordedRefund:
    """The refund, with its credit set aside; or the one that this key stands for. `waits`: it is in review whatever the
    edition says. In the caller's transaction. Raises Missing, Rejected, Conflict.
    """
    account_id = (await store.get_top_up(conn, request.top_up_id)).account_id
    await Wallets(conn).lock_wallet(account_id, funding.world.clock.now())
    known = await refund_store.find_by_key(conn, account_id, request.idempotency_key)
    if known is not None:
        if (known.top_up_id, known.asked) != (request.top_up_id, request.amount):
            raise Conflict(
                f"the key {request.idempotency_key!r} was used for another refund: {known.shown_id}"
            ).because(ErrorReason.IDEMPOTENCY_KEY_USED)
        return RecordedRefund(known, NothingReturned())
    found = await _look(conn, funding, request.top_up_id, request.amount, request.origin)
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
        next_look_at=None if review else now + FIRST_LOOK,
    )
    why = f"refund {refund.shown_id}"
    wanted = CreditReturn(account_id=account_id, lot_id=capture.lot_id, clearing=clearing_of(capture), reason=why)
    await CreditReturns(conn, funding, wanted).set_aside(returned.amount)
    await auto_store.stop(conn, account_id, AutoTopUpStop.REFUND, f"{refund.shown_id}: a top-up is refunded", now)
    return RecordedRefund(await refund_store.add_refund(conn, refund), rewards)


async def _look(
    conn: asyncpg.Connection, funding: Funding, top_up_id: UUID, amount: Usd | None, origin: RefundOrigin
) -> _Refundable:
    """What can be refunded of a top-up; its wallet is locked from here on. Raises Missing, Rejected, Conflict."""
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
        raise Conflict(f"the account owes ${state.debt.brief_up()}: nothing is refunded until that is paid").because(
            ErrorReason.REFUND_DEBT, owed_usd=state.debt
        )
    unspent = min(state.unspent(capture.lot_id), capture.left - capture.leaving)
    most = money_of(capture, unspent)
    if not most.money.minor:
        raise Conflict(
            f"nothing of {top_up.shown_id} can be refunded: it is spent, held or already on its way back"
        ).because(ErrorReason.REFUND_NOTHING_LEFT)
    if amount is not None and amount > unspent:
        words = f"at most ${most.amount.brief_down()} of {top_up.shown_id} can be refunded now"
        raise Rejected(words, param="amount").because(ErrorReason.REFUND_MOST, most_usd=most.amount)
    asked = most if amount is None else money_of(capture, amount)
    if not asked.money.minor:
        raise Rejected(f"${amount} is less than a cent of what was paid", param="amount").because(
            ErrorReason.REFUND_TOO_LITTLE
        )
    review = origin is RefundOrigin.CUSTOMER and await _needs_review(conn, funding, top_up.account_id, now)
    return _Refundable(capture, asked, most.amount, review)


def _check_window(funding: Funding, capture: CaptureBalance, origin: RefundOrigin, now: datetime) -> None:
    """Raises Rejected, Conflict."""
    policy = funding.policy().refunds
    last = capture.processor_refundable_until
    if last is not None and now > last:
        raise Conflict(f"{capture.processor} refunds nothing of a payment after {last:%Y-%m-%d}").because(
            ErrorReason.REFUND_PROCESSOR_OVER, until=last
        )
    if origin is not RefundOrigin.CUSTOMER:
        return
    if not policy.customer:
        raise Rejected(
            "this edition refunds only for failures of the service: an operator decides", param="top_up"
        ).because(ErrorReason.REFUND_NOT_OFFERED)
    if capture.refundable_until is None or now > capture.refundable_until:
        shown = ids.show("topup", capture.top_up_id)
        raise Conflict(f"{shown} was paid on {capture.paid_at:%Y-%m-%d}: its refund window is over").because(
            ErrorReason.REFUND_WINDOW_OVER, paid_at=capture.paid_at
        )


async def _needs_review(conn: asyncpg.Connection, funding: Funding, account_id: UUID, now: datetime) -> bool:
    """A customer's, where there were several lately, or a payer disputes something."""
    policy = funding.policy().refunds
    if await dispute_store.count_open(conn, account_id):
        return True
    earlier = await refund_store.count_recent(conn, account_id, now - timedelta(days=policy.review_days))
    return earlier + 1 >= policy.review_from


def _reduced(found: _Refundable, rewards: RewardReturn) -> ReturnedMoney:
    """What comes back. Raises Conflict if nothing is left of it."""
    returned = found.asked
    if rewards.reduced:
        returned = money_of(found.capture, returned.amount - rewards.reduced)
    if not returned.money.minor:
        raise Conflict("nothing would come back: the cashback that this top-up earned was spent").because(
            ErrorReason.REFUND_CASHBACK_SPENT
        )
    return returned


def _leaving(capture: CaptureBalance, returned: ReturnedMoney, postings: Sequence[Posting]) -> Sequence[LeavingCredit]:
    """By lot: what goes back of the top-up's own, and what is taken back of rewards with it."""
    own = address.own(capture.account_id)
    amounts: dict[tuple[UUID, Restriction | None], Usd] = {(capture.lot_id, None): returned.amount}
    for posting in postings:
        if posting.lot_id is not None and posting.source.startswith(own):
            locked = posting.source == address.account(capture.account_id, Restriction.LOCKED)
            place = (posting.lot_id, Restriction.LOCKED if locked else None)
            amounts[place] = amounts.get(place, ZERO) + posting.amount
    return [LeavingCredit(lot_id, amount, restriction) for (lot_id, restriction), amount in amounts.items()]


async def _lock_refund(conn: asyncpg.Connection, funding: Funding, refund_id: UUID) -> Refund:
    """The refund as it is once its wallet is locked. Raises Missing."""
    account_id = (await refund_store.get_refund(conn, refund_id)).account_id
    await Wallets(conn).lock_wallet(account_id, funding.world.clock.now())
    return await refund_store.get_refund(conn, refund_id)


async def _lock_waiting(conn: asyncpg.Connection, funding: Funding, refund_id: UUID) -> Refund:
    refund = await _lock_refund(conn, funding, refund_id)
    if refund.state is not RefundProgress.REVIEW:
        raise Conflict(f"{refund.shown_id} waits for nobody: it is {refund.state}")
    if refund.origin is RefundOrigin.WITHDRAWAL:
        raise Conflict(f"{refund.shown_id} is of a withdrawal: decide on that")
    return refund
