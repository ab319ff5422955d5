"""Takes rewards back when a top-up's money goes back, and gives them again when that fails.

Invariant: no reward outlives the money that earned it. When a part of a matched top-up is refunded or withdrawn,
`locked` is reduced to what remains of its lot. A dispute takes the whole match, and the part of it that was spent
becomes debt. Cashback is taken back in proportion to the part of the top-up that has gone back in all: first from
cashback that is still there, the latest first; then from the top-up's own lot (`reduced`: the refund pays that much
less), or, in a dispute, as debt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import msgspec

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.world import World
from tokenharbor.ledger import address, credit_moves
from tokenharbor.ledger.credit_moves import EntryStamp
from tokenharbor.ledger.credit_state import CreditEntry, CreditState
from tokenharbor.ledger.posting import Posting
from tokenharbor.ledger.types import Credit, Pool, Restriction
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.rewards.cashback import to_reverse
from tokenharbor.rewards.store import SQL
from tokenharbor.rewards.types import RewardKind


@dataclass(frozen=True, slots=True)
class TopUpReturn:
    """A part of a top-up's lot that goes back by the refund, withdrawal or dispute `return_id`."""

    account_id: UUID
    lot_id: UUID
    amount: Usd
    return_id: UUID
    disputed: bool


@dataclass(frozen=True, slots=True)
class TakenRewards:
    """The rewards that are taken back, and the postings that do so: `locked` match; `cashback` that is still there;
    `reduced`, cashback that was spent and comes from the top-up's lot instead.
    """

    locked: Usd = ZERO
    cashback: Usd = ZERO
    reduced: Usd = ZERO
    postings: Sequence[Posting] = ()


@dataclass(frozen=True, slots=True)
class ReturnPlan:
    """The postings that take back match and cashback; `reversed` is the sum of the cashback."""

    taken: TakenRewards
    match: Sequence[Posting]
    cashback: Sequence[Posting]
    reversed: Usd


async def plan_return(conn: asyncpg.Connection, state: CreditState, part: TopUpReturn) -> ReturnPlan:
    """Plan what to take back, without changing anything. The wallet is locked."""
    match = await conn.fetchrow(SQL.match, state.account_id)
    locked, match_postings = ZERO, []
    if match is not None and match["top_up_lot"] == part.lot_id:
        lot_id = match["match_lot"]
        if part.disputed:
            locked = state.locked(lot_id)
            owed = await conn.fetchval(SQL.owed_for, lot_id, address.debt(state.account_id))
            match_postings = _whole_match(state, lot_id, owed)
        else:
            locked = Usd(max(state.locked(lot_id) - max(state.remaining(part.lot_id) - part.amount, 0), 0))
            match_postings = _from_locked(state, lot_id, locked)
    source = await conn.fetchrow(SQL.source, part.lot_id)
    due = ZERO
    if source is not None:
        amount, returned = state.lots[part.lot_id].amount, Usd(source["returned"]) + part.amount
        due = to_reverse(source["earned"], amount, min(returned, amount), Usd(source["reversed"]))
    cashback = _from_cashback(state, due)
    there = sum([posting.amount for posting in cashback], ZERO)
    short = due - there
    reduced = ZERO if part.disputed else min(short, part.amount, state.unspent(part.lot_id))
    rest = short if part.disputed else reduced
    place = address.debt(state.account_id) if part.disputed else address.account(state.account_id, Pool.PAID)
    lot_id = _any_cashback(state, part.lot_id) if part.disputed else part.lot_id
    if rest:
        cashback.append(Posting(rest, place, address.CASHBACK, lot_id))
    taken = TakenRewards(locked, there, reduced, [*match_postings, *cashback])
    return ReturnPlan(taken, match_postings, cashback, there + rest)


