"""The books in memory, for simulations: the same rules, and a crash that forgets what was not durable."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger import line
from tokenharbor.ledger.book import Answer
from tokenharbor.ledger.chain import detail_digest, line_digest, lot_digest, own_id, sealed_digest
from tokenharbor.ledger.checks import check_clawback, check_credit, check_release, check_settlement
from tokenharbor.ledger.columns import by_day
from tokenharbor.ledger.entry import Entry
from tokenharbor.ledger.line import Piece
from tokenharbor.ledger.memory_wallet import Meter, Wallet, keep
from tokenharbor.ledger.posting import Posting, claw_postings, credit_postings, expiry_postings
from tokenharbor.ledger.types import (
    Balance,
    Clawback,
    Credit,
    Hold,
    KeyLimits,
    Placed,
    Pool,
    Record,
    Refused,
    Release,
    Settled,
    Settlement,
    Why,
)


class MemoryBook:
    """A Book; see there. Its state is open to tests and simulations.

    Holds commit without waiting for the disk; everything else is durable when answered, and so is then all that was
    done before it.
    """

    def __init__(self) -> None:
        self.wallets: dict[UUID, Wallet] = {}
        self.meters: dict[UUID, Meter] = {}
        self.holds: dict[UUID, Hold] = {}
        self.requests: dict[UUID, Record] = {}
        self.entries: dict[UUID, Entry] = {}
        self.postings: dict[UUID, Sequence[Posting]] = {}
        self.references: dict[str, UUID] = {}
        self._undo: list[Callable[[], object]] = []

    def sync(self) -> None:
        """All that was done is durable."""
        self._undo.clear()

    def crash(self) -> None:
        """Forget what was not durable."""
        while self._undo:
            self._undo.pop()()

    async def place(self, holds: Sequence[Hold]) -> Sequence[Answer[Placed | Refused]]:
        answers: list[Answer[Placed | Refused]] = []
        for day in by_day(holds) if holds else ():
            at = max(hold.at for hold in day)
            with self._changing([hold.account_id for hold in day if hold.request_id not in self.holds], at):
                answers += [self._place(hold, at) for hold in day]
        return answers

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Answer[Settled]]:
        answers: list[Answer[Settled]] = []
        for day in by_day(settlements) if settlements else ():
            at = max(settlement.at for settlement in day)
            records = [settlement.record for settlement in day]
            self._drop([record.request_id for record in records if record.request_id in self.entries], at)
            with self._changing([r.account_id for r in records if r.request_id not in self.entries], at):
                answers += [_or_refused(self._settle, settlement, at) for settlement in day]
        self.sync()
        return answers

    async def release(self, releases: Sequence[Release]) -> Sequence[Answer[None]]:
        answers: list[Answer[None]] = []
        for day in by_day(releases) if releases else ():
            at = max(release.at for release in day)
            ended = {release.record.request_id for release in day} & (self.entries.keys() | self.requests.keys())
            self._drop(ended, at)
            with self._changing([r.record.account_id for r in day if r.record.request_id not in ended], at):
                answers += [_or_refused(self._release, release, at) for release in day]
        self.sync()
        return answers

    async def drop(self, request_ids: Sequence[UUID], at: datetime) -> None:
        self._drop(request_ids, at)
        self.sync()

    async def credit(self, credit: Credit) -> None:
        check_credit(credit)
        wallet = self._wallet(credit.account_id)
        with self._changing([credit.account_id], credit.at):
            if credit.entry_id not in self.entries and credit.reference not in self.references:
                self._credit(wallet, credit)
        self.sync()

    async def claw(self, clawback: Clawback) -> None:
        check_clawback(clawback)
        wallet = self._wallet(clawback.account_id)
        if clawback.lot_id not in wallet.lots:
            raise BooksRefused(f"no such lot: {clawback.lot_id}")
        with self._changing([clawback.account_id], clawback.at):
            if clawback.entry_id not in self.entries:
                self._claw(wallet, clawback)
        self.sync()

    async def expire(self, account_id: UUID, at: datetime) -> None:
        with self._changing([account_id], at):
            pass
        self.sync()

    async def balance(self, account_id: UUID, at: datetime) -> Balance:
        wallet = self._wallet(account_id)
        left, _ = line.split_expired(wallet.line, wallet.lots, wallet.cut, at)
        pools: dict[Pool, Usd] = {}
        for piece in line.tail(left, wallet.lots, wallet.spent):
            pools[piece.lot.pool] = pools.get(piece.lot.pool, ZERO) + piece.amount
        return Balance(Usd(line.line_end(left) - wallet.cut), Usd(wallet.held), Usd(wallet.debt), pools)

    async def open_account(self, account_id: UUID) -> None:
        self.wallets.setdefault(account_id, Wallet(account_id))

    async def open_key(self, key_id: UUID, account_id: UUID, limits: KeyLimits) -> None:
        self.meters.setdefault(key_id, Meter(account_id, limits)).limits = limits

    def _wallet(self, account_id: UUID) -> Wallet:
        wallet = self.wallets.get(account_id)
        if wallet is None:
            raise BooksRefused(f"no such account: {account_id}")
        return wallet

    @contextlib.contextmanager
    def _changing(self, account_ids: Iterable[UUID], at: datetime) -> Iterator[None]:
        """One transaction: what is due expires first, and at the end again where it was held."""
        wallets = [self.wallets[account_id] for account_id in dict.fromkeys(account_ids) if account_id in self.wallets]
        due = [wallet for wallet in wallets if wallet.next_expiry <= at]
        for wallet in due:
            self._expire(wallet, at)
        still_due = [wallet for wallet in due if wallet.next_expiry <= at]
        yield
        for wallet in wallets:
            wallet.close_step()
        for wallet in still_due:
            self._expire(wallet, at)

    def _place(self, hold: Hold, at: datetime) -> Answer[Placed | Refused]:
        standing = self.holds.get(hold.request_id)
        if standing is not None:
            return Placed(standing.amount)
        wallet, meter = self.wallets.get(hold.account_id), self.meters.get(hold.key_id)
        if wallet is None or meter is None or meter.account_id != hold.account_id:
            return Refused(Why.UNKNOWN, ZERO, ZERO)
        refused = _refusal(hold.amount, wallet, meter, at)
        if refused is not None:
            return refused
        if hold.amount < 0:
            return BooksRefused("a hold must not be negative")
        self._undo += (keep(wallet), keep(meter), lambda: self.holds.pop(hold.request_id))
        wallet.held += hold.amount
        meter.held += hold.amount
        self.holds[hold.request_id] = hold
        return Placed(hold.amount)

    def _settle(self, settlement: Settlement, at: datetime) -> Settled:
        record = settlement.record
        before = self.entries.get(record.request_id)
        if before is not None:
            return _settled_before(before)
        check_settlement(settlement)
        wallet = self._may_end(record)
        charge = self._chargeable(settlement, wallet, at)
        self._give_back(record.request_id)
        over = settlement.cost - charge
        entry = Entry(
            id=record.request_id,
            account_id=record.account_id,
            at=settlement.at,
            type="usage",
            amount=charge,
            fee=Usd(max(settlement.fee - over, 0)),
            vendor_cost=settlement.vendor_cost,
            over=over,
            provider=record.provider,
            price_version=settlement.price_version,
            detail_digest=detail_digest(record.salt, record.detail),
        )
        self._write(wallet, entry)
        wallet.spent += charge
        if record.key_id in self.meters:
            self.meters[record.key_id].charge(charge, at)
        self.requests[record.request_id] = record
        return Settled(charge, entry.fee, over)

    def _chargeable(self, settlement: Settlement, wallet: Wallet, at: datetime) -> Usd:
        """The cost, as far as the quote's bound, the own hold with the balance, and the own hold with what the key's
        limits leave allow it.
        """
        hold = self.holds.get(settlement.record.request_id)
        own = ZERO if hold is None else hold.amount
        most = min(settlement.cost, settlement.bound, own + wallet.free)
        meter = self.meters.get(settlement.record.key_id)
        return Usd(most if meter is None else min(most, own + max(min(meter.lefts(at).values()), 0)))

    def _release(self, release: Release, _at: datetime) -> None:
        record = release.record
        if record.request_id in self.entries or record.request_id in self.requests:
            return
        check_release(release)
        wallet = self._may_end(record)
        self._give_back(record.request_id)
        self.requests[record.request_id] = record
        if release.loss:
            entry = Entry(
                id=record.request_id,
                account_id=record.account_id,
                at=release.at,
                type="loss",
                vendor_cost=release.loss,
                provider=record.provider,
                detail_digest=detail_digest(record.salt, record.detail),
            )
            self._write(wallet, entry)

    def _may_end(self, record: Record) -> Wallet:
        if record.request_id in self.requests:
            raise BooksRefused("a released request cannot be settled")
        hold = self.holds.get(record.request_id)
        if hold is not None and (hold.account_id, hold.key_id) != (record.account_id, record.key_id):
            raise BooksRefused("the hold belongs to another account or key")
        return self._wallet(record.account_id)

    def _credit(self, wallet: Wallet, credit: Credit) -> None:
        lot = line.Lot(
            credit.lot_id,
            credit.pool,
            credit.origin,
            credit.amount,
            credit.at,
            credit.expires_at,
            credit.refundable_until,
            credit.withdrawable_from,
        )
        postings = credit_postings(credit, Usd(wallet.debt))
        rest = Piece(lot, credit.amount - min(wallet.debt, credit.amount))
        wallet.debt -= min(wallet.debt, credit.amount)
        wallet.lots = {**wallet.lots, lot.id: lot}
        wallet.relay(line.insert(wallet.line, wallet.lots, wallet.cut, rest))
        entry = Entry(
            id=credit.entry_id,
            account_id=wallet.account_id,
            at=credit.at,
            type="credit",
            amount=credit.amount,
            detail_digest=sealed_digest(postings, lot_digest(wallet.account_id, lot), line_digest(wallet.line)),
            reference=credit.reference or "",
        )
        self._write(wallet, entry, postings)
        if credit.reference is not None:
            self.references[credit.reference] = credit.entry_id

    def _claw(self, wallet: Wallet, clawback: Clawback) -> None:
        lot = wallet.lots[clawback.lot_id]
        there = sum(p.amount for p in line.tail(wallet.line, wallet.lots, wallet.cut) if p.lot == lot)
        taken = Usd(min(there, clawback.amount))
        wallet.relay(line.take(wallet.line, wallet.lots, wallet.cut, Piece(lot, taken)))
        wallet.debt += clawback.amount - taken
        postings = claw_postings(clawback, lot.pool, taken)
        entry = Entry(
            id=clawback.entry_id,
            account_id=wallet.account_id,
            at=clawback.at,
            type="claw",
            amount=clawback.amount,
            detail_digest=sealed_digest(postings, b"", line_digest(wallet.line)),
        )
        self._write(wallet, entry, postings)

    def _expire(self, wallet: Wallet, at: datetime) -> None:
        left, gone = line.split_expired(wallet.line, wallet.lots, wallet.cut, at)
        self._undo.append(keep(wallet))
        wallet.relay(left if gone else wallet.line)
        if not gone:
            return
        postings = expiry_postings(wallet.account_id, gone)
        entry = Entry(
            id=own_id(at, wallet.account_id, wallet.seq + 1),
            account_id=wallet.account_id,
            at=at,
            type="expiry",
            amount=sum((piece.amount for piece in gone), ZERO),
            detail_digest=sealed_digest(postings, b"", line_digest(wallet.line)),
        )
        self._write(wallet, entry, postings)
        wallet.close_step()

    def _write(self, wallet: Wallet, entry: Entry, postings: Sequence[Posting] = ()) -> None:
        def unwrite() -> None:
            del self.entries[entry.id]
            self.postings.pop(entry.id, None)

        self._undo.append(unwrite)
        self.entries[entry.id] = wallet.write(entry)
        if postings:
            self.postings[entry.id] = postings

    def _drop(self, request_ids: Iterable[UUID], at: datetime) -> None:
        held = [request_id for request_id in request_ids if request_id in self.holds]
        with self._changing([self.holds[request_id].account_id for request_id in held], at):
            for request_id in held:
                self._give_back(request_id)

    def _give_back(self, request_id: UUID) -> None:
        hold = self.holds.pop(request_id, None)
        if hold is not None:
            self.wallets[hold.account_id].held -= hold.amount
            self.meters[hold.key_id].held -= hold.amount


Ending = TypeVar("Ending", Settlement, Release)
Result = TypeVar("Result")


def _or_refused(end: Callable[[Ending, datetime], Result], row: Ending, at: datetime) -> Result | BooksRefused:
    try:
        return end(row, at)
    except BooksRefused as error:
        return error


def _refusal(amount: Usd, wallet: Wallet, meter: Meter, at: datetime) -> Refused | None:
    if wallet.debt:
        return Refused(Why.DEBT, wallet.free, Usd(wallet.held))
    if amount > wallet.free:
        return Refused(Why.BALANCE, wallet.free, Usd(wallet.held))
    for why, left in meter.lefts(at).items():
        if amount > left:
            return Refused(why, wallet.free, Usd(wallet.held), Usd(max(left, 0)))
    return None


def _settled_before(entry: Entry) -> Settled:
    if entry.type != "usage":
        raise BooksRefused("a released request cannot be settled")
    return Settled(entry.amount, entry.fee, entry.over, again=True)
