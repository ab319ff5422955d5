"""From a payment to its credit: the one path for the browser's return, a webhook, the sweep and a restart.

Code that learns of a possible change calls `fulfil`. It reads the payment again at its processor, outside of any
transaction. Then `apply_payment` does everything that follows in one transaction: the capture's row, the lot, the
wallet's sum, the state. Only the payment as read is believed, so it does not matter who called, how often, in which
order, or what an event said.

Invariant: a capture is credited once. The capture's row is the lock: its key is (processor, capture id), and the row,
the entry and the state are committed together. The wallet is locked first, so of two calls for one top-up the second
waits, and finds it paid. A process that dies before the commit has changed nothing; after it, everything is done.

A payment that does not match its order (another amount, currency or top-up; a capture that was credited before; a
second capture) credits nothing: the state becomes `review`, and an alarm tells the operator.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from tokenharbor.funding import auto_store, store
from tokenharbor.funding.amounts import add_months, credit_of, fee_in_usd, tax_of
from tokenharbor.funding.charges import charge_or_find
from tokenharbor.funding.context import Funding, FundingAlarm
from tokenharbor.funding.types import MANUAL, AutoTopUpStop, Capture, TopUp, TopUpState
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import BooksRefused, ProcessorRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Money, Usd
from tokenharbor.ledger import address
from tokenharbor.ledger.types import Credit, Pool
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.payments.types import Payment, PaymentState

GIVEN_UP_AFTER: Final = timedelta(days=7)
"""How long the sweep waits for a payer who neither pays nor cancels."""

_STATES: Final = {
    PaymentState.OPEN: TopUpState.OPEN,
    PaymentState.PENDING: TopUpState.PENDING,
    PaymentState.FAILED: TopUpState.FAILED,
    PaymentState.EXPIRED: TopUpState.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class AppliedPayment:
    """A top-up after its payment was taken, and the alarm to raise after the commit."""

    top_up: TopUp
    alarm: FundingAlarm | None = None


async def fulfil(funding: Funding, top_up_id: UUID) -> TopUp:
    """Read a top-up's payment again and apply it. Raises Missing, ProcessorUnavailable or DatabaseUnavailable."""
    async with funding.acquire() as conn:
        top_up = await store.get_top_up(conn, top_up_id)
    if top_up.state is TopUpState.PAID or top_up.processor == MANUAL:
        return top_up
    try:
        payment = await _read_again(funding, top_up)
    except ProcessorRefused as error:
        return await _set_review(funding, top_up, str(error))
    if payment is None:
        return await _give_up(funding, top_up)
    return await apply_payment(funding, top_up.id, payment)


async def apply_payment(funding: Funding, top_up_id: UUID, payment: Payment) -> TopUp:
    """Apply a payment as read, in one transaction. Raises Missing or DatabaseUnavailable."""
    try:
        async with funding.change() as conn:
            taken = await apply_payment_on(conn, funding, top_up_id, payment)
    except BooksRefused as error:
        async with funding.acquire() as conn:
            top_up = await store.get_top_up(conn, top_up_id)
        return await _set_review(funding, top_up, f"the ledger refused the credit: {error}")
    if taken.alarm is not None:
        funding.report(taken.alarm, taken.top_up.shown_id, taken.top_up.processor)
    return taken.top_up


