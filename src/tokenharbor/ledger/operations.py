"""The batch operations place, settle and release: how each runs, and how it finds rows that were done before."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

import asyncpg

from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger.batch_arguments import hold_arguments, release_arguments, settlement_arguments
from tokenharbor.ledger.batch_payers import BatchPayers, batch_payers
from tokenharbor.ledger.statements import LedgerQueries
from tokenharbor.ledger.types import (
    Hold,
    HoldRefusal,
    PlacedHold,
    RateUse,
    RefusedHold,
    Release,
    SettledCharge,
    Settlement,
    WindowUse,
)

Row_contra = TypeVar("Row_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)
Row = TypeVar("Row")
Result = TypeVar("Result")


_REFUSALS = (  # by number, from 1
    HoldRefusal.BALANCE,
    HoldRefusal.QUOTA,
    HoldRefusal.DAILY,
    HoldRefusal.MONTHLY,
    HoldRefusal.DEBT,
    HoldRefusal.UNKNOWN,
    HoldRefusal.ACCOUNT_DAILY,
    HoldRefusal.ACCOUNT_MONTHLY,
    HoldRefusal.KEY_RPM,
    HoldRefusal.KEY_TPM,
    HoldRefusal.KEY_CONCURRENCY,
    HoldRefusal.ACCOUNT_RPM,
    HoldRefusal.ACCOUNT_TPM,
    HoldRefusal.ACCOUNT_CONCURRENCY,
    HoldRefusal.FREE,
)


class BatchOperation(Protocol[Row_contra, Result_co]):
    """One kind of batch. `run` and `recall` raise the driver's errors."""

    def account(self, row: Row_contra) -> UUID: ...

    def request(self, row: Row_contra) -> UUID: ...

    async def run(self, conn: asyncpg.Connection, rows: Sequence[Row_contra]) -> Sequence[Result_co]:
        """Do all rows, assuming that none was done before; if one was, the database raises an error."""

    async def recall(
        self, conn: asyncpg.Connection, rows: Sequence[Row_contra]
    ) -> Mapping[UUID, Result_co | Exception]:
        """Return the answers of the rows that were done before, by request id. The caller has locked the wallets."""


async def do_new(
    operation: BatchOperation[Row, Result], conn: asyncpg.Connection, rows: Sequence[Row]
) -> Mapping[UUID, Result | Exception]:
    """Do the rows not done before, and return all answers by request id. The caller has locked the wallets."""
    if not rows:
        return {}
    done = dict(await operation.recall(conn, rows))
    new = [row for row in rows if operation.request(row) not in done]
    if new:
        done.update(zip(map(operation.request, new), await operation.run(conn, new), strict=True))
    return done


class PlaceHolds:
    """The operation that places holds."""

    def __init__(self, sql: LedgerQueries, gateway_id: UUID) -> None:
        self._sql = sql
        self._gateway_id = gateway_id

    def account(self, row: Hold) -> UUID:
        return row.payer.account_id

    def request(self, row: Hold) -> UUID:
        return row.request_id

    async def run(self, conn: asyncpg.Connection, rows: Sequence[Hold]) -> Sequence[PlacedHold | RefusedHold]:
        payers = batch_payers([row.payer for row in rows])
        numbers = await conn.fetchval(self._sql.place_holds, *hold_arguments(rows, self._gateway_id, payers))
        return [PlacedHold(row.amount) for row in rows] if numbers is None else _verdicts(rows, payers, numbers)

    async def recall(self, conn: asyncpg.Connection, rows: Sequence[Hold]) -> Mapping[UUID, PlacedHold]:
        found = await conn.fetch(self._sql.standing_holds, [row.request_id for row in rows])
        return {r["request_id"]: PlacedHold(Usd(r["amount"])) for r in found}


def _verdicts(
    rows: Sequence[Hold], payers: BatchPayers, lines: Sequence[Sequence[int]]
) -> Sequence[PlacedHold | RefusedHold]:
    """Read the database's answer: the use of rates, if any is limited; then a line per row, unless all were placed."""
    used: Sequence[RateUse | None] = [None] * len(payers.distinct)
    if payers.is_limited:
        used = _rates(payers, lines)
        lines = lines[len(payers.accounts) + len(payers.keys) :]
    if not lines:
        return [PlacedHold(row.amount, used[payer]) for row, payer in zip(rows, payers.rows, strict=True)]
    return [
        _refused(line, used[payer]) if line[0] else PlacedHold(row.amount, used[payer])
        for row, payer, line in zip(rows, payers.rows, lines, strict=True)
    ]


def _rates(payers: BatchPayers, lines: Sequence[Sequence[int]]) -> Sequence[RateUse | None]:
    """Return the windows of each payer's key and account."""
    split = len(payers.accounts)
    accounts = {line[0] - 1: WindowUse(*line[1:5]) for line in lines[:split]}
    keys = {line[0] - 1: WindowUse(*line[1:5]) for line in lines[split : split + len(payers.keys)]}
    return [
        RateUse(keys[key], accounts[account]) if payer.is_limited else None
        for payer, account, key in zip(payers.distinct, payers.account_of, payers.key_of, strict=True)
    ]


def _refused(verdict: Sequence[int], rates: RateUse | None) -> RefusedHold:
    number, available, held, limit_left, tokens_left, retry_ms = verdict
    reason, tokens = _REFUSALS[number - 1], None if tokens_left < 0 else tokens_left
    if reason is HoldRefusal.UNKNOWN:
        rates = None
    return RefusedHold(reason, Usd(available), Usd(held), Usd(limit_left), tokens, retry_ms, rates)


class SettleRequests:
    """The operation that settles requests."""

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
    return SettledCharge(Usd(row["amount"]), Usd(row["fee"]), Usd(row["over"]), repeated=True)


class ReleaseHolds:
    """The operation that releases holds."""

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
