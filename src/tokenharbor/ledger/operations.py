"""Operations: what a batch does on a connection (place, settle, release), and what it finds done before."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

import asyncpg

from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger.batch_arguments import hold_arguments, release_arguments, settlement_arguments
from tokenharbor.ledger.statements import LedgerQueries
from tokenharbor.ledger.types import Hold, HoldRefusal, PlacedHold, RefusedHold, Release, SettledCharge, Settlement

Row_contra = TypeVar("Row_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)
Row = TypeVar("Row")
Result = TypeVar("Result")


_REFUSALS = (
    None,
    HoldRefusal.BALANCE,
    HoldRefusal.QUOTA,
    HoldRefusal.DAILY,
    HoldRefusal.MONTHLY,
    HoldRefusal.DEBT,
    HoldRefusal.UNKNOWN,
)


class BatchOperation(Protocol[Row_contra, Result_co]):
    """A kind of batch. Both calls raise what the driver raises."""

    def account(self, row: Row_contra) -> UUID: ...

    def request(self, row: Row_contra) -> UUID: ...

    async def run(self, conn: asyncpg.Connection, rows: Sequence[Row_contra]) -> Sequence[Result_co]:
        """Do it, taking for granted that none of the rows was done before: else the database says so."""

    async def recall(
        self, conn: asyncpg.Connection, rows: Sequence[Row_contra]
    ) -> Mapping[UUID, Result_co | Exception]:
        """The answers of those that were done before, by request id. The wallets are locked."""


async def do_new(
    operation: BatchOperation[Row, Result], conn: asyncpg.Connection, rows: Sequence[Row]
) -> Mapping[UUID, Result | Exception]:
    """Do what was not done before; every row's answer by request id. The wallets are locked."""
    if not rows:
        return {}
    done = dict(await operation.recall(conn, rows))
    new = [row for row in rows if operation.request(row) not in done]
    if new:
        done.update(zip(map(operation.request, new), await operation.run(conn, new), strict=True))
    return done


class PlaceHolds:
    """Holds."""

    def __init__(self, sql: LedgerQueries, gateway_id: UUID) -> None:
        self._sql = sql
        self._gateway_id = gateway_id

    def account(self, row: Hold) -> UUID:
        return row.payer.account_id

    def request(self, row: Hold) -> UUID:
        return row.request_id

    async def run(self, conn: asyncpg.Connection, rows: Sequence[Hold]) -> Sequence[PlacedHold | RefusedHold]:
        numbers = await conn.fetchval(self._sql.place_holds, *hold_arguments(rows, self._gateway_id))
        if numbers is None:
            return [PlacedHold(row.amount) for row in rows]
        return [_verdict(row, *numbers[4 * i : 4 * i + 4]) for i, row in enumerate(rows)]

    async def recall(self, conn: asyncpg.Connection, rows: Sequence[Hold]) -> Mapping[UUID, PlacedHold]:
        found = await conn.fetch(self._sql.standing_holds, [row.request_id for row in rows])
        return {r["request_id"]: PlacedHold(Usd(r["amount"])) for r in found}


def _verdict(row: Hold, why: int, available: int, held: int, limit_left: int) -> PlacedHold | RefusedHold:
    reason = _REFUSALS[why]
    if reason is None:
        return PlacedHold(row.amount)
    return RefusedHold(reason, Usd(available), Usd(held), Usd(limit_left))


class SettleRequests:
    """Settlements."""

    def __init__(self, sql: LedgerQueries) -> None:
        self._sql = sql

    def account(self, row: Settlement) -> UUID:
        return row.payer.account_id

    def request(self, row: Settlement) -> UUID:
        return row.request_id

    async def run(self, conn: asyncpg.Connection, rows: Sequence[Settlement]) -> Sequence[SettledCharge]:
        numbers = await conn.fetchval(self._sql.end_requests, *settlement_arguments(rows))
        if numbers is None:
            return [SettledCharge(row.cost, row.fee, ZERO) for row in rows]
        amounts = iter([Usd(number) for number in numbers])
        return [SettledCharge(charge, fee, over) for charge, fee, over in zip(amounts, amounts, amounts, strict=True)]

    async def recall(
        self, conn: asyncpg.Connection, rows: Sequence[Settlement]
    ) -> Mapping[UUID, SettledCharge | Exception]:
        ids = [row.request_id for row in rows]
        found = await conn.fetch(self._sql.ended_requests, ids, min(ids), max(ids))
        ended = {r["id"]: _settled_before(r) for r in found}
        if ended:
            await conn.fetchval(self._sql.drop_holds, [*ended], max(row.at for row in rows))
        return ended


def _settled_before(row: asyncpg.Record) -> SettledCharge | Exception:
    if row["type"] != "usage":
        return BooksRefused("a released request cannot be settled")
    return SettledCharge(Usd(row["amount"]), Usd(row["fee"]), Usd(row["over"]), again=True)


class ReleaseHolds:
    """Releases."""

    def __init__(self, sql: LedgerQueries) -> None:
        self._sql = sql

    def account(self, row: Release) -> UUID:
        return row.payer.account_id

    def request(self, row: Release) -> UUID:
        return row.request_id

    async def run(self, conn: asyncpg.Connection, rows: Sequence[Release]) -> Sequence[None]:
        await conn.fetchval(self._sql.release_requests, *release_arguments(rows))
        return [None] * len(rows)

    async def recall(self, conn: asyncpg.Connection, rows: Sequence[Release]) -> Mapping[UUID, None]:
        ids = [row.request_id for row in rows]
        bounds = min(ids), max(ids)
        ended = {r["id"] for r in await conn.fetch(self._sql.ended_requests, ids, *bounds)}
        accounts = [*{row.payer.account_id for row in rows}]
        ended |= {r["id"] for r in await conn.fetch(self._sql.written_requests, accounts, ids, *bounds)}
        if ended:
            await conn.fetchval(self._sql.drop_holds, [*ended], max(row.at for row in rows))
        return dict.fromkeys(ended)
