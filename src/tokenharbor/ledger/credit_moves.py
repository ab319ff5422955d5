"""Moves of credit: from an account's state to the entry that is to be written. Pure; the stores only post.

Each raises BooksRefused where there is not enough. `amounts` are by lot.
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
    """An entry's id and time, why it is written, and what makes it once beside its id."""

    id: UUID
    at: datetime
    note: str = ""
    reference: str | None = None


def grant(state: CreditState, credit: Credit) -> CreditEntry:
    """A lot lands in its pool; what the account owes is paid from there at once. Its tax is no credit."""
    check_credit(credit)
    pool = address.account(state.account_id, credit.pool)
    landed = Posting(credit.amount, _source(credit), pool, credit.lot_id)
    tax = (Posting(credit.tax, _source(credit), address.TAX),) if credit.tax else ()
    return _granted(credit, (landed, *_paying_debt(state, pool, credit.lot_id, credit.amount), *tax))


def lock_match(state: CreditState, credit: Credit) -> CreditEntry:
    """A lot of the pool `match` is granted, all of it locked. It pays no debt, so there must be none."""
    check_match(credit)
    if state.debt:
        raise BooksRefused("an account in debt gets no match")
    locked = address.account(state.account_id, Restriction.LOCKED)
    return _granted(credit, (Posting(credit.amount, _source(credit), locked, credit.lot_id),))


def unlock(state: CreditState, stamp: EntryStamp, lot_id: UUID, amount: Usd) -> CreditEntry:
    """Locked credit becomes spendable; as any credit, it pays debt first."""
    _check_there(lot_id, amount, state.locked(lot_id))
    pool = address.account(state.account_id, state.lots[lot_id].pool)
    unlocked = Posting(amount, address.account(state.account_id, Restriction.LOCKED), pool, lot_id)
    return _entry(state, stamp, "unlock", (unlocked, *_paying_debt(state, pool, lot_id, amount)))


def reclaim_locked(state: CreditState, stamp: EntryStamp, lot_id: UUID, amount: Usd) -> CreditEntry:
    """Locked credit goes back to what it was granted from."""
    _check_there(lot_id, amount, state.locked(lot_id))
    locked = address.account(state.account_id, Restriction.LOCKED)
    return _entry(state, stamp, "claw", (Posting(amount, locked, address.PROMOTION, lot_id),))


def claw(state: CreditState, clawback: Clawback) -> CreditEntry:
    """What is there comes from the lot's pool, the rest from debt."""
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
    """A credit goes back where it came from, as far as it has not gone already; None if that was all. What is there of
    its lot is taken, then what is locked; what had expired to income is no income; the rest is debt.
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
    """Debt is paid from lots on the line."""
    if sum(amounts.values()) > state.debt:
        raise BooksRefused(f"the debt is only {state.debt}")
    return _from_line(state, stamp, "claw", amounts, address.debt(state.account_id))


def set_aside(state: CreditState, stamp: EntryStamp, amounts: Amounts) -> CreditEntry:
    """Credit leaves the line and waits to be paid out."""
    return _from_line(state, stamp, "payout", amounts, address.account(state.account_id, Restriction.PAYOUT))


def restore(state: CreditState, stamp: EntryStamp, amounts: Amounts) -> CreditEntry:
    """What was set aside is not paid out: it returns to the line, each amount to its own lot."""
    payout = address.account(state.account_id, Restriction.PAYOUT)
    _check_all(amounts, {lot_id: state.in_payout(lot_id) for lot_id in amounts})
    return _entry(state, stamp, "restore", _to_pools(state, amounts, payout))


def give_back(state: CreditState, stamp: EntryStamp, amounts: Amounts, source: str) -> CreditEntry:
    """What was taken back from a lot, or was paid out, returns from outside: a dispute that was won. Where the lot has
    expired meanwhile, the credit expires at once: grant a new lot instead.
    """
    _check_all(amounts, {lot_id: state.gone(_lot(state, lot_id).id) for lot_id in amounts})
    return _entry(state, stamp, "restore", _to_pools(state, amounts, source))


def pay_out(state: CreditState, stamp: EntryStamp, amounts: Amounts, destination: str) -> CreditEntry:
    """What was set aside has left."""
    payout = address.account(state.account_id, Restriction.PAYOUT)
    _check_all(amounts, {lot_id: state.in_payout(lot_id) for lot_id in amounts})
    postings = tuple(Posting(amount, payout, destination, lot_id) for lot_id, amount in amounts.items())
    return _entry(state, stamp, "paid_out", postings)


def expire(state: CreditState, at: datetime, seq: int) -> CreditEntry | None:
    """What has expired beyond what is held, and what has expired while it was locked; `seq` will be the entry's. What
    was paid for and not used is income; a grant that expires was no expense.
    """
    locked = [
        (state.lots[lot_id], amount)
        for (lot_id, place), amount in state.restricted.items()
        if place is Restriction.LOCKED
    ]
    gone: list[tuple[Lot, Usd, Pool | Restriction]] = [
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
        for lot, amount, place in gone
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
    """Where a credit comes from, unless it says so itself: a payment that somebody else took, or our own expense."""
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


def _check_all(amounts: Amounts, there: Amounts) -> None:
    if not amounts:
        raise BooksRefused("no amount to move")
    for lot_id, amount in amounts.items():
        _check_there(lot_id, amount, there[lot_id])


def _check_there(lot_id: UUID, amount: Usd, there: Usd) -> None:
    if not ZERO < amount <= there:
        raise BooksRefused(f"{ids.show('lot', lot_id)} has {there} of which {amount} would be moved")
