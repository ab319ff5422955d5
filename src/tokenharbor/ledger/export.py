"""`ledger export`: an account's ledger as CSV, one row per entry and pool, with a running balance."""

import csv
import io
from bisect import bisect_right
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger import pages
from tokenharbor.ledger.line import drawn
from tokenharbor.ledger.pages import AccountState, StoredEntry
from tokenharbor.ledger.types import Pool

HEADER = (
    "Date (ISO UTC)",
    "Type",
    "Source pool",
    "Amount USD",
    "Running balance USD",
    "Status",
    "Order ID",
    "PayPal capture ID",
)
_FORMULA = (*"=+-@＝＋－＠", "\t", "\r", "\n")  # what makes a cell a formula; the wide forms, in East Asia
SPENDABLE = frozenset(Pool) - {Pool.LOCKED}
WITHOUT_CAPTURE = ("usage", "loss", "expiry")


@dataclass(frozen=True, slots=True)
class LotPayment:
    """The payment for a lot: the top-up's id as shown, the processor's id of the capture, and the credited amount."""

    order_id: str
    capture_id: str
    credited: Usd


PaymentReader = Callable[[asyncpg.Connection, UUID], Awaitable[Mapping[UUID, LotPayment]]]
"""Returns the payments of an account by lot. (The room that takes payments provides it.)"""


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """A filter of rows by type and by time, `[since, until)`; None means all. Balances count every row all the same."""

    types: Collection[str] | None = None
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, type_: str, at: datetime) -> bool:
        return (
            (self.types is None or type_ in self.types)
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
        )


async def export(
    conn: asyncpg.Connection, account_id: UUID, choice: EntryFilter, read_payments: PaymentReader
) -> AsyncGenerator[str]:
    """Yield the lines of the CSV, the header first. Raises Missing if there is no such account, DatabaseUnavailable."""
    with as_database_unavailable():
        state = await pages.read_state(conn, account_id)
        if state.wallet is None:
            raise Missing(f"no account {ids.show('acct', account_id)}")
        ledger = _Ledger(state, await read_payments(conn, account_id))  # after the lots, so that none lacks its payment
        yield csv_line(HEADER)
        async for page in pages.entries(conn, account_id, state.wallet["seq"], with_keys=False):
            for written in page:
                for row in ledger.rows(written, choice):
                    yield row


def entry_kind(type_: str, origin: str | None) -> str:
    """Return an entry's name in exports: for a credit its lot's origin (`recharge` for a top-up), else its type."""
    if type_ != "credit":
        return type_
    return "recharge" if origin == "top-up" else origin or "credit"


def csv_text(text: str) -> str:
    """Quote text that a spreadsheet would take for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_line(cells: Sequence[object]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


class _Ledger:
    """A writer of an account's entries, in order, with the running balance."""

    def __init__(self, state: AccountState, payments: Mapping[UUID, LotPayment]) -> None:
        self._state = state
        self._payments = payments
        self._starts = [segment.start for segment in state.line]
        self._balance = ZERO

    def rows(self, written: StoredEntry, choice: EntryFilter) -> Iterator[str]:
        """Yield an entry's rows. A credit has one even if debt took all of it, so that every payment can be found."""
        entry = written.entry
        kind = self._kind(written)
        order, captures = self._references(written)
        date = entry.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        for pool, amount in self._amounts(written).items():
            self._balance += amount
            if (amount or entry.type == "credit") and choice.takes(kind, entry.at):
                yield csv_line((date, kind, pool, str(amount), str(self._balance), "posted", order, captures))

    def _references(self, written: StoredEntry) -> tuple[str, str]:
        """Return the order id (a top-up's, a request's or the entry's), and the captures that paid for its lots."""
        entry = written.entry
        if entry.type in WITHOUT_CAPTURE:
            return ids.show("req" if entry.type == "usage" else "ent", entry.id), ""
        lots = dict.fromkeys(posting.lot_id for posting in written.postings if posting.lot_id is not None)
        paid = [self._payments[lot_id] for lot_id in lots if lot_id in self._payments]
        order = paid[0].order_id if paid and entry.type == "credit" else ids.show("ent", entry.id)
        return order, " ".join(csv_text(payment.capture_id) for payment in paid)

    def _amounts(self, written: StoredEntry) -> Mapping[str, Usd]:
        """Return the entry's change of the account's spendable and held credit, by pool."""
        return self._drawn(written) if written.entry.type == "usage" else self._posted(written)

    def _drawn(self, written: StoredEntry) -> Mapping[str, Usd]:
        start, end = written.entry.pos, written.entry.pos + written.entry.amount
        first = max(bisect_right(self._starts, start) - 1, 0)
        near = self._state.line[first : bisect_right(self._starts, end)]
        amounts: dict[str, Usd] = {}
        for lot_id, amount in drawn(near, start, end):
            pool = self._state.lots[lot_id].pool
            amounts[pool] = amounts.get(pool, ZERO) - amount
        return amounts

    def _posted(self, written: StoredEntry) -> Mapping[str, Usd]:
        own = f"account/{written.entry.account_id}/"
        amounts: dict[str, Usd] = {}
        for posting in written.postings:
            for address, amount in ((posting.source, -posting.amount), (posting.destination, posting.amount)):
                pool = address.removeprefix(own)
                if address.startswith(own) and pool in SPENDABLE:
                    amounts[pool] = amounts.get(pool, ZERO) + amount
        return amounts

    def _kind(self, written: StoredEntry) -> str:
        if written.entry.type != "credit":
            return written.entry.type
        lot_id = written.postings[0].lot_id
        return entry_kind("credit", None if lot_id is None else self._state.lots[lot_id].origin)
