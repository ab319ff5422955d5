"""The rows of the books in memory, for simulations: transactions, and a crash that forgets what was not durable."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO
from tokenharbor.ledger import line
from tokenharbor.ledger.chain import line_digest, own_id, sealed_digest
from tokenharbor.ledger.entry import Entry
from tokenharbor.ledger.memory_rows import KeyMeter, WalletRow, keep
from tokenharbor.ledger.posting import Posting, expiry_postings
from tokenharbor.ledger.types import Hold, KeyLimits, RequestEnd


class MemoryTables:
    """What the books in memory share, open to tests. `undo` takes back what is not durable yet, the oldest first."""

    def __init__(self) -> None:
        self.wallets: dict[UUID, WalletRow] = {}
        self.meters: dict[UUID, KeyMeter] = {}
        self.holds: dict[UUID, Hold] = {}
        self.requests: dict[UUID, RequestEnd] = {}
        self.entries: dict[UUID, Entry] = {}
        self.postings: dict[UUID, Sequence[Posting]] = {}
        self.references: dict[str, UUID] = {}
        self.undo: list[Callable[[], object]] = []

    def sync(self) -> None:
        """All that was done is durable."""
        self.undo.clear()

    def crash(self) -> None:
        """Forget what was not durable."""
        while self.undo:
            self.undo.pop()()

    def open_account(self, account_id: UUID) -> None:
        self.wallets.setdefault(account_id, WalletRow(account_id))

    def open_key(self, key_id: UUID, account_id: UUID, limits: KeyLimits) -> None:
        self.meters.setdefault(key_id, KeyMeter(account_id, limits)).limits = limits

    def wallet(self, account_id: UUID) -> WalletRow:
        wallet = self.wallets.get(account_id)
        if wallet is None:
            raise BooksRefused(f"no such account: {account_id}")
        return wallet

    @contextlib.contextmanager
    def changing(self, account_ids: Iterable[UUID], at: datetime) -> Iterator[None]:
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

    def _expire(self, wallet: WalletRow, at: datetime) -> None:
        left, gone = line.split_expired(wallet.line, wallet.lots, wallet.cut, at)
        self.undo.append(keep(wallet))
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
        self.write(wallet, entry, postings)
        wallet.close_step()

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

    def give_back(self, request_id: UUID) -> None:
        hold = self.holds.pop(request_id, None)
        if hold is not None:
            self.wallets[hold.payer.account_id].held -= hold.amount
            self.meters[hold.payer.key_id].held -= hold.amount
