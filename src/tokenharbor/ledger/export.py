"""`ledger export`: an account's ledger as CSV, a row per entry and pool, each balance the last one plus the amount."""

import csv
import io
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator, Mapping
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
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would compute


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which rows: all, or those of a type and of a time, `[since, until)`. Balances count every row all the same."""

    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, type_: str, at: datetime) -> bool:
        return (
            self.type in (None, type_)
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
        )


async def export(conn: asyncpg.Connection, account_id: UUID, choice: EntryFilter) -> AsyncIterator[str]:
    """The lines of the CSV, the header first. Raises Missing for an account that is not there, DatabaseUnavailable."""
    with as_database_unavailable():
        state = await pages.read_state(conn, account_id)
        if state.wallet is None:
            raise Missing(f"no account {ids.show('acct', account_id)}")
        yield _line(HEADER)
        ledger = _Ledger(state)
        async for page in pages.entries(conn, account_id, state.wallet["seq"], with_requests=False):
            for written in page:
                for row in ledger.rows(written, choice):
                    yield row


class _Ledger:
    """Writes an account's entries, in order."""

    def __init__(self, state: AccountState) -> None:
        self._state = state
        self._starts = [segment.start for segment in state.line]
        self._balance = ZERO

    def rows(self, written: StoredEntry, choice: EntryFilter) -> Iterator[str]:
        entry = written.entry
        kind = self._kind(written)
        reference = _text(entry.reference)
        order = ids.show("req" if entry.type == "usage" else "ent", entry.id)
        date = entry.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        for pool, amount in self._amounts(written).items():
            self._balance += amount
            if amount and choice.takes(kind, entry.at):
                yield _line((date, kind, pool, str(amount), str(self._balance), "posted", order, reference))

    def _amounts(self, written: StoredEntry) -> Mapping[str, Usd]:
        """By pool, what the entry adds to the account's spendable and held credit."""
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
                if address.startswith(own) and pool in _SPENDABLE:
                    amounts[pool] = amounts.get(pool, ZERO) + amount
        return amounts

    def _kind(self, written: StoredEntry) -> str:
        """A credit is called by its lot's origin, a top-up `recharge`; everything else by its type."""
        if written.entry.type != "credit":
            return written.entry.type
        lot_id = written.postings[0].lot_id
        origin = self._state.lots[lot_id].origin if lot_id is not None else "credit"
        return "recharge" if origin == "top-up" else origin


_SPENDABLE = frozenset(Pool) - {Pool.LOCKED}


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(cells: tuple[str, ...]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()
