"""Recent events of accounts, for live pages: changed wallets, ended requests, granted credit."""

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
    """The numbers of a wallet: the balance changes only if one of them does. `seq` is the last entry's number."""

    seq: int
    spent: int
    held: int
    debt: int
    line_end: int


class EndedRequest(NamedTuple):
    """An ended request and its charge."""

    account_id: UUID
    record: RequestRecord
    amount: Usd


class GrantedCredit(NamedTuple):
    """A granted credit of the requested origin."""

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
    """Return recent requests of each account, at most `most` of each kind: those whose entry's number is above the one
    in `seen`, and those that ended after `ended_after`, which have no entry if nothing was charged.
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
