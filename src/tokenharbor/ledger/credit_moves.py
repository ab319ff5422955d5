"""Moves of credit: pure functions from an account's state to the entry that the credit book posts.

Each raises BooksRefused if the state does not cover the move. `amounts` are by lot.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger import address
from tokenharbor.ledger.chain import own_id
from tokenharbor.ledger.checks import check_clawback, check_credit, check_match
from tokenharbor.ledger.credit_state import CreditEntry, CreditState
from tokenharbor.ledger.entry import EntryType
from tokenharbor.ledger.line import Lot, spending_order
from tokenharbor.ledger.posting import Posting
from tokenharbor.ledger.reversal import LotHistory, Reversal
from tokenharbor.ledger.types import Clawback, Credit, Pool, Restriction

Amounts = Mapping[UUID, Usd]


class EntryStamp(msgspec.Struct, frozen=True):
    """The id and time of an entry, a note on why it is written, and a reference that makes it unique beside its id."""

    id: UUID
    at: datetime
    note: str = ""
    reference: str | None = None


def grant(state: CreditState, credit: Credit) -> CreditEntry:
    """Grant a lot to its pool, and pay debt from it at once. The tax in the payment is no credit."""
    check_credit(credit)
    pool = address.account(state.account_id, credit.pool)
    granted = Posting(credit.amount, _source(credit), pool, credit.lot_id)
    tax = (Posting(credit.tax, _source(credit), address.TAX),) if credit.tax else ()
    return _granted(credit, (granted, *_paying_debt(state, pool, credit.lot_id, credit.amount), *tax))


def lock_match(state: CreditState, credit: Credit) -> CreditEntry:
    """Grant a lot of pool `match`, all of it locked. It pays no debt, so the account must have none."""
    check_match(credit)
    if state.debt:
        raise BooksRefused("an account in debt gets no match")
    locked = address.account(state.account_id, Restriction.LOCKED)
    return _granted(credit, (Posting(credit.amount, _source(credit), locked, credit.lot_id),))


def unlock(state: CreditState, stamp: EntryStamp, lot_id: UUID, amount: Usd) -> CreditEntry:
    """Make locked credit spendable. Like any credit, it pays debt first."""
    _check_available(lot_id, amount, state.locked(lot_id))
    pool = address.account(state.account_id, state.lots[lot_id].pool)
    unlocked = Posting(amount, address.account(state.account_id, Restriction.LOCKED), pool, lot_id)
    return _entry(state, stamp, "unlock", (unlocked, *_paying_debt(state, pool, lot_id, amount)))


def reclaim_locked(state: CreditState, stamp: EntryStamp, lot_id: UUID, amount: Usd) -> CreditEntry:
    """Return locked credit to the address that granted it."""
    _check_available(lot_id, amount, state.locked(lot_id))
    locked = address.account(state.account_id, Restriction.LOCKED)
    return _entry(state, stamp, "claw", (Posting(amount, locked, address.PROMOTION, lot_id),))


def claw(state: CreditState, clawback: Clawback) -> CreditEntry:
    """Take back a lot's credit as far as it is free; the rest becomes debt."""
    check_clawback(clawback)
    lot = _lot(state, clawback.lot_id)
    taken = min(clawback.amount, state.unspent(lot.id))
    postings = _take(
        clawback.destination,
        lot.id,
        {
            address.account(state.account_id, lot.pool): taken,
            address.debt(state.account_id): clawback.amount - taken,
        },
    )
    return _entry(state, EntryStamp(clawback.entry_id, clawback.at, clawback.reason), "claw", postings)


def reverse(state: CreditState, reversal: Reversal, history: LotHistory) -> CreditEntry | None:
    """Return a credit to its source as far as it has not gone back; None if nothing is left. Take its lot's free
    credit, then locked credit; take expired credit back from income; the rest becomes debt.
    """
    lot = _lot(state, history.lot_id)
    if state.in_payout(lot.id):
        raise BooksRefused(f"{ids.show('lot', lot.id)} is being paid out")
    left = history.left
    if left <= ZERO:
        return None
    own = left - history.breakage
    taken = min(own, state.unspent(lot.id))
    locked = min(own - taken, state.locked(lot.id))
    sources = {
        address.account(state.account_id, lot.pool): taken,
        address.account(state.account_id, Restriction.LOCKED): locked,
        address.BREAKAGE: history.breakage,
        address.debt(state.account_id): own - taken - locked,
    }
    postings = _take(history.credit.source, lot.id, sources)
    return _entry(state, EntryStamp(reversal.entry_id, reversal.at, reversal.reason), "claw", postings)


def take_debt(state: CreditState, stamp: EntryStamp, amounts: Amounts) -> CreditEntry:
    """Pay debt from lots on the line."""
    if sum(amounts.values()) > state.debt:
        raise BooksRefused(f"the debt is only {state.debt}")
    return _from_line(state, stamp, "claw", amounts, address.debt(state.account_id))


def set_aside(state: CreditState, stamp: EntryStamp, amounts: Amounts) -> CreditEntry:
    """Take credit off the line until it is paid out or restored."""
    return _from_line(state, stamp, "payout", amounts, address.account(state.account_id, Restriction.PAYOUT))


