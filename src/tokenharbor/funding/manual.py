"""Payments that an operator records, such as bank transfers: once per reference, large ones by two people."""

from dataclasses import dataclass

import asyncpg

from tokenharbor.funding import store
from tokenharbor.funding.amounts import BOOKS_CURRENCY
from tokenharbor.funding.context import Funding
from tokenharbor.funding.fulfil import apply_payment_on
from tokenharbor.funding.people import is_same_person
from tokenharbor.funding.references import read_reference
from tokenharbor.funding.types import MANUAL, TopUp, TopUpState
from tokenharbor.identity.store import get_account
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Conflict, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import NANO_PER_CENT, Money, Usd
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.payments.manual import received_transfer


@dataclass(frozen=True, slots=True)
class ManualPayment:
    """A payment that came in. `reference` is the bank's and is used once; `actor` is the person who records it."""

    account_id: UUID
    amount: Usd
    reference: str
    actor: str


async def record_payment(funding: Funding, payment: ManualPayment) -> TopUp:
    """Record a payment. Return its top-up: paid, or open until another person confirms it, if the amount is above the
    edition's limit for one person.

    Raises Missing, Rejected, BooksRefused, or Conflict if the reference was already used.
    """
    reference = _check(payment)
    if MANUAL not in funding.processors:
        raise Rejected("recorded payments are off: set enabled = true in [processors.manual]", param="processor")
    async with funding.change() as conn:
        await get_account(conn, payment.account_id)
        try:
            async with conn.transaction():
                top_up = await store.add_top_up(conn, _intent(funding, payment, reference))
        except asyncpg.UniqueViolationError:
            top_up = None
        if top_up is None:
            known = await store.find_by_object(conn, MANUAL, reference)
            where = f" by {known.shown_id}" if known is not None else ""
            raise Conflict(f"the reference {reference} was already used{where}")
        if payment.amount > funding.policy().topups.second_person:
            return top_up
        return await _apply(conn, funding, top_up)


async def confirm_payment(funding: Funding, top_up_id: UUID, actor: str) -> TopUp:
    """Confirm a recorded payment, as the second person. Return its top-up, credited.

    Raises Missing; Rejected for an empty `actor`; Conflict if the payment does not wait, or the person is the same.
    """
    if not actor.strip():
        raise Rejected("say who confirms the payment", param="actor")
    async with funding.change() as conn:
        account_id = (await store.get_top_up(conn, top_up_id)).account_id
        await Wallets(conn).lock_wallet(account_id, funding.world.clock.now())  # before any row of this room
        top_up = await store.lock_top_up(conn, top_up_id)
        if top_up.processor != MANUAL or top_up.state is not TopUpState.OPEN:
            raise Conflict(f"{top_up.shown_id} does not wait for confirmation: it is {top_up.state}")
        if is_same_person(top_up.actor, actor):
            raise Conflict(f"{actor} recorded {top_up.shown_id}: another person must confirm it")
        await store.set_confirmed(conn, top_up_id, actor)
        return await _apply(conn, funding, top_up)


async def _apply(conn: asyncpg.Connection, funding: Funding, top_up: TopUp) -> TopUp:
    payment = received_transfer(top_up.shown_id, top_up.money, top_up.processor_id or "", funding.world.clock.now())
    return (await apply_payment_on(conn, funding, top_up.id, payment)).top_up


def _intent(funding: Funding, payment: ManualPayment, reference: str) -> TopUp:
    top_up_id = funding.world.ids.new()
    return TopUp(
        id=top_up_id,
        account_id=payment.account_id,
        idempotency_key=f"{MANUAL}/{ids.show('topup', top_up_id)}",
        processor=MANUAL,
        method=MANUAL,
        created_at=funding.world.clock.now(),
        actor=payment.actor,
        money=Money.of_usd_down(payment.amount),
        tax_minor=0,
        credit=payment.amount,
        state=TopUpState.OPEN,
        automatic=False,
        pretended=False,
        save_method=False,
        looks=0,
        processor_id=reference,
    )


def _check(payment: ManualPayment) -> str:
    """Return the reference in its normalized form. Raises Rejected."""
    if payment.amount < NANO_PER_CENT or payment.amount % NANO_PER_CENT:
        raise Rejected(f"a payment must be a whole number of cents in {BOOKS_CURRENCY}", param="amount")
    if not payment.actor.strip():
        raise Rejected("say who records the payment", param="actor")
    return read_reference(payment.reference)
