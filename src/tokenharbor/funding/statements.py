"""Statements: an account's credit over a span of time, by pool, from an opening to a closing balance.

Invariant: `opening + movements = closing` holds exactly in each pool, even if entries were written late. A time divides
an account's entries in two, and entries are never changed, so the sum of all entries older than a time is final. The
database computes the sums; Python reads no entries.

Charges follow one another on the line. So all charges before a time are the line up to the first entry that is not
older (`first_since`), and the few charges of a replayed journal after that entry (`late`): the pools of millions of
charges are those of a few intervals. All other entries have postings, which name their lot.

No query reads all entries. Charges by day and model come from totals (`ledger/rollup.py`); each hour of the totals has
the range of its entries' numbers, which narrows the search for the first and the late entries. Everything is read in
one snapshot, which is short for that reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries
from tokenharbor.identity.store import Account, get_account
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Money, Usd
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.ledger import address, pages
from tokenharbor.ledger.export import SPENDABLE, entry_kind
from tokenharbor.ledger.line import drawn
from tokenharbor.ledger.pages import AccountState
from tokenharbor.ledger.rollup import read_totals, shorten_tail
from tokenharbor.ledger.types import Pool


@dataclass(frozen=True, slots=True)
class StatementQueries:
    """The SQL of statements.sql."""

    moves: str
    first_since: str
    late: str
    payments: str


SQL = read_queries(StatementQueries, "tokenharbor.funding", "statements.sql")


@dataclass(frozen=True, slots=True)
class StatementSpan:
    """The time from `since`, inclusive, to `until`, exclusive."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class PoolMovement:
    """The sum of all entries of a kind in a pool; kinds are those of the ledger's CSV."""

    kind: str
    pool: Pool
    amount: Usd


@dataclass(frozen=True, slots=True)
class DailyCharge:
    """Charges for a model on a day (UTC); `fee` is the service fee in them. `model` is "" if it was erased."""

    day: date
    model: str
    requests: int
    cost: Usd
    fee: Usd


@dataclass(frozen=True, slots=True)
class StatementPayment:
    """A credited top-up. `money` includes `tax`."""

    at: datetime
    order_id: str
    processor: str
    capture_id: str
    money: Money
    tax: Money
    credited: Usd

    @property
    def paid(self) -> str:
        """The amount paid, with the tax in it if there is any."""
        return f"{self.money}, tax {self.tax}" if self.tax.minor else str(self.money)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """An account's statement: opening balance + movements = closing balance, in each pool. Held amounts count as
    balance.
    """

    account: Account
    span: StatementSpan
    opening: Mapping[Pool, Usd]
    movements: Sequence[PoolMovement]
    closing: Mapping[Pool, Usd]
    charges: Sequence[DailyCharge]
    payments: Sequence[StatementPayment]

    @property
    def fees(self) -> Usd:
        return sum((each.fee for each in self.charges), ZERO)


async def read_statement(conn: asyncpg.Connection, account_id: UUID, span: StatementSpan) -> Statement:
    """Return a statement. Raises Missing for the account, Rejected for an empty span, or DatabaseUnavailable."""
    if span.until <= span.since:
        raise Rejected("a statement must end after it begins", param="to").because(ErrorReason.STATEMENT_SPAN)
    with as_database_unavailable():
        account = await get_account(conn, account_id)
        await shorten_tail(conn, account_id)
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            return await _read(conn, account, span)