async def take_back(conn: asyncpg.Connection, world: World, part: TopUpReturn) -> TakenRewards:
    """Take rewards back for a return, once until it is undone, in the caller's transaction. Raises BooksRefused."""
    now, wallets = world.clock.now(), Wallets(conn)
    state = await wallets.lock(part.account_id, now)
    plan = await plan_return(conn, state, part)
    ours = (part.return_id, part.account_id, part.lot_id, part.amount, plan.reversed, now)
    attempt = await conn.fetchval(SQL.add_return, *ours)
    if attempt is None:
        return TakenRewards()
    for what, postings in (("match", plan.match), ("cashback", plan.cashback)):
        if postings:
            await wallets.post(_entry(world, part.account_id, now, _reference(part.return_id, attempt, what), postings))
    await conn.execute(SQL.add_returned, part.lot_id, part.account_id, part.amount, plan.reversed)
    return plan.taken


async def give_back(conn: asyncpg.Connection, world: World, account_id: UUID, return_id: UUID) -> None:
    """Undo `take_back` for a return that did not happen, once, after the top-up's own lot was restored.

    The match is locked again only as far as the matched top-up remains. What became debt and was paid meanwhile is
    granted as new credit. Runs in the caller's transaction. Raises BooksRefused.
    """
    now, wallets = world.clock.now(), Wallets(conn)
    await wallets.lock_wallet(account_id, now)
    row = await conn.fetchrow(SQL.give_back, return_id, now)
    if row is None:
        return
    await conn.execute(SQL.undo_returned, row["lot_id"], row["amount"], row["reversed"])
    for what in ("match", "cashback"):
        reference = _reference(return_id, row["turn"], what)
        taken = [
            Posting(Usd(each["amount"]), each["source"], each["destination"], each["lot_id"])
            for each in await conn.fetch(SQL.return_postings, reference)
        ]
        if taken:
            room = await _room_to_lock(conn, await wallets.lock(account_id, now))
            await _give_back(wallets, world, account_id, taken, f"{reference}/undone", room=room)


async def reclaim_excess(conn: asyncpg.Connection, world: World, account_id: UUID) -> None:
    """Reclaim locked match beyond what remains of the matched top-up, which may have paid debt."""
    match = await conn.fetchrow(SQL.match, account_id)
    if match is None:
        return
    now, wallets = world.clock.now(), Wallets(conn)
    state = await wallets.lock(account_id, now)
    remaining = state.remaining(match["top_up_lot"]) + state.in_payout(match["top_up_lot"])
    excess = state.locked(match["match_lot"]) - remaining
    if excess > ZERO:
        stamp = EntryStamp(world.ids.new(), now, "less of the matched top-up remains")
        await wallets.post(credit_moves.reclaim_locked(state, stamp, match["match_lot"], excess))


async def _room_to_lock(conn: asyncpg.Connection, state: CreditState) -> Usd:
    """Return how much more match may be locked: never more than remains of the matched top-up."""
    match = await conn.fetchrow(SQL.match, state.account_id)
    if match is None:
        return ZERO
    there = state.laid(match["top_up_lot"]) - state.locked(match["match_lot"]) - match["unlocked"]
    return Usd(max(there, 0))


def _lockable(state: CreditState, taken: Sequence[Posting], room: Usd) -> Sequence[Posting]:
    """Cut postings of locked credit down to `room`."""
    locked = address.account(state.account_id, Restriction.LOCKED)
    cut = [Posting(min(each.amount, room) if each.source == locked else each.amount, *_ends(each)) for each in taken]
    return [each for each in cut if each.amount]


def _ends(posting: Posting) -> tuple[str, str, UUID | None]:
    return posting.source, posting.destination, posting.lot_id


