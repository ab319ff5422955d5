"""A worker's database and books: opened in order, and closed after all is settled and signed."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import structlog

from tokenharbor.app.context import WorkerContext
from tokenharbor.app.secrets import receipt_signer
from tokenharbor.billing.alarms import Alarms
from tokenharbor.billing.books import BookBatchers
from tokenharbor.billing.proofs import Prover
from tokenharbor.billing.replay import replay
from tokenharbor.db.pool import ConnectOptions, ReconnectingConnection, open_pool
from tokenharbor.jobs.background import Background
from tokenharbor.jobs.job import attempt
from tokenharbor.jobs.table import sign_new_entries
from tokenharbor.kernel.errors import DatabaseUnavailable
from tokenharbor.kernel.signing import MessageSigner
from tokenharbor.kernel.world import World
from tokenharbor.ledger.gateways import GatewayRun, enter_gateway, journals_of_slot, leave_gateway, take_over_holds
from tokenharbor.ledger.journal import left_journals, open_journal
from tokenharbor.ledger.lease import Lease
from tokenharbor.ledger.store import PostgresBook, open_book

_LEASE_TIMEOUT_MS = 2_000
_log = structlog.get_logger("app")


@dataclass(frozen=True, slots=True)
class Database:
    """A worker's connection pool to PostgreSQL."""

    url: str
    pool: asyncpg.Pool


@dataclass(frozen=True, slots=True)
class OpenBooks:
    """The books of one run of a gateway."""

    book: PostgresBook
    books: BookBatchers
    alarms: Alarms
    signer: MessageSigner
    prover: Prover
    lease: Lease


@contextlib.asynccontextmanager
async def open_database(context: WorkerContext) -> AsyncIterator[Database]:
    """Open the pool of connections. Raises Misconfigured, DatabaseUnavailable."""
    async with await open_pool(ConnectOptions(context.database_url)) as pool:
        yield Database(context.database_url, pool)


@contextlib.asynccontextmanager
async def open_books(context: WorkerContext, database: Database) -> AsyncIterator[OpenBooks]:
    """Open the books. First replay the journals of the slot's earlier runs, then take over their holds.

    On exit, settle everything, then sign it, then end the run.
    """
    folder, world, alarms = context.settings.home / "journal", context.world, Alarms()
    async with contextlib.AsyncExitStack() as stack:
        run, lease = await stack.enter_async_context(_entered(context, database))
        book = await stack.enter_async_context(open_book(database.url, run.id, lease.is_held))
        await replay(await journals_of_slot(database.pool, run.slot, left_journals(folder)), book, alarms)
        await take_over_holds(database.pool, world, run)
        journal = open_journal(folder, run.id)
        stack.push_async_callback(journal.close)
        signer = receipt_signer(context.root)
        prover = Prover(database.pool, signer, world.clock)
        opened = OpenBooks(book, BookBatchers(book, journal, alarms), alarms, signer, prover, lease)
        stack.push_async_callback(_sign_last, opened, database.pool, world)
        stack.push_async_callback(opened.books.drain)
        yield opened


@contextlib.asynccontextmanager
async def _entered(context: WorkerContext, database: Database) -> AsyncIterator[tuple[GatewayRun, Lease]]:
    """Begin a run of this gateway, and renew its lease until it ends."""
    async with ReconnectingConnection(ConnectOptions(database.url, "tokenharbor-lease", _LEASE_TIMEOUT_MS)) as link:
        run = await enter_gateway(database.pool, context.world, context.slot, str(context.settings.home))
        try:
            lease = Lease(run, link, context.world.clock)
            async with Background(context.failed) as background:
                background.run("lease", lease.run)
                yield run, lease
        finally:
            await _leave(database.pool, run, context.world)


async def _leave(pool: asyncpg.Pool, run: GatewayRun, world: World) -> None:
    try:
        await leave_gateway(pool, run, world)
    except DatabaseUnavailable as error:
        _log.warning("gateway_not_left", reason=str(error))


async def _sign_last(opened: OpenBooks, pool: asyncpg.Pool, world: World) -> None:
    """Sign the entries since the last root. If that fails, the next server signs them."""
    if opened.book.is_up:
        await attempt("signed_roots", sign_new_entries(pool, world, opened.signer))
