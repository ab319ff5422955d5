"""The history of requests, read from the books for receipts and lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.entry import Entry
from tokenharbor.ledger.types import Pool


@dataclass(frozen=True, slots=True)
class HistoryQueries:
    """The SQL of history.sql."""

    request: str
    owner: str
    requests: str
    searched_to: str
    lots: str
    price: str
    add_prices: str


SQL = read_queries(HistoryQueries, "tokenharbor.ledger", "history.sql")

_MOST_SEARCHED: Final = 10_000
_NO_CONDITION: Final = (None,) * 6
_LAST: Final = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class LotDraw:
    """The amount that a charge drew from a lot."""

    lot_id: UUID
    pool: Pool
    origin: str
    amount: Usd


@dataclass(frozen=True, slots=True)
class RequestCharge:
    """A request's charge: `[position, position + amount)` of the line, the last `fee` of it the service fee. `overrun`
    is the amount written off instead of charged.
    """

    at: datetime
    amount: Usd
    fee: Usd
    overrun: Usd
    position: int
    seq: int
    step: int
    ordinal: int
    price: str
    lots: tuple[LotDraw, ...]


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """An ended request. `detail` is None once it was purged or erased; `charged` is None if nothing was charged.
    `entry` and `salt` are only read for a single request.
    """

    request_id: UUID
    at: datetime
    key_id: UUID | None
    detail: bytes | None
    charged: RequestCharge | None
    entry: Entry | None = None
    salt: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFilter:
    """A filter of requests: those before one, of a model, and so on, at most `most`. None means no condition."""

    before: UUID | None = None
    model: str | None = None
    provider: str | None = None
    key_id: UUID | None = None
    status: str | None = None
    cache: str | None = None
    stage: str | None = None
    most: int = 100


@dataclass(frozen=True, slots=True)
class RequestPage:
    """Requests and their charges, without entries. If fewer than requested were found, there may be more before
    `searched_to`; None means that there are no more.
    """

    found: Sequence[tuple[RequestRecord, Usd]]
    searched_to: UUID | None


class RequestHistory:
    """The requests of the books. Every call raises DatabaseUnavailable."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def request(self, account_id: UUID, request_id: UUID) -> RequestRecord | None:
        with as_database_unavailable():
            row = await self._pool.fetchrow(SQL.request, account_id, request_id)
            if row is None:
                return None
            lots: Sequence[asyncpg.Record] = ()
            if row["type"] == "usage" and row["amount"]:
                lots = await self._pool.fetch(SQL.lots, account_id, row["pos"], row["pos"] + row["amount"])
        charged = _charged(row, lots) if row["type"] == "usage" else None
        entry = None if row["type"] is None else _entry(request_id, account_id, row)
        return RequestRecord(
            request_id, row["at"] or row["entry_at"], row["key_id"], row["detail"], charged, entry, row["salt"]
        )

    async def owner(self, request_id: UUID) -> UUID | None:
        with as_database_unavailable():
            owner: UUID | None = await self._pool.fetchval(SQL.owner, request_id)
        return owner

    async def requests(self, account_id: UUID, wanted: RequestFilter) -> RequestPage:
        """Return the latest matching requests, newest first. The search is bounded, however rare matches are."""
        named = (wanted.model, wanted.provider, wanted.key_id, wanted.status, wanted.cache, wanted.stage)
        most_searched = wanted.most if named == _NO_CONDITION else _MOST_SEARCHED
        before, searched_to = wanted.before or _LAST, None
        with as_database_unavailable():
            rows = await self._pool.fetch(SQL.requests, account_id, before, *named, most_searched, wanted.most)
            if len(rows) < wanted.most and named != _NO_CONDITION:
                searched_to = await self._pool.fetchval(SQL.searched_to, account_id, before, most_searched)
        found = [
            (RequestRecord(row["id"], row["at"], row["key_id"], row["detail"], charged=None), Usd(row["amount"]))
            for row in rows
        ]
        return RequestPage(found, searched_to)

    async def price(self, version: bytes) -> str | None:
        """Return the canonical form of a price that was ever on sale."""
        with as_database_unavailable():
            body: str | None = await self._pool.fetchval(SQL.price, version)
        return body

    async def add_prices(self, prices: Mapping[bytes, str], at: datetime) -> None:
        """Store prices by version, so that receipts can be recomputed."""
        with as_database_unavailable():
            await self._pool.execute(SQL.add_prices, list(prices), list(prices.values()), at)


def _entry(request_id: UUID, account_id: UUID, row: asyncpg.Record) -> Entry:
    return Entry(
        id=request_id,
        account_id=account_id,
        at=row["entry_at"],
        type=row["type"],
        detail_digest=row["detail_digest"],
        seq=row["seq"],
        pos=row["pos"],
        step=row["step"],
        ordinal=row["ordinal"],
        amount=Usd(row["amount"]),
        fee=Usd(row["fee"]),
        vendor_cost=Usd(row["vendor_cost"]),
        over=Usd(row["over"]),
        provider=row["entry_provider"],
        price_version=row["price_version"],
        reference=row["reference"],
    )


def _charged(row: asyncpg.Record, lots: Sequence[asyncpg.Record]) -> RequestCharge:
    return RequestCharge(
        at=row["entry_at"],
        amount=Usd(row["amount"]),
        fee=Usd(row["fee"]),
        overrun=Usd(row["over"]),
        position=row["pos"],
        seq=row["seq"],
        step=row["step"],
        ordinal=row["ordinal"],
        price=row["price"] or "",
        lots=tuple(LotDraw(lot["lot_id"], Pool(lot["pool"]), lot["origin"], Usd(lot["amount"])) for lot in lots),
    )