async def _read(conn: asyncpg.Connection, account: Account, span: StatementSpan) -> Statement:
    state = await pages.read_state(conn, account.id)
    if state.wallet is None:
        raise Missing(f"no account {ids.show('acct', account.id)}")
    reader = _Reader(conn, account.id, state, spent=state.wallet["spent"])
    before, within = await reader.moves(span)
    used_before, used = await reader.used(span.since), await reader.used(span.until)
    opening = _sum([*before, *_charged(used_before, {})])
    movements = _join([*within, *_charged(used, used_before)])
    payments = await conn.fetch(SQL.payments, account.id, span.since, span.until)
    return Statement(
        account=account,
        span=span,
        opening=opening,
        movements=movements,
        closing=_sum([*(PoolMovement("", pool, amount) for pool, amount in opening.items()), *movements]),
        charges=await reader.daily(span),
        payments=[_payment(row) for row in payments],
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads sums of an account that has spent `spent`."""

    conn: asyncpg.Connection
    account_id: UUID
    state: AccountState
    spent: int

    async def moves(self, span: StatementSpan) -> tuple[Sequence[PoolMovement], Sequence[PoolMovement]]:
        """Return what postings did to the pools: before the span, and within it."""
        rows = await self.conn.fetch(SQL.moves, self.account_id, span.since, span.until)
        before: list[PoolMovement] = []
        within: list[PoolMovement] = []
        for row in rows:
            kind = entry_kind(row["type"], row["origin"])
            for place, amount in ((row["source"], -Usd(row["amount"])), (row["destination"], Usd(row["amount"]))):
                pool = _own_pool(self.account_id, place)
                if pool is not None:
                    (before if row["before"] else within).append(PoolMovement(kind, pool, amount))
        return before, within

    async def used(self, before: datetime) -> Mapping[Pool, Usd]:
        """Return the charges before a time, by pool."""
        first = await self.conn.fetchrow(SQL.first_since, self.account_id, before)
        if first is None:
            intervals = [(0, self.spent)]
        else:
            late = await self.conn.fetch(SQL.late, self.account_id, before, first["seq"])
            intervals = [(0, first["pos"]), *((row["pos"], row["pos"] + row["amount"]) for row in late)]
        used: dict[Pool, Usd] = {}
        for start, end in intervals:
            for lot_id, amount in drawn(self.state.line, start, end):
                pool = self.state.lots[lot_id].pool
                used[pool] = used.get(pool, ZERO) + amount
        return used

    async def daily(self, span: StatementSpan) -> Sequence[DailyCharge]:
        totals = await read_totals(self.conn, self.account_id, since=span.since, until=span.until, by=("day", "model"))
        return [
            DailyCharge(total.start.date(), total.model, total.requests - total.unbilled, total.charge, total.fee)
            for total in totals
            if total.start is not None and total.requests > total.unbilled
        ]


def _own_pool(account_id: UUID, place: str) -> Pool | None:
    own = address.account_prefix(account_id)
    pool = place.removeprefix(own)
    return Pool(pool) if place.startswith(own) and pool in SPENDABLE else None


def _charged(used: Mapping[Pool, Usd], before: Mapping[Pool, Usd]) -> Sequence[PoolMovement]:
    return [PoolMovement("usage", pool, before.get(pool, ZERO) - amount) for pool, amount in used.items()]


def _sum(movements: Sequence[PoolMovement]) -> Mapping[Pool, Usd]:
    amounts = dict.fromkeys((pool for pool in Pool if pool in SPENDABLE), ZERO)
    for each in movements:
        amounts[each.pool] += each.amount
    return amounts


def _join(movements: Sequence[PoolMovement]) -> Sequence[PoolMovement]:
    """Join movements of one kind and pool, and leave out those that sum to zero."""
    amounts: dict[tuple[str, Pool], Usd] = {}
    for each in movements:
        amounts[each.kind, each.pool] = amounts.get((each.kind, each.pool), ZERO) + each.amount
    return [PoolMovement(kind, pool, amount) for (kind, pool), amount in sorted(amounts.items()) if amount]


def _payment(row: asyncpg.Record) -> StatementPayment:
    return StatementPayment(
        row["paid_at"],
        ids.show("topup", row["top_up_id"]),
        row["processor"],
        row["capture_id"],
        Money(row["currency"], row["captured_minor"]),
        Money(row["currency"], row["tax_minor"]),
        Usd(row["captured"]),
    )
