"""What an account has of its lots: what is left of each, in the order in which it is spent."""

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
    """What is left of a lot; `held` of it is what open requests may take. `restriction`: why it cannot be spent.
    `more` are the ids of further lots that it stands for.
    """

    lot: Lot
    remaining: Usd
    held: Usd
    restriction: Restriction | None
    more: Sequence[UUID] = ()


async def read_lot_balances(conn: asyncpg.Connection, account_id: UUID, at: datetime) -> Sequence[LotBalance]:
    """Of one moment, without a lock; what is restricted comes last."""
    return [_balance(row) for row in await conn.fetch(SQL.lots, account_id, at)]


def join_alike(found: Sequence[LotBalance]) -> Sequence[LotBalance]:
    """Neighbours of the line that differ only in when and how much was granted, as one lot each: a year of cashback is
    hundreds of lots, and nobody reads them one by one. It is the first's otherwise.
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