async def apply_payment_on(
    conn: asyncpg.Connection, funding: Funding, top_up_id: UUID, payment: Payment
) -> AppliedPayment:
    """Apply a payment as read, in the caller's transaction; the caller raises the alarm after its commit.

    Raises Missing, BooksRefused or DatabaseUnavailable.
    """
    now = funding.world.clock.now()
    account_id = (await store.get_top_up(conn, top_up_id)).account_id
    await Wallets(conn).lock_wallet(account_id, now)  # before any row of this room
    top_up = await store.lock_top_up(conn, top_up_id)
    wrong = _find_difference(top_up, payment)
    if top_up.state is TopUpState.PAID:
        return AppliedPayment(top_up, FundingAlarm.PAYMENT_MISMATCH if wrong else None)
    if wrong:
        return await _review(conn, top_up, wrong, now)
    if payment.state is PaymentState.PAID:
        return await _credit(conn, funding, top_up, payment)
    if top_up.automatic and payment.state in (PaymentState.FAILED, PaymentState.NEEDS_PAYER):
        return await _stop(conn, top_up, payment, now)
    state = _STATES.get(payment.state, TopUpState.OPEN)
    if state is TopUpState.OPEN and now > top_up.created_at + GIVEN_UP_AFTER:
        return AppliedPayment(await store.set_state(conn, top_up.id, TopUpState.EXPIRED, "nobody paid"))
    return AppliedPayment(await store.set_state(conn, top_up.id, state, payment.fault, payment.processor_id))


async def _read_again(funding: Funding, top_up: TopUp) -> Payment | None:
    """Return the payment, or None if the processor knows none. Raises ProcessorUnavailable or ProcessorRefused."""
    processor = funding.processor(top_up.processor)
    if top_up.processor_id is not None:
        return await processor.read_payment(top_up.processor_id, top_up.shown_id)
    if top_up.automatic:
        return await charge_or_find(funding, top_up)
    return await processor.find_payment(top_up.shown_id, top_up.created_at)


def _find_difference(top_up: TopUp, payment: Payment) -> str:
    """Return how a payment differs from its order, "" if it matches. If it is not paid, only its top-up is compared."""
    if payment.top_up_id != top_up.shown_id:
        return f"the payment is for {payment.top_up_id[:40]!r}"
    if payment.state is not PaymentState.PAID:
        return ""
    if Money(payment.money.currency, payment.money.minor - payment.tax_minor) != top_up.before_tax:
        tax = f", {Money(payment.money.currency, payment.tax_minor)} of it tax" if payment.tax_minor else ""
        return f"{payment.money} was paid{tax}; {top_up.before_tax} was ordered"
    if payment.capture_id is None:
        return "the payment has no capture"
    if top_up.capture_id not in (None, payment.capture_id):
        return f"a second capture: {payment.capture_id}"
    return ""


async def _credit(conn: asyncpg.Connection, funding: Funding, top_up: TopUp, payment: Payment) -> AppliedPayment:
    """Record the capture, grant its lot, and mark the top-up as paid."""
    rate = None if top_up.rate is None else await store.read_rate(conn, top_up.money.currency)
    now = funding.world.clock.now()
    credited = credit_of(top_up, rate, payment.paid_at or now)
    if credited <= ZERO:
        return await _review(conn, top_up, "the payment is worth nothing at the current rate", now)
    capture = _capture(funding, top_up, payment, credited, now)
    if not await store.add_capture(conn, capture):
        return await _review(conn, top_up, f"the capture {capture.capture_id} was already credited", now)
    await funding.hooks.run_due(conn, top_up.account_id)
    await Wallets(conn).credit(_lot(funding, capture, now))
    await store.add_topped_up(conn, top_up.account_id, credited)
    if payment.saved_method is not None and top_up.save_method:
        await store.save_method(conn, top_up.account_id, top_up.processor, payment.saved_method, now)
    paid = await store.set_paid(conn, top_up.id, payment, now)
    await funding.hooks.captured(conn, capture)
    return AppliedPayment(paid)


def _capture(funding: Funding, top_up: TopUp, payment: Payment, credited: Usd, now: datetime) -> Capture:
    policy = funding.policy()
    dispute_days = policy.disputes.deadline_days.get(top_up.processor)
    assert payment.capture_id is not None, "checked before"  # noqa: S101  for mypy
    return Capture(
        processor=top_up.processor,
        capture_id=payment.capture_id,
        top_up_id=top_up.id,
        account_id=top_up.account_id,
        lot_id=funding.world.ids.new(),
        money=payment.money,
        captured=credited,
        fee=fee_in_usd(payment.fee),
        instrument=payment.instrument,
        paid_at=now,
        refundable_until=now + timedelta(days=policy.refunds.days) if policy.refunds.days else None,
        processor_refundable_until=payment.can_refund_until,
        dispute_until=None if dispute_days is None else now + timedelta(days=dispute_days),
        automatic=top_up.automatic,
        tax=tax_of(top_up, payment.tax_minor, credited),
    )