async def _give_back(
    wallets: Wallets, world: World, account_id: UUID, taken: Sequence[Posting], reference: str, *, room: Usd
) -> None:
    now, debt = world.clock.now(), address.debt(account_id)
    state = await wallets.lock(account_id, now)
    taken = _lockable(state, taken, room)
    owed = sum([posting.amount for posting in taken if posting.source == debt], ZERO)
    still = min(owed, state.debt)
    back = [Posting(each.amount, each.destination, each.source, each.lot_id) for each in taken if each.source != debt]
    if still:
        of_debt = next(posting for posting in taken if posting.source == debt)
        back.append(Posting(still, of_debt.destination, debt, of_debt.lot_id))
    if back:
        entry = _entry(world, account_id, now, reference, back)
        await wallets.post(msgspec.structs.replace(entry, type="restore"))
    if owed > still:
        lot_id = next(posting.lot_id for posting in taken if posting.source == debt)
        assert lot_id is not None, "debt of a return names a lot"  # noqa: S101  for mypy
        lot = state.lots[lot_id]
        anew = Credit(
            entry_id=world.ids.new(),
            lot_id=world.ids.new(),
            account_id=account_id,
            pool=lot.pool,
            origin=lot.origin,
            amount=owed - still,
            at=now,
            reason="a dispute was won",
            withdrawable_from=lot.withdrawable_from,
            reference=f"{reference}/paid",
            source=taken[0].destination,
        )
        await wallets.post(credit_moves.grant(await wallets.lock(account_id, now), anew))


def _whole_match(state: CreditState, lot_id: UUID, owed: Usd) -> list[Posting]:
    """Return postings that take the whole match back: the unspent part, the locked part, and the rest (spent or held)
    as debt, once. An account has one match; a part that was granted anew after a won dispute is a separate lot.
    """
    pool = address.account(state.account_id, Pool.MATCH)
    lots = [lot.id for lot in state.lots.values() if lot.origin == RewardKind.MATCH]
    unspent = [Posting(state.unspent(each), pool, address.PROMOTION, each) for each in lots]
    laid = sum([state.laid(each) for each in lots], ZERO)
    amounts: Mapping[str, Usd] = {
        address.account(state.account_id, Restriction.LOCKED): state.locked(lot_id),
        address.debt(state.account_id): laid - sum([each.amount for each in unspent], ZERO) - owed,
    }
    postings = [*unspent, *(Posting(amount, place, address.PROMOTION, lot_id) for place, amount in amounts.items())]
    return [each for each in postings if each.amount > ZERO]


def _from_locked(state: CreditState, lot_id: UUID, amount: Usd) -> list[Posting]:
    place = address.account(state.account_id, Restriction.LOCKED)
    return [Posting(amount, place, address.PROMOTION, lot_id)] if amount else []


def _from_cashback(state: CreditState, amount: Usd) -> list[Posting]:
    """Return postings that take `amount` from cashback that is still there, the latest first."""
    place, postings = address.account(state.account_id, Pool.PAID), []
    for piece in sorted(state.tail, key=lambda each: each.lot.granted_at, reverse=True):
        taken = min(amount, piece.amount)
        if piece.lot.origin == RewardKind.CASHBACK and taken:
            postings.append(Posting(taken, place, address.CASHBACK, piece.lot.id))
            amount -= taken
    return postings


def _any_cashback(state: CreditState, otherwise: UUID) -> UUID:
    """Return a lot of cashback, to which debt for cashback is posted."""
    found = (lot.id for lot in state.lots.values() if lot.origin == RewardKind.CASHBACK)
    return next(found, otherwise)


def _entry(world: World, account_id: UUID, at: datetime, reference: str, postings: Sequence[Posting]) -> CreditEntry:
    stamp = EntryStamp(world.ids.new(), at, "rewards taken back with a top-up", reference)
    return CreditEntry(
        stamp.id, account_id, "claw", stamp.at, tuple(postings), reference=stamp.reference, note=stamp.note
    )


def _reference(return_id: UUID, attempt: int, what: str) -> str:
    """Return the reference of a return's entry. The first attempt at a return has no number."""
    return f"return/{return_id}/{what}" + (f"/{attempt}" if attempt else "")
