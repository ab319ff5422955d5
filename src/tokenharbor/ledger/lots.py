"""What an account has of its lots: what is left of each, in the order in which it is spent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

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
    """What is left of a lot; `held` of it is what open requests may take. `restriction`: why it cannot be spent."""

    lot: Lot
    remaining: Usd
    held: Usd
    restriction: Restriction | None


async def read_lot_balances(conn: asyncpg.Connection, account_id: UUID, at: datetime) -> Sequence[LotBalance]:
    """Of one moment, without a lock; what is restricted comes last."""
    return [_balance(row) for row in await conn.fetch(SQL.lots, account_id, at)]


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
