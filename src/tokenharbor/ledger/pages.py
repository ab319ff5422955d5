"""Pages: the books read account by account in short pages, so that no long snapshot keeps vacuum from the hot rows."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import asyncpg
import msgspec

from tokenharbor.db.queries import read_queries
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.usage import NO_USAGE, Usage
from tokenharbor.ledger.entry import Entry, EntryType
from tokenharbor.ledger.line import Line, LineSegment, Lot
from tokenharbor.ledger.posting import Posting
from tokenharbor.ledger.roots import Cut, read_cut
from tokenharbor.ledger.types import Pool, Restriction

PAGE = 1000
_NOBODY = UUID(int=0)
_OF_REQUESTS = ("usage", "loss")
_REQUEST_COLUMNS = 10  # the request's columns in a row of `request_page`; its entry's follow


@dataclass(frozen=True, slots=True)
class PageQueries:
    """The SQL of pages.sql."""

    wallet: str
    credit: str
    meters: str
    cuts: str
    counted: str
    hours: str
    stages: str
    entry_page: str
    postings: str
    seals: str
    request_keys: str
    request_page_end: str
    request_page: str
    missing_meter: str
    next_account: str
    entry_count: str
    wallets_and_holds: str
    meters_and_holds: str
    orphaned_hold: str
    posting_page: str
    references: str
    request_days: str
    purged_before: str
    ended_in: str
    missing_prices: str
    price_page: str
    account_without_wallet: str
    key_meter_mismatch: str
    account_wallet_mismatch: str
    changed_task: str
    misnumbered_home: str


SQL = read_queries(PageQueries, "tokenharbor.ledger", "pages.sql")


@dataclass(frozen=True, slots=True)
class StoredCredit:
    """The rows of an account's credit. `restricted` has the amount of each lot that is locked or being paid out."""

    line: Line
    lots: Mapping[UUID, Lot]
    granted_by: Mapping[UUID, UUID]  # by lot, the entry that granted it, as the lot's row names it
    restricted: Mapping[tuple[UUID, Restriction], Usd]


@dataclass(frozen=True, slots=True)
class AccountState(StoredCredit):
    """An account in one snapshot. `wallet` is None if it has entries but no wallet."""

    wallet: Mapping[str, Any] | None
    meters: Mapping[UUID, Mapping[str, Any]]
    cuts: Sequence[Cut]
    counted: int  # the number of the last entry in the totals
    hours: Mapping[datetime, Sequence[int]]  # totals by hour: see `TotalsAudit`
    stages: Mapping[tuple[date, str], Sequence[int]]  # totals by day and stage: see `StageAudit`


class StoredRequest(msgspec.Struct, frozen=True, gc=False):
    """The row of a request. Salt and detail are None once they were erased."""

    id: UUID
    key_id: UUID
    at: datetime
    model: str
    provider: str
    status: str
    edition: str
    region: str
    salt: bytes | None
    detail: bytes | None


class RequestEntry(msgspec.Struct, frozen=True, gc=False):
    """The fields of an entry that its request's row is compared with."""

    at: datetime
    type: EntryType
    detail_digest: bytes
    provider: str
    price_version: bytes


class SummedDetail(msgspec.Struct, frozen=True):
    """The fields of a detail that totals sum: the stage and its usage, and the cache with its saving in nano-USD."""

    cache: str = ""
    saved: int = 0
    stage: str = ""
    usage: Usage = NO_USAGE

    @property
    def layer(self) -> int:
        """The cache's index: 0 exact, 1 semantic, 2 a vendor's own."""
        return _LAYERS.get(self.cache, 2)


_LAYERS = {"exact": 0, "semantic": 1}
_NOTHING_SUMMED = SummedDetail()
_read_summed = msgspec.json.Decoder(SummedDetail).decode


class StoredEntry(msgspec.Struct, frozen=True, gc=False):
    """An entry as stored, with its postings. `key_id` is the key of its request, None if the request's row is gone;
    `summed` is the summed part of the request's detail, None if that is gone. `sealed_line` is the digest of the line
    after the entry, None for requests and for entries older than seals.
    """

    entry: Entry
    postings: Sequence[Posting]
    sealed_line: bytes | None
    key_id: UUID | None
    summed: SummedDetail | None


async def count_entries(conn: asyncpg.Connection) -> int:
    """Return the number of entries of all accounts, as their wallets count them."""
    return int(await conn.fetchval(SQL.entry_count))


async def accounts(conn: asyncpg.Connection, only: Collection[UUID] = ()) -> AsyncIterator[UUID]:
    """Yield every account that the books know, in order; or `only` some."""
    for account_id in only:
        yield account_id
    if only:
        return
    account_id = _NOBODY
    while (account_id := await conn.fetchval(SQL.next_account, account_id)) is not None:
        yield account_id


