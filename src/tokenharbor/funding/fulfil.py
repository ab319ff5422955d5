"""From a top-up to its credit: the one path for the browser's return, a webhook, the sweep and a restart.

Idea: whoever thinks that something has happened calls `fulfil`. It reads the payment again at its processor, outside of
any transaction, and `take_payment` makes of it, in one transaction, all that follows: the capture's row, the lot, the
wallet's sum, the state. Nothing is believed but what was read, so it does not matter who called, how often, in which
order, or what an event said.

Invariant: a capture is credited once. Its row is the lock: (processor, capture id) is the key, and the row, the entry
and the state are committed together. The wallet is locked first, so that two calls for one top-up stand in line, and
the second one finds it paid. Who dies before the commit has done nothing; who dies after it has done all.

What is not what was asked (another amount, currency or top-up; a capture that was credited before; a second capture)
credits nothing: the state is `review`, and an alarm tells the operator.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from tokenharbor.funding import auto_store, store
from tokenharbor.funding.amounts import add_months, credit_of, fee_in_usd, tax_of
from tokenharbor.funding.charges import charge_again
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
"""How long the sweep waits for a payer who has not decided."""

_STATES: Final = {
    PaymentState.OPEN: TopUpState.OPEN,
    PaymentState.PENDING: TopUpState.PENDING,
    PaymentState.FAILED: TopUpState.FAILED,
    PaymentState.EXPIRED: TopUpState.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class TakenPayment:
    """What a payment has made of its top-up, and what the operator must be told."""

    top_up: TopUp
    alarm: FundingAlarm | None = None


async def fulfil(funding: Funding, top_up_id: UUID) -> TopUp:
    """Read the payment again, and do what follows. Raises Missing, ProcessorUnavailable, DatabaseUnavailable."""
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
    return await take_payment(funding, top_up.id, payment)


async def take_payment(funding: Funding, top_up_id: UUID, payment: Payment) -> TopUp:
    """What follows from a payment as it was read, in one transaction. Raises Missing, DatabaseUnavailable."""
    try:
        async with funding.change() as conn:
            taken = await take_payment_on(conn, funding, top_up_id, payment)
    except BooksRefused as error:
        async with funding.acquire() as conn:
            top_up = await store.get_top_up(conn, top_up_id)
        return await _set_review(funding, top_up, f"the books refuse it: {error}")
    if taken.alarm is not None:
        funding.report(taken.alarm, taken.top_up.shown_id, taken.top_up.processor)
    return taken.top_up


async def take_payment_on(
    conn: asyncpg.Connection, funding: Funding, top_up_id: UUID, payment: Payment
) -> TakenPayment:
    """Likewise, in the caller's transaction; it has to raise the alarm after the commit. Raises BooksRefused, too."""
    now = funding.world.clock.now()
    account_id = (await store.get_top_up(conn, top_up_id)).account_id
    await Wallets(conn).lock_wallet(account_id, now)  # before any row of this room
    top_up = await store.lock_top_up(conn, top_up_id)
    wrong = _difference(top_up, payment)
    if top_up.state is TopUpState.PAID:
        return TakenPayment(top_up, FundingAlarm.PAYMENT_MISMATCH if wrong else None)
    if wrong:
        return await _review(conn, top_up, wrong, now)
    if payment.state is PaymentState.PAID:
        return await _credit(conn, funding, top_up, payment)
    if top_up.automatic and payment.state in (PaymentState.FAILED, PaymentState.NEEDS_PAYER):
        return await _stop(conn, top_up, payment, now)
    state = _STATES.get(payment.state, TopUpState.OPEN)
    if state is TopUpState.OPEN and now > top_up.created_at + GIVEN_UP_AFTER:
        return TakenPayment(await store.set_state(conn, top_up.id, TopUpState.EXPIRED, "nobody paid"))
    return TakenPayment(await store.set_state(conn, top_up.id, state, payment.fault, payment.processor_id))


async def _read_again(funding: Funding, top_up: TopUp) -> Payment | None:
    """None: the processor knows of nothing that could still be paid. Raises ProcessorUnavailable, ProcessorRefused."""
    processor = funding.processor(top_up.processor)
    if top_up.processor_id is not None:
        return await processor.read_payment(top_up.processor_id, top_up.shown_id)
    if top_up.automatic:
        return await charge_again(funding, top_up)
    return await processor.find_payment(top_up.shown_id, top_up.created_at)


