"""`ledger verify`: recomputes the books from their entries and reports the first fault in one line.

Idea: entries are the truth, and every other number of the books follows from them or is compared with them. Account by
account, in pages, an `AccountAudit` replays the entries in order and recomputes chain, seals, balances, lots, meters,
cuts and totals; `request_audit.py` compares the rows of requests with entries and details; this file checks the rest,
which belongs to no single account: roots, prices, holds, postings, tasks, runs.

The invariant that lets it run while the books are in use: an account's state is read in one snapshot, and its entries
only up to the number that the wallet had then. Entries never change, so later pages need no snapshot. One long snapshot
over everything would keep vacuum from the rows that change thousands of times a second.

Rows that may be absent by rule are not missed: requests older than the purge's time, and those of dropped days. A
history that was rewritten consistently is found by the signed roots alone (decision 15).
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.partitions import lowest_id
from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger import pages
from tokenharbor.ledger.audit import AccountAudit
from tokenharbor.ledger.comparisons import verify_comparisons
from tokenharbor.ledger.faults import FaultError
from tokenharbor.ledger.pages import PAGE, SQL, StoredEntry
from tokenharbor.ledger.request_audit import find_request_fault, verify_prices
from tokenharbor.ledger.roots import FIRST_PREVIOUS, Root, is_in_root, is_signed_root, read_cut, root_digest
from tokenharbor.ledger.sign import SQL as ROOTS
from tokenharbor.ledger.sign import roots

_NOBODY = UUID(int=0)
_LONGEST_REQUEST = timedelta(days=3)  # a video's, with room


RequestCheck = Callable[[], Awaitable[str | None]]
"""Returns the result of `find_request_fault`, which another process computes."""


@dataclass(slots=True)
class VerifyReport:
    """The numbers of accounts and entries verified, the number of the last signed root, and the first fault found."""

    accounts: int = 0
    entries: int = 0
    signed: int = 0
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class TrustAnchors:
    """The trusted input of the check of signatures: our public keys by id, and copies of roots kept elsewhere."""

    keys: Mapping[str, bytes]
    kept: Iterable[Root] = ()


async def verify(
    conn: asyncpg.Connection,
    only: Collection[UUID] = (),
    trust: TrustAnchors | None = None,
    requests: RequestCheck | None = None,
) -> VerifyReport:
    """Verify the books while they are in use: all accounts, or `only` some, each in one snapshot. Without `trust` no
    signature is checked. `requests` replaces `find_request_fault` if another process runs it meanwhile. Raises
    DatabaseUnavailable.
    """
    report = VerifyReport()
    with as_database_unavailable():
        report.fault = await _first_fault(_verify_common(conn, trust, report))
        if report.fault is None:
            of_entries = await _first_fault(_verify_accounts(conn, only, report))
            of_requests = await (requests() if requests is not None else find_request_fault(conn, only))
            report.fault = of_requests or of_entries  # a row that was changed is the cause of sums that differ
    return report


async def _first_fault(work: Awaitable[None]) -> str | None:
    try:
        await work
    except FaultError as fault:
        return str(fault)
    return None


async def _verify_common(conn: asyncpg.Connection, trust: TrustAnchors | None, report: VerifyReport) -> None:
    """Verify all that belongs to no account."""
    report.signed = await _verify_roots(conn, trust)
    await _verify_tables(conn)
    await _verify_holds(conn)
    await _verify_postings(conn)
    await verify_comparisons(conn)


async def _verify_accounts(conn: asyncpg.Connection, only: Collection[UUID], report: VerifyReport) -> None:
    days = {row["name"] for row in await conn.fetch(SQL.request_days)}
    async for account_id in pages.accounts(conn, only):
        report.entries += await _verify_account(conn, account_id, days)
        report.accounts += 1


async def _verify_account(conn: asyncpg.Connection, account_id: UUID, days: AbstractSet[str]) -> int:
    """Verify an account and return the number of its entries."""
    state = await pages.read_state(conn, account_id)
    audit = AccountAudit(account_id, state, days)
    last_seq = state.wallet["seq"] if state.wallet is not None else 0
    try:
        async for page in pages.entries(conn, account_id, last_seq):
            for stored in page:
                audit.take(stored)
            await _verify_references(conn, page)
        await _verify_unexplained(conn, audit)
        audit.close()
        await verify_prices(conn, audit.prices)
        await _verify_uncharged_days(conn, audit)
    except FaultError as fault:
        raise FaultError(f"{ids.show('acct', account_id)}: {fault}") from None
    return audit.seq


async def _verify_references(conn: asyncpg.Connection, page: Sequence[StoredEntry]) -> None:
    """Check that each reference names one entry, and that this entry has it."""
    stated = {stored.entry.reference: stored.entry.id for stored in page if stored.entry.reference}
    granted = [stored.entry.id for stored in page if stored.entry.type == "credit"]
    rows = await conn.fetch(SQL.references, granted, [*stated]) if granted else ()
    recorded = {row["reference"]: row["entry_id"] for row in rows}
    if recorded != stated:
        reference = min({*recorded, *stated}, key=lambda name: (recorded.get(name) == stated.get(name), name))
        raise FaultError(f"the reference {reference!r} does not refer to the one entry that has it")


async def _verify_unexplained(conn: asyncpg.Connection, audit: AccountAudit) -> None:
    """Check that each request with an entry has a row, unless its day was dropped or the row was purged."""
    if audit.unexplained is not None and audit.unexplained >= await _purged_before(conn):
        raise FaultError(f"{ids.show('req', audit.unexplained)} has an entry but no request")


async def _purged_before(conn: asyncpg.Connection) -> UUID:
    """Return the id below which requests have no rows. Read it after the rows: a purge may be running."""
    before = await conn.fetchval(SQL.purged_before)
    return _NOBODY if before is None else lowest_id(before)


async def _verify_uncharged_days(conn: asyncpg.Connection, audit: AccountAudit) -> None:
    """Check that a request ended in the current day of each meter whose key was charged nothing in that day."""
    for day in audit.metering.uncharged_days():
        since = day.start - _LONGEST_REQUEST
        if lowest_id(since) < await _purged_before(conn):
            continue  # the row may be among those that were purged
        times = (since + timedelta(days=number) for number in range((day.end - since).days))
        if not {f"request_{time:%Y%m%d}" for time in times} <= audit.days:
            continue  # the row may be among those that were dropped
        bounds = day.start, day.end, lowest_id(since)
        if not await conn.fetchval(SQL.ended_in, audit.account_id, day.key_id, *bounds):
            name = ids.show("key", day.key_id)
            raise FaultError(f"{name} has a meter whose day began at {day.start:%Y-%m-%d}, but no request ended then")


async def _verify_tables(conn: asyncpg.Connection) -> None:
    """Verify the tables that do not follow from entries."""
    async for row in _pages(conn, SQL.price_page, "version", b""):
        if hashlib.sha256(row["body"].encode()).digest() != row["version"]:
            raise FaultError(f"the price {row['version'].hex()[:16]} does not match its version")
    account_id = await conn.fetchval(SQL.account_without_wallet)
    if account_id is not None:
        raise FaultError(f"{ids.show('acct', account_id)} has no wallet")
    key_id = await conn.fetchval(SQL.key_meter_mismatch)
    if key_id is not None:
        raise FaultError(f"{ids.show('key', key_id)} and its meter have different accounts or limits")
    account_id = await conn.fetchval(SQL.account_wallet_mismatch)
    if account_id is not None:
        raise FaultError(f"{ids.show('acct', account_id)} and its wallet have different budgets")
    request_id = await conn.fetchval(SQL.changed_task)
    if request_id is not None:
        raise FaultError(f"the task of {ids.show('req', request_id)} was changed")
    home = await conn.fetchval(SQL.misnumbered_home)
    if home is not None:
        raise FaultError(f"the runs of the gateway in {home} are not numbered from 1 without gaps")


async def _verify_holds(conn: asyncpg.Connection) -> None:
    orphaned = await conn.fetchval(SQL.orphaned_hold)
    if orphaned is not None:
        raise FaultError(
            f"{ids.show('req', orphaned)} has a hold for an account, a key or a gateway that does not exist"
        )
    for sql, kind in ((SQL.wallets_and_holds, "acct"), (SQL.meters_and_holds, "key")):
        async for row in _pages(conn, sql, "id", _NOBODY):
            name = ids.show("acct" if kind == "acct" else "key", row["id"])
            if row["open"] != row["places"]:
                raise FaultError(f"{name} has {row['open']} open requests, but {row['places']} of its holds are open")
            if row["held"] != row["holds"]:
                raise FaultError(f"{name} has {Usd(row['held'])} held, but its holds add up to {Usd(row['holds'])}")


async def _verify_postings(conn: asyncpg.Connection) -> None:
    async for row in _pages(conn, SQL.posting_page, "entry_id", _NOBODY):
        if row["type"] in (None, "usage", "loss"):
            raise FaultError(f"{ids.show('ent', row['entry_id'])} has postings, but entries of its type have none")
        if not row["numbered"]:
            raise FaultError(f"the postings of {ids.show('ent', row['entry_id'])} are not numbered from 0")


async def _verify_roots(conn: asyncpg.Connection, trust: TrustAnchors | None) -> int:
    """Verify that each root names the one before, is signed and has its cuts; return the last root's number."""
    kept = {root.number: root for root in trust.kept} if trust is not None else {}
    number, previous = 0, FIRST_PREVIOUS
    async for root in roots(conn):
        number += 1
        if (root.number, root.previous) != (number, previous):
            raise FaultError(f"root {number} is missing, or root {root.number} does not refer to it")
        if trust is not None and not is_signed_root(root, trust.keys):
            raise FaultError(f"root {number} does not have a valid signature")
        await _verify_cuts(conn, root)
        previous = root_digest(root)
        if number in kept and root_digest(kept.pop(number)) != previous:
            raise FaultError(f"root {number} differs from the copy that was kept elsewhere")
    if kept:
        raise FaultError(f"root {min(kept)} was kept elsewhere and is not in the database")
    return number


async def _verify_cuts(conn: asyncpg.Connection, root: Root) -> None:
    place = entries = 0
    while rows := await conn.fetch(ROOTS.cut_page, root.number, place, PAGE):
        for row in rows:
            cut = read_cut(row)
            if cut.place != place or not is_in_root(cut, root):
                raise FaultError(f"root {root.number} does not cover the entries that its cut {place} states")
            place, entries = place + 1, entries + cut.size
    if (place, entries) != (root.cuts, root.entries):
        raise FaultError(
            f"root {root.number} has {place} cuts of {entries} entries, but states {root.cuts} of {root.entries}"
        )


async def _pages(conn: asyncpg.Connection, sql: str, key: str, last: object) -> AsyncIterator[asyncpg.Record]:
    while rows := await conn.fetch(sql, last, PAGE):
        for row in rows:
            yield row
        last = rows[-1][key]
