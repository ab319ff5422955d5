"""`ledger verify`: everything recomputed from the entries, and the first fault in one line."""

from collections.abc import AsyncIterator, Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import asyncpg

from tokenharbor.db.errors import books_away
from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger import pages
from tokenharbor.ledger.audit import Audit, FaultError
from tokenharbor.ledger.pages import PAGE, SQL, Written

_NOBODY = UUID(int=0)


@dataclass(slots=True)
class Report:
    """How much was recomputed, and the first thing that is off."""

    accounts: int = 0
    entries: int = 0
    fault: str | None = None


async def verify(conn: asyncpg.Connection, only: Collection[UUID] = ()) -> Report:
    """Verify the books while they are in use: each account as it was at one moment, one after the other; or only
    some accounts. Raises BooksAway.
    """
    report = Report()
    with books_away():
        try:
            await _verify_holds(conn)
            await _verify_postings(conn)
            days = {row["name"] for row in await conn.fetch(SQL.request_days)}
            async for account_id in _these(only) if only else pages.accounts(conn):
                report.entries += await _verify_account(conn, account_id, days)
                report.accounts += 1
        except FaultError as fault:
            report.fault = str(fault)
    return report


async def _these(account_ids: Collection[UUID]) -> AsyncIterator[UUID]:
    for account_id in account_ids:
        yield account_id


async def _verify_account(conn: asyncpg.Connection, account_id: UUID, days: AbstractSet[str]) -> int:
    """How many entries it has."""
    state = await pages.read_state(conn, account_id)
    audit = Audit(account_id, state, days)
    last_seq = state.wallet["seq"] if state.wallet is not None else 0
    async for page in pages.entries(conn, account_id, last_seq):
        for written in page:
            audit.take(written)
        await _verify_references(conn, page)
    audit.close()
    return audit.seq


async def _verify_references(conn: asyncpg.Connection, page: Sequence[Written]) -> None:
    """A reference names one entry, and an entry bears the reference that names it."""
    borne = {written.entry.reference: written.entry.id for written in page if written.entry.reference}
    granted = [written.entry.id for written in page if written.entry.type == "credit"]
    rows = await conn.fetch(SQL.references, granted, [*borne]) if granted else ()
    known = {row["reference"]: row["entry_id"] for row in rows}
    if known != borne:
        reference = min({*known, *borne}, key=lambda name: (known.get(name) == borne.get(name), name))
        raise FaultError(f"the reference {reference!r} does not name the one entry that bears it")


async def _verify_holds(conn: asyncpg.Connection) -> None:
    stray = await conn.fetchval(SQL.stray_hold)
    if stray is not None:
        raise FaultError(f"{ids.show('req', stray)} is held for an account or a key that is not there")
    for sql, kind in ((SQL.wallets_and_holds, "acct"), (SQL.meters_and_holds, "key")):
        async for row in _pages(conn, sql, "id"):
            if row["held"] != row["holds"]:
                name = ids.show("acct" if kind == "acct" else "key", row["id"])
                raise FaultError(f"{name} has {Usd(row['held'])} held, its holds make {Usd(row['holds'])}")


async def _verify_postings(conn: asyncpg.Connection) -> None:
    async for row in _pages(conn, SQL.posting_page, "entry_id"):
        if row["type"] in (None, "usage", "loss"):
            raise FaultError(f"{ids.show('ent', row['entry_id'])} has postings that no entry of its kind has")


async def _pages(conn: asyncpg.Connection, sql: str, key: str) -> AsyncIterator[asyncpg.Record]:
    last = _NOBODY
    while rows := await conn.fetch(sql, last, PAGE):
        for row in rows:
            yield row
        last = rows[-1][key]