def _difference(top_up: TopUp, payment: Payment) -> str:
    """What of a payment is not as it was asked for; "" if all is. Of one that is not paid, only whose it is."""
    if payment.top_up_id != top_up.shown_id:
        return f"the payment is for {payment.top_up_id[:40]!r}"
    if payment.state is not PaymentState.PAID:
        return ""
    if Money(payment.money.currency, payment.money.minor - payment.tax_minor) != top_up.before_tax:
        tax = f", {Money(payment.money.currency, payment.tax_minor)} of it tax" if payment.tax_minor else ""
        return f"{payment.money} was paid{tax}; {top_up.before_tax} was asked for"
    if payment.capture_id is None:
        return "the payment has no capture"
    if top_up.capture_id not in (None, payment.capture_id):
        return f"a second capture: {payment.capture_id}"
    return ""


async def _credit(conn: asyncpg.Connection, funding: Funding, top_up: TopUp, payment: Payment) -> TakenPayment:
    """The capture, its lot, the sum and the state."""
    rate = None if top_up.rate is None else await store.read_rate(conn, top_up.money.currency)
    now = funding.world.clock.now()
    credited = credit_of(top_up, rate, payment.paid_at or now)
    if credited <= ZERO:
        return await _review(conn, top_up, "what was paid is worth nothing at the current rate", now)
    capture = _capture(funding, top_up, payment, credited, now)
    if not await store.add_capture(conn, capture):
        return await _review(conn, top_up, f"the capture {capture.capture_id} was credited before", now)
    await funding.hooks.run_due(conn, top_up.account_id)
    await Wallets(conn).credit(_lot(funding, capture, now))
    await store.add_topped_up(conn, top_up.account_id, credited)
    if payment.saved_method is not None and top_up.save_method:
        await store.save_method(conn, top_up.account_id, top_up.processor, payment.saved_method, now)
    paid = await store.set_paid(conn, top_up.id, payment, now)
    await funding.hooks.captured(conn, capture)
    return TakenPayment(paid)


def _capture(funding: Funding, top_up: TopUp, payment: Payment, credited: Usd, now: datetime) -> Capture:
    policy = funding.policy()
    dispute_days = policy.disputes.deadline_days.get(top_up.processor)
    assert payment.capture_id is not None, "it was looked at"  # noqa: S101  for mypy
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
    """What stands in an entry for ever. A bank's reference may name a person, so it is in rows that can be erased."""
    return ids.show("topup", capture.top_up_id) if capture.processor == MANUAL else capture.capture_id


async def _review(conn: asyncpg.Connection, top_up: TopUp, why: str, now: datetime) -> TakenPayment:
    """The wallet is locked. While it is in doubt what was charged, nothing more is charged without the payer."""
    reviewed = await store.set_state(conn, top_up.id, TopUpState.REVIEW, why)
    if top_up.automatic and reviewed.state is TopUpState.REVIEW:
        said = f"{top_up.shown_id}: {why}"
        await auto_store.stop(conn, top_up.account_id, AutoTopUpStop.PAYMENT_REVIEW, said, now)
    return TakenPayment(reviewed, FundingAlarm.PAYMENT_MISMATCH)


async def _stop(conn: asyncpg.Connection, top_up: TopUp, payment: Payment, now: datetime) -> TakenPayment:
    """A charge without the payer that failed, or that they would have to confirm: auto top-up ends with it, once."""
    if top_up.state is TopUpState.FAILED:
        return TakenPayment(top_up)
    why, stop = payment.fault or "the payment failed", AutoTopUpStop.PAYMENT_FAILED
    if payment.state is PaymentState.NEEDS_PAYER:
        stop = AutoTopUpStop.PAYER_NEEDED
        why = f"the payer would have to confirm it: {why}"
    failed = await store.set_state(conn, top_up.id, TopUpState.FAILED, why, payment.processor_id)
    await auto_store.stop(conn, top_up.account_id, stop, f"{top_up.shown_id}: {why}", now)
    return TakenPayment(failed, FundingAlarm.AUTO_TOP_UP_STOPPED)


async def _set_review(funding: Funding, top_up: TopUp, why: str) -> TopUp:
    now = funding.world.clock.now()
    async with funding.change() as conn:
        await Wallets(conn).lock_wallet(top_up.account_id, now)
        reviewed = await _review(conn, top_up, why, now)
    funding.report(FundingAlarm.PAYMENT_MISMATCH, top_up.shown_id, top_up.processor)
    return reviewed.top_up


async def _give_up(funding: Funding, top_up: TopUp) -> TopUp:
    """The processor has nothing for a top-up that was never opened there, or no more: it waits, but not for ever."""
    if funding.world.clock.now() <= top_up.created_at + GIVEN_UP_AFTER:
        return top_up
    async with funding.acquire() as conn:
        return await store.set_state(conn, top_up.id, TopUpState.EXPIRED, "the processor knows nothing of it")
