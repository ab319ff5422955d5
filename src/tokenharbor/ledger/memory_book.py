"""The request book in memory, for simulations: the same rules, and crashes that lose changes that were not durable."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger.book import Answer
from tokenharbor.ledger.chain import detail_digest, salted_version
from tokenharbor.ledger.checks import check_release, check_settlement
from tokenharbor.ledger.entry import Entry
from tokenharbor.ledger.memory_holds import HoldBatch
from tokenharbor.ledger.memory_rows import WalletRow
from tokenharbor.ledger.memory_tables import MemoryTables
from tokenharbor.ledger.periods import by_day
from tokenharbor.ledger.types import (
    Hold,
    PlacedHold,
    Product,
    RefusedHold,
    Release,
    RequestEnd,
    SettledCharge,
    Settlement,
)


class MemoryBook:
    """A RequestBook in memory. As in PostgreSQL, holds commit asynchronously; all else is durable when answered, and so
    is everything before it.
    """

    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    async def place(self, holds: Sequence[Hold]) -> Sequence[Answer[PlacedHold | RefusedHold]]:
        answers: list[Answer[PlacedHold | RefusedHold]] = []
        for day in by_day(holds) if holds else ():
            at = max(hold.at for hold in day)
            new = [hold for hold in day if hold.request_id not in self._tables.holds]
            with self._tables.changing([hold.payer.account_id for hold in new], at):
                batch = HoldBatch(self._tables, new, at)
                placed = [self._place(hold, batch) for hold in day]
                answers += [batch.with_rates(hold, answer) for hold, answer in zip(day, placed, strict=True)]
        return answers

    async def place_again(self, holds: Sequence[Hold], at: datetime) -> None:
        """Place lost holds again as far as the accounts cover them, whatever the limits."""
        tables = self._tables
        with tables.changing([hold.payer.account_id for hold in holds], at):
            for hold in holds:
                wallet, meter = tables.wallets.get(hold.payer.account_id), tables.meters.get(hold.payer.key_id)
                if wallet is not None and meter is not None and hold.request_id not in tables.holds:
                    amount = min(hold.amount, wallet.free)
                    tables.hold(msgspec.structs.replace(hold, amount=amount), tables.window_time(at))

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Answer[SettledCharge]]:
        answers: list[Answer[SettledCharge]] = []
        for day in by_day(settlements) if settlements else ():
            at = max(settlement.at for settlement in day)
            ended = {s.request_id for s in day} & self._tables.entries.keys()
            self._tables.drop(ended, at)
            with self._tables.changing([s.payer.account_id for s in day if s.request_id not in ended], at):
                answers += [_or_refused(self._settle, settlement, at) for settlement in day]
        self._tables.sync()
        return answers

    async def release(self, releases: Sequence[Release]) -> Sequence[Answer[None]]:
        answers: list[Answer[None]] = []
        for day in by_day(releases) if releases else ():
            at = max(release.at for release in day)
            done = self._tables.entries.keys() | self._tables.requests.keys()
            ended = {release.request_id for release in day} & done
            self._tables.drop(ended, at)
            with self._tables.changing([r.payer.account_id for r in day if r.request_id not in ended], at):
                answers += [_or_refused(self._release, release, at) for release in day]
        self._tables.sync()
        return answers

    async def drop(self, request_ids: Sequence[UUID], at: datetime) -> None:
        self._tables.drop(request_ids, at)
        self._tables.sync()

    def hand_over(self, request_id: UUID) -> None:
        """Do nothing: this book places holds again only when `place_again` is called."""

    def _place(self, hold: Hold, batch: HoldBatch) -> Answer[PlacedHold | RefusedHold]:
        standing = self._tables.holds.get(hold.request_id)
        if standing is not None:
            return PlacedHold(standing.amount)
        refused = batch.refusal(hold)
        if refused is not None:
            return refused
        if hold.amount < 0:
            return BooksRefused("a hold must not be negative")
        self._tables.hold(hold, batch.now)
        return PlacedHold(hold.amount)

    def _settle(self, settlement: Settlement, at: datetime) -> SettledCharge:
        before = self._tables.entries.get(settlement.request_id)
        if before is not None:
            return _settled_before(before)
        check_settlement(settlement)
        wallet = self._may_end(settlement)
        charge = self._chargeable(settlement, wallet, at)
        self._tables.give_back(settlement.request_id, settlement.tokens)
        over = settlement.cost - charge
        entry = Entry(
            id=settlement.request_id,
            account_id=settlement.payer.account_id,
            at=settlement.at,
            type="usage",
            amount=charge,
            fee=Usd(max(settlement.fee - over, 0)),
            vendor_cost=settlement.vendor_cost,
            over=over,
            provider=_entry_provider(settlement.product),
            price_version=_entry_version(settlement),
            detail_digest=detail_digest(settlement.salt, settlement.detail),
        )
        self._tables.write(wallet, entry)
        wallet.charge(charge, at)
        if settlement.payer.key_id in self._tables.meters:
            self._tables.meters[settlement.payer.key_id].charge(charge, at)
        self._tables.requests[settlement.request_id] = settlement
        return SettledCharge(charge, entry.fee, over)

    def _chargeable(self, settlement: Settlement, wallet: WalletRow, at: datetime) -> Usd:
        """Return the cost, reduced to the quote's bound, to the request's hold plus the balance, and to its hold plus
        the rest of the limits of key and account.
        """
        hold = self._tables.holds.get(settlement.request_id)
        own = ZERO if hold is None else hold.amount
        most = min(settlement.cost, settlement.bound, own + wallet.free)
        meter = self._tables.meters.get(settlement.payer.key_id)
        left_by_limit = [*wallet.limits_left(at).values(), *([] if meter is None else meter.limits_left(at).values())]
        return Usd(min(most, own + max(min(left_by_limit), 0)))

    def _release(self, release: Release, _at: datetime) -> None:
        if release.request_id in self._tables.entries or release.request_id in self._tables.requests:
            return
        check_release(release)
        wallet = self._may_end(release)
        self._tables.give_back(release.request_id)
        self._tables.requests[release.request_id] = release
        if release.loss:
            entry = Entry(
                id=release.request_id,
                account_id=release.payer.account_id,
                at=release.at,
                type="loss",
                vendor_cost=release.loss,
                provider=_entry_provider(release.product),
                detail_digest=detail_digest(release.salt, release.detail),
            )
            self._tables.write(wallet, entry)

    def _may_end(self, ending: RequestEnd) -> WalletRow:
        if ending.request_id in self._tables.requests:
            raise BooksRefused("a released request cannot be settled")
        hold = self._tables.holds.get(ending.request_id)
        if hold is not None and not hold.payer.is_same(ending.payer):
            raise BooksRefused("the hold belongs to another account or key")
        return self._tables.wallet(ending.payer.account_id)


def _entry_provider(product: Product) -> str:
    return "" if product.metadata_expires else product.provider


def _entry_version(settlement: Settlement) -> bytes:
    version = settlement.product.price_version
    return salted_version(settlement.salt, version) if settlement.product.metadata_expires else version


Row = TypeVar("Row", Settlement, Release)
Result = TypeVar("Result")


def _or_refused(end: Callable[[Row, datetime], Result], row: Row, at: datetime) -> Result | BooksRefused:
    try:
        return end(row, at)
    except BooksRefused as error:
        return error


def _settled_before(entry: Entry) -> SettledCharge:
    if entry.type != "usage":
        raise BooksRefused("a released request cannot be settled")
    return SettledCharge(entry.amount, entry.fee, entry.over, repeated=True)