def restore(state: CreditState, stamp: EntryStamp, amounts: Amounts) -> CreditEntry:
    """Return credit that was set aside and not paid out to the line, each amount to its own lot."""
    payout = address.account(state.account_id, Restriction.PAYOUT)
    _check_all(amounts, {lot_id: state.in_payout(lot_id) for lot_id in amounts})
    return _entry(state, stamp, "restore", _to_pools(state, amounts, payout))


def give_back(state: CreditState, stamp: EntryStamp, amounts: Amounts, source: str) -> CreditEntry:
    """Return credit that was taken back or paid out to its lot, from outside: for a dispute that was won. If the lot
    has expired meanwhile, the credit would expire at once: grant a new lot instead.
    """
    _check_all(amounts, {lot_id: state.gone(_lot(state, lot_id).id) for lot_id in amounts})
    return _entry(state, stamp, "restore", _to_pools(state, amounts, source))


def pay_out(state: CreditState, stamp: EntryStamp, amounts: Amounts, destination: str) -> CreditEntry:
    """Pay out credit that was set aside."""
    payout = address.account(state.account_id, Restriction.PAYOUT)
    _check_all(amounts, {lot_id: state.in_payout(lot_id) for lot_id in amounts})
    postings = tuple(Posting(amount, payout, destination, lot_id) for lot_id, amount in amounts.items())
    return _entry(state, stamp, "paid_out", postings)


def expire(state: CreditState, at: datetime, seq: int) -> CreditEntry | None:
    """Return the entry that expires free and locked credit whose time has passed, or None; `seq` is the entry's number.
    Paid credit that expires is income; a grant that expires goes back to the expense that it came from.
    """
    locked = [
        (state.lots[lot_id], amount)
        for (lot_id, place), amount in state.restricted.items()
        if place is Restriction.LOCKED
    ]
    expirable: list[tuple[Lot, Usd, Pool | Restriction]] = [
        *((piece.lot, piece.amount, piece.lot.pool) for piece in state.tail),
        *(
            (lot, amount, Restriction.LOCKED)
            for lot, amount in sorted(locked, key=lambda each: spending_order(each[0]))
        ),
    ]
    postings = tuple(
        Posting(
            amount,
            address.account(state.account_id, place),
            address.BREAKAGE if place is Pool.PAID else address.PROMOTION,
            lot.id,
        )
        for lot, amount, place in expirable
        if lot.expires_at is not None and lot.expires_at <= at
    )
    if not postings:
        return None
    return _entry(state, EntryStamp(own_id(at, state.account_id, seq), at), "expiry", postings)


def _granted(credit: Credit, postings: tuple[Posting, ...]) -> CreditEntry:
    lot = Lot(
        credit.lot_id,
        credit.pool,
        credit.origin,
        credit.amount,
        credit.at,
        credit.expires_at,
        credit.refundable_until,
        credit.withdrawable_from,
    )
    return CreditEntry(
        credit.entry_id, credit.account_id, "credit", credit.at, postings, (lot,), credit.reference, credit.reason
    )


def _source(credit: Credit) -> str:
    """Return a credit's source address: as stated, else its origin's, a manually recorded payment or our expense."""
    if credit.source is not None:
        return credit.source
    if credit.origin == "cashback":
        return address.CASHBACK
    return address.clearing("manual", "usd") if credit.origin == "top-up" else address.PROMOTION


def _paying_debt(state: CreditState, pool: str, lot_id: UUID, amount: Usd) -> Iterable[Posting]:
    paid = min(state.debt, amount)
    return (Posting(paid, pool, address.debt(state.account_id), lot_id),) if paid else ()


def _from_line(
    state: CreditState, stamp: EntryStamp, type_: EntryType, amounts: Amounts, destination: str
) -> CreditEntry:
    _check_all(amounts, {lot_id: state.unspent(lot_id) for lot_id in amounts})
    postings = tuple(
        Posting(amount, address.account(state.account_id, state.lots[lot_id].pool), destination, lot_id)
        for lot_id, amount in amounts.items()
    )
    return _entry(state, stamp, type_, postings)


def _to_pools(state: CreditState, amounts: Amounts, source: str) -> tuple[Posting, ...]:
    return tuple(
        Posting(amount, source, address.account(state.account_id, state.lots[lot_id].pool), lot_id)
        for lot_id, amount in amounts.items()
    )


def _take(destination: str, lot_id: UUID, sources: Mapping[str, int]) -> tuple[Posting, ...]:
    return tuple(Posting(Usd(amount), source, destination, lot_id) for source, amount in sources.items() if amount)


def _entry(state: CreditState, stamp: EntryStamp, type_: EntryType, postings: tuple[Posting, ...]) -> CreditEntry:
    return CreditEntry(
        stamp.id, state.account_id, type_, stamp.at, postings, reference=stamp.reference, note=stamp.note
    )


def _lot(state: CreditState, lot_id: UUID) -> Lot:
    lot = state.lots.get(lot_id)
    if lot is None:
        raise BooksRefused(f"no such lot: {ids.show('lot', lot_id)}")
    return lot


def _check_all(amounts: Amounts, available: Amounts) -> None:
    if not amounts:
        raise BooksRefused("no amount to move")
    for lot_id, amount in amounts.items():
        _check_available(lot_id, amount, available[lot_id])


def _check_available(lot_id: UUID, amount: Usd, available: Usd) -> None:
    """Raise BooksRefused unless the amount is positive and available."""
    if not ZERO < amount <= available:
        raise BooksRefused(f"cannot move {amount} of {ids.show('lot', lot_id)}, which has {available}")
