"""What has just happened to accounts: marks of their wallets, requests that ended, credit that came."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.history import RequestRecord


@dataclass(frozen=True, slots=True)
class LiveQueries:
    """The SQL of live.sql."""

    marks: str
    ended: str
    granted: str


SQL = read_queries(LiveQueries, "tokenharbor.ledger", "live.sql")


class WalletMark(NamedTuple):
    """The numbers of a wallet: while none has changed, neither has the balance. `seq` is that of the last entry."""

    seq: int
    spent: int
    held: int
    debt: int
    line_end: int


class EndedRequest(NamedTuple):
    """A request that has ended, and what it was charged."""

    account_id: UUID
    record: RequestRecord
    amount: Usd


class GrantedCredit(NamedTuple):
    """Credit of the origin that was asked for."""

    account_id: UUID
    entry_id: UUID
    at: datetime
    amount: Usd


async def read_marks(conn: asyncpg.Connection, accounts: Collection[UUID]) -> Mapping[UUID, WalletMark]:
    rows = await conn.fetch(SQL.marks, list(accounts))
    return {row["account_id"]: WalletMark(*tuple(row)[1:]) for row in rows}


async def read_ended(
    conn: asyncpg.Connection, seen: Mapping[UUID, int], *, began_after: UUID, ended_after: datetime, most: int
) -> Sequence[EndedRequest]:
    """Of each account, requests whose entries come after the number that was `seen`, and those that ended lately, which
    may have no entry, since nothing was charged: the newest, `most` of either.
    """
    rows = await conn.fetch(SQL.ended, list(seen), began_after, ended_after, list(seen.values()), most)
    return [
        EndedRequest(
            row["account_id"],
            RequestRecord(row["id"], row["at"], row["key_id"], row["detail"], charged=None),
            Usd(row["amount"]),
        )
        for row in rows
    ]


async def read_granted(
    conn: asyncpg.Connection, seen: Mapping[UUID, int], origin: str, most: int
) -> Sequence[GrantedCredit]:
    rows = await conn.fetch(SQL.granted, list(seen), list(seen.values()), origin, most)
    return [GrantedCredit(row["account_id"], row["id"], row["at"], Usd(row["amount"])) for row in rows]