async def read_credit(conn: asyncpg.Connection, account_id: UUID) -> StoredCredit:
    """Return an account's credit, read in one statement."""
    line, lots, restricted = await conn.fetchrow(SQL.credit, account_id)
    return StoredCredit(
        line=tuple([LineSegment(*row) for row in line]),
        lots={row[0]: _lot(row) for row in lots},
        granted_by={row[0]: row[-1] for row in lots},
        restricted={(lot_id, Restriction(place)): Usd(amount) for lot_id, place, amount in restricted},
    )


async def read_state(conn: asyncpg.Connection, account_id: UUID) -> AccountState:
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        wallet = await conn.fetchrow(SQL.wallet, account_id)
        credit = await read_credit(conn, account_id)
        meters = await conn.fetch(SQL.meters, account_id)
        cuts = await conn.fetch(SQL.cuts, account_id)
        counted = await conn.fetchval(SQL.counted, account_id)
        hours = await conn.fetch(SQL.hours, account_id)
        stages = await conn.fetch(SQL.stages, account_id)
    return AccountState(
        line=credit.line,
        lots=credit.lots,
        granted_by=credit.granted_by,
        restricted=credit.restricted,
        wallet=None if wallet is None else dict(wallet),
        meters={row["key_id"]: dict(row) for row in meters},
        cuts=[read_cut(row) for row in cuts],
        counted=counted,
        hours={row["hour"]: (*row,)[1:] for row in hours},
        stages={(day, stage): (*sums,) for day, stage, *sums in stages},
    )


async def entries(
    conn: asyncpg.Connection, account_id: UUID, last_seq: int, *, with_keys: bool = True
) -> AsyncIterator[Sequence[StoredEntry]]:
    """Yield an account's entries in order, page by page, up to `last_seq`: the wallet's number when it was read."""
    seq = 0
    while rows := await conn.fetch(SQL.entry_page, account_id, seq, last_seq, PAGE):
        page = [_entry(row) for row in rows]
        asked = [entry.id for entry in page if with_keys and entry.type in _OF_REQUESTS]
        details = await _requests_of(conn, account_id, asked)
        moves = [entry.id for entry in page if entry.type != "usage"]
        postings = await _postings(conn, moves)
        seals = {row["entry_id"]: row["line"] for row in await conn.fetch(SQL.seals, moves)} if moves else {}
        yield [
            StoredEntry(entry, postings.get(entry.id, ()), seals.get(entry.id), *details.get(entry.id, _UNKNOWN))
            for entry in page
        ]
        seq = page[-1].seq


_UNKNOWN = (None, None)


async def _requests_of(
    conn: asyncpg.Connection, account_id: UUID, request_ids: Sequence[UUID]
) -> Mapping[UUID, tuple[UUID, SummedDetail | None]]:
    """Return the key of each request, and the summed part of its detail."""
    if not request_ids:
        return {}
    bounds = min(request_ids), max(request_ids)
    rows = await conn.fetch(SQL.request_keys, account_id, request_ids, *bounds)
    return {id_: (key_id, _summed(detail) if has_detail else None) for id_, key_id, has_detail, detail in rows}


def _summed(detail: bytes | None) -> SummedDetail | None:
    try:
        return _NOTHING_SUMMED if detail is None else _read_summed(detail)
    except msgspec.DecodeError:  # it was changed, which the audit of requests reports
        return None


async def _postings(conn: asyncpg.Connection, entry_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Posting]]:
    postings: dict[UUID, list[Posting]] = {}
    for row in await conn.fetch(SQL.postings, entry_ids) if entry_ids else ():
        posting = Posting(Usd(row["amount"]), row["source"], row["destination"], row["lot_id"])
        postings.setdefault(row["entry_id"], []).append(posting)
    return postings


async def requests(
    conn: asyncpg.Connection, account_id: UUID
) -> AsyncIterator[tuple[StoredRequest, RequestEntry | None]]:
    """Yield an account's requests in the order of their beginnings, each with its entry or None."""
    last = _NOBODY
    while (end := await conn.fetchval(SQL.request_page_end, account_id, last, PAGE)) is not None:
        for row in await conn.fetch(SQL.request_page, account_id, last, end):
            entry = None if row[_REQUEST_COLUMNS] is None else RequestEntry(*row[_REQUEST_COLUMNS:])
            yield StoredRequest(*row[:_REQUEST_COLUMNS]), entry
        last = end


def _entry(row: asyncpg.Record) -> Entry:
    """Make an entry of a row, whose columns are in the order of the fields."""
    return Entry(*row[:9], *[Usd(amount) if amount else ZERO for amount in row[9:13]], *row[13:])


def _lot(row: Sequence[Any]) -> Lot:
    id_, pool, origin, amount, *terms, _ = row
    return Lot(id_, Pool(pool), origin, Usd(amount), *terms)