def _lot(funding: Funding, capture: Capture, now: datetime) -> Credit:
    months = funding.policy().topups.expires_months
    return Credit(
        entry_id=funding.world.ids.new(),
        lot_id=capture.lot_id,
        account_id=capture.account_id,
        pool=Pool.PAID,
        origin="top-up",
        amount=capture.captured,
        at=now,
        reason="top-up",
        expires_at=add_months(now, months) if months else None,
        refundable_until=capture.refundable_until,
        withdrawable_from=now,
        reference=f"capture/{capture.processor}/{_name_in_books(capture)}",
        source=address.clearing(capture.processor, capture.money.currency.lower()),
        tax=capture.tax,
    )


def _name_in_books(capture: Capture) -> str:
    """Return the capture's name for an entry, which is never erased. A bank's reference may name a person, so it stays
    in rows that can be erased.
    """
    return ids.show("topup", capture.top_up_id) if capture.processor == MANUAL else capture.capture_id


async def _review(conn: asyncpg.Connection, top_up: TopUp, why: str, now: datetime) -> AppliedPayment:
    """Set the top-up to review; the wallet is locked. If it was automatic, also stop auto top-up: nothing more may be
    charged without the payer while a charge is in doubt.
    """
    reviewed = await store.set_state(conn, top_up.id, TopUpState.REVIEW, why)
    if top_up.automatic and reviewed.state is TopUpState.REVIEW:
        said = f"{top_up.shown_id}: {why}"
        await auto_store.stop(conn, top_up.account_id, AutoTopUpStop.PAYMENT_REVIEW, said, now)
    return AppliedPayment(reviewed, FundingAlarm.PAYMENT_MISMATCH)


async def _stop(conn: asyncpg.Connection, top_up: TopUp, payment: Payment, now: datetime) -> AppliedPayment:
    """Fail an automatic charge that failed or needs the payer's confirmation, and stop auto top-up with it, once."""
    if top_up.state is TopUpState.FAILED:
        return AppliedPayment(top_up)
    why, stop = payment.fault or "the payment failed", AutoTopUpStop.PAYMENT_FAILED
    if payment.state is PaymentState.NEEDS_PAYER:
        stop = AutoTopUpStop.PAYER_NEEDED
        why = f"the payer would have to confirm the payment: {why}"
    failed = await store.set_state(conn, top_up.id, TopUpState.FAILED, why, payment.processor_id)
    await auto_store.stop(conn, top_up.account_id, stop, f"{top_up.shown_id}: {why}", now)
    return AppliedPayment(failed, FundingAlarm.AUTO_TOP_UP_STOPPED)


async def _set_review(funding: Funding, top_up: TopUp, why: str) -> TopUp:
    now = funding.world.clock.now()
    async with funding.change() as conn:
        await Wallets(conn).lock_wallet(top_up.account_id, now)
        reviewed = await _review(conn, top_up, why, now)
    funding.report(FundingAlarm.PAYMENT_MISMATCH, top_up.shown_id, top_up.processor)
    return reviewed.top_up


async def _give_up(funding: Funding, top_up: TopUp) -> TopUp:
    """Expire a top-up of which the processor knows nothing, once it is old enough."""
    if funding.world.clock.now() <= top_up.created_at + GIVEN_UP_AFTER:
        return top_up
    async with funding.acquire() as conn:
        return await store.set_state(conn, top_up.id, TopUpState.EXPIRED, "the processor has no payment for it")
