"""Pages: the books read back account by account and in short pages, so that no long snapshot lies over the hot rows."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.entry import Entry
from tokenharbor.ledger.line import Line, Lot, Segment
from tokenharbor.ledger.posting import Posting
from tokenharbor.ledger.types import Pool

PAGE = 1000
_NOBODY = UUID(int=0)
_OWN_COLUMNS = frozenset({"has_request", "salt", "detail"})
_AMOUNTS = ("amount", "fee", "vendor_cost", "over")


@dataclass(frozen=True, slots=True)
class Queries:
    """The SQL of pages.sql."""

    wallet: str
    line: str
    lots: str
    entry_page: str
    postings: str
    next_account: str
    wallets_and_holds: str
    meters_and_holds: str
    stray_hold: str
    posting_page: str
    references: str
    request_days: str


SQL = read_queries(Queries, "tokenharbor.ledger", "pages.sql")


@dataclass(frozen=True, slots=True)
class State:
    """An account as it was at one moment. `wallet` None: it has entries, but no wallet."""

    wallet: Mapping[str, Any] | None
    line: Line
    lots: Mapping[UUID, Lot]


@dataclass(frozen=True, slots=True)
class Written:
    """An entry as it stands, with its own postings, and what is left of its request."""

    entry: Entry
    postings: Sequence[Posting]
    has_request: bool
    salt: bytes | None
    detail: bytes | None


async def accounts(conn: asyncpg.Connection) -> AsyncIterator[UUID]:
    """Every account that the books know, in order."""
    account_id = _NOBODY
    while (account_id := await conn.fetchval(SQL.next_account, account_id)) is not None:
        yield account_id


async def read_state(conn: asyncpg.Connection, account_id: UUID) -> State:
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        wallet = await conn.fetchrow(SQL.wallet, account_id)
        line = await conn.fetch(SQL.line, account_id)
        lots = await conn.fetch(SQL.lots, account_id)
    return State(
        None if wallet is None else dict(wallet),
        tuple([Segment(row["start_at"], row["end_at"], row["lot_id"]) for row in line]),
        {row["id"]: _lot(row) for row in lots},
    )


async def entries(conn: asyncpg.Connection, account_id: UUID, last_seq: int) -> AsyncIterator[Sequence[Written]]:
    """An account's entries in order, as far as its wallet counted them when it was read."""
    seq = 0
    while rows := await conn.fetch(SQL.entry_page, account_id, seq, last_seq, PAGE):
        ids = [row["id"] for row in rows if row["type"] != "usage"]
        postings: dict[UUID, list[Posting]] = {}
        for row in await conn.fetch(SQL.postings, ids) if ids else ():
            posting = Posting(Usd(row["amount"]), row["source"], row["destination"], row["lot_id"])
            postings.setdefault(row["entry_id"], []).append(posting)
        yield [
            Written(_entry(row), postings.get(row["id"], ()), row["has_request"], row["salt"], row["detail"])
            for row in rows
        ]
        seq = rows[-1]["seq"]


def _entry(row: asyncpg.Record) -> Entry:
    fields = {name: value for name, value in row.items() if name not in _OWN_COLUMNS}
    return Entry(**{**fields, **{name: Usd(fields[name]) for name in _AMOUNTS}})


def _lot(row: asyncpg.Record) -> Lot:
    fields = dict(row)
    return Lot(**{**fields, "pool": Pool(fields["pool"]), "amount": Usd(fields["amount"])})
