"""The balances of an account's lots, in the order in which they are spent."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

import asyncpg
import msgspec

from tokenharbor.db.queries import read_queries
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.line import Lot
from tokenharbor.ledger.types import Pool, Restriction


@dataclass(frozen=True, slots=True)
class LotQueries:
    """The SQL of lots.sql."""

    lots: str


SQL = read_queries(LotQueries, "tokenharbor.ledger", "lots.sql")


@dataclass(frozen=True, slots=True)
class LotBalance:
    """The rest of a lot; `held` of it is reserved for open requests. `restriction` is why it cannot be spent, if so.
    `more` has the ids of the other lots that were joined into this one.
    """

    lot: Lot
    remaining: Usd
    held: Usd
    restriction: Restriction | None
    more: Sequence[UUID] = ()


async def read_lot_balances(conn: asyncpg.Connection, account_id: UUID, at: datetime) -> Sequence[LotBalance]:
    """Return an account's lot balances at `at`, from one snapshot and without a lock; restricted credit comes last."""
    return [_balance(row) for row in await conn.fetch(SQL.lots, account_id, at)]


def join_alike(found: Sequence[LotBalance]) -> Sequence[LotBalance]:
    """Join neighbours on the line that differ only in grant time and amount; all else is the first one's. A year of
    cashback is hundreds of lots, too many to read one by one.
    """
    return [_joined(list(alike)) for _, alike in groupby(found, _kind)]


def _kind(each: LotBalance) -> tuple[object, ...]:
    lot = each.lot
    return lot.pool, lot.origin, lot.expires_at, lot.refundable_until, each.restriction


def _joined(alike: Sequence[LotBalance]) -> LotBalance:
    first = alike[0]
    return replace(
        first,
        lot=msgspec.structs.replace(first.lot, amount=Usd(sum(each.lot.amount for each in alike))),
        remaining=Usd(sum(each.remaining for each in alike)),
        held=Usd(sum(each.held for each in alike)),
        more=[each.lot.id for each in alike[1:]],
    )


def _balance(row: asyncpg.Record) -> LotBalance:
    lot = Lot(
        id=row["id"],
        pool=Pool(row["pool"]),
        origin=row["origin"],
        amount=Usd(row["amount"]),
        granted_at=row["granted_at"],
        expires_at=row["expires_at"],
        refundable_until=row["refundable_until"],
        withdrawable_from=row["withdrawable_from"],
    )
    place = row["place"]
    return LotBalance(lot, Usd(row["remaining"]), Usd(row["held"]), None if place is None else Restriction(place))
