"""The tables of the books in memory, for simulations, with transactions and crashes that lose undurable changes."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial

from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.chain import line_digest, lot_digest, sealed_digest
from tokenharbor.ledger.credit_moves import expire
from tokenharbor.ledger.credit_rules import after
from tokenharbor.ledger.credit_state import CreditEntry
from tokenharbor.ledger.entry import Entry
from tokenharbor.ledger.memory_rates import Budgets, HoldPlace
from tokenharbor.ledger.memory_rows import KeyMeter, WalletRow, keep
from tokenharbor.ledger.posting import Posting
from tokenharbor.ledger.types import Hold, KeyLimits, RequestEnd


class MemoryTables:
    """The tables that the books in memory share, open to tests. `undo` has functions that undo the changes not yet
    durable, oldest first. `now` is the clock of windows; without it they use the batch's time.
    """

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        self.now = now
        self.wallets: dict[UUID, WalletRow] = {}
        self.meters: dict[UUID, KeyMeter] = {}
        self.holds: dict[UUID, Hold] = {}
        self.places: dict[UUID, HoldPlace] = {}  # of the holds
        self.requests: dict[UUID, RequestEnd] = {}
        self.entries: dict[UUID, Entry] = {}
        self.postings: dict[UUID, Sequence[Posting]] = {}
        self.references: dict[str, UUID] = {}
        self.undo: list[Callable[[], object]] = []
        self._transactions = 0  # the depth of nested transactions

    def sync(self) -> None:
        """Make all changes durable."""
        self.undo.clear()

    def crash(self) -> None:
        """Undo the changes that are not durable."""
        while self.undo:
            self.undo.pop()()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Run a transaction: durable at its end, undone if it raises. A nested one is part of the outer one."""
        start = len(self.undo)
        self._transactions += 1
        try:
            yield
        except BaseException:
            while len(self.undo) > start:
                self.undo.pop()()
            raise
        finally:
            self._transactions -= 1
        if not self._transactions:
            self.sync()

    def open_account(self, account_id: UUID) -> None:
        self.wallets.setdefault(account_id, WalletRow(account_id))

    def limit_account(self, account_id: UUID, budgets: Budgets) -> None:
        self.wallets[account_id].budgets = budgets

    def open_key(self, key_id: UUID, account_id: UUID, limits: KeyLimits) -> None:
        self.meters.setdefault(key_id, KeyMeter(account_id, limits)).limits = limits

    def window_time(self, at: datetime) -> datetime:
        return at if self.now is None else self.now()

    def wallet(self, account_id: UUID) -> WalletRow:
        wallet = self.wallets.get(account_id)
        if wallet is None:
            raise BooksRefused(f"no such account: {account_id}")
        return wallet

    @contextlib.contextmanager
    def changing(self, account_ids: Iterable[UUID], at: datetime) -> Iterator[None]:
        """Run due expiries before a batch's changes, and after them for the credit that the batch freed."""
        wallets = [self.wallets[account_id] for account_id in dict.fromkeys(account_ids) if account_id in self.wallets]
        self._expire(wallets, at)
        yield
        for wallet in wallets:
            wallet.close_step()
        self._expire(wallets, at)

    def _expire(self, wallets: Iterable[WalletRow], at: datetime) -> None:
        for wallet in wallets:
            if wallet.next_expiry <= at:
                self.undo.append(keep(wallet))
                entry = expire(wallet.state, at, wallet.seq + 1)
                if entry is None:
                    wallet.put(wallet.state)
                else:
                    self.post(wallet, entry)
                    wallet.close_step()

    def post(self, wallet: WalletRow, entry: CreditEntry) -> None:
        """Write a new entry that moves credit. Raises BooksRefused."""
        state = after(wallet.state, entry)
        self.undo.append(keep(wallet))
        wallet.put(state)
        terms = b"".join(lot_digest(entry.account_id, lot) for lot in entry.lots)
        written = Entry(
            id=entry.id,
            account_id=entry.account_id,
            at=entry.at,
            type=entry.type,
            amount=entry.amount,
            detail_digest=sealed_digest(entry.postings, terms, line_digest(state.line)),
            reference=entry.reference or "",
        )
        self.write(wallet, written, entry.postings)
        if entry.reference is not None:
            self.references[entry.reference] = entry.id
            self.undo.append(partial(self.references.pop, entry.reference))

    def write(self, wallet: WalletRow, entry: Entry, postings: Sequence[Posting] = ()) -> None:
        def unwrite() -> None:
            del self.entries[entry.id]
            self.postings.pop(entry.id, None)

        self.undo.append(unwrite)
        self.entries[entry.id] = wallet.write(entry)
        if postings:
            self.postings[entry.id] = postings

    def drop(self, request_ids: Iterable[UUID], at: datetime) -> None:
        held = [request_id for request_id in request_ids if request_id in self.holds]
        with self.changing([self.holds[request_id].payer.account_id for request_id in held], at):
            for request_id in held:
                self.give_back(request_id)

    def free_places(self, request_ids: Iterable[UUID]) -> None:
        """Stop counting requests as open, and their reserved tokens; durable, as is everything before it."""
        for request_id in request_ids:
            if request_id in self.holds:
                self._uncount(self.holds[request_id], 0)
                self.places[request_id] = self.places[request_id].freed()
        self.sync()

    def hold(self, hold: Hold, now: datetime) -> None:
        wallet, meter = self.wallets[hold.payer.account_id], self.meters[hold.payer.key_id]
        self.undo += (keep(wallet), keep(meter), partial(self._forget, hold.request_id))
        wallet.held += hold.amount
        meter.held += hold.amount
        wallet.rates = wallet.rates.placed(hold.tokens, now)
        meter.rates = meter.rates.placed(hold.tokens, now)
        if hold.free_limit:
            wallet.frees = wallet.frees.placed(now)
        self.holds[hold.request_id] = hold
        self.places[hold.request_id] = HoldPlace(hold.tokens, now)

    def _forget(self, request_id: UUID) -> None:
        del self.holds[request_id], self.places[request_id]

    def give_back(self, request_id: UUID, used: int = 0) -> None:
        """Give a request's hold back, if it stands; `used` are the tokens that the request used."""
        hold = self.holds.get(request_id)
        if hold is not None:
            self.wallets[hold.payer.account_id].held -= hold.amount
            self.meters[hold.payer.key_id].held -= hold.amount
            self._uncount(hold, used)
            self._forget(request_id)

    def _uncount(self, hold: Hold, used: int) -> None:
        place = self.places[hold.request_id]
        for row in (self.wallets[hold.payer.account_id], self.meters[hold.payer.key_id]):
            row.rates = row.rates.given_back(place, used)
