"""The database of a server and the books in it: opened in order, and closed when all is settled and signed."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import structlog

from tokenharbor.app.context import ServerContext
from tokenharbor.app.secrets import receipt_signer
from tokenharbor.app.session import prepare_database
from tokenharbor.app.settings import database_url
from tokenharbor.billing.alarms import Alarms
from tokenharbor.billing.books import BookBatchers
from tokenharbor.billing.proofs import Prover
from tokenharbor.billing.replay import replay
from tokenharbor.db.embedded import EmbeddedPostgres
from tokenharbor.db.pool import ConnectOptions, connect, open_pool
from tokenharbor.jobs.background import Background
from tokenharbor.jobs.job import attempt
from tokenharbor.jobs.table import sign_new_entries
from tokenharbor.kernel.errors import DatabaseUnavailable
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.signing import MessageSigner
from tokenharbor.kernel.world import World
from tokenharbor.ledger.gateways import enter_gateway, leave_gateway
from tokenharbor.ledger.journal import left_journals, open_journal
from tokenharbor.ledger.store import PostgresBook, open_book

_SETUP_TIMEOUT_MS = 600_000
_log = structlog.get_logger("app")


@dataclass(frozen=True, slots=True)
class Database:
    """PostgreSQL, migrated."""

    url: str
    pool: asyncpg.Pool


@dataclass(frozen=True, slots=True)
class OpenBooks:
    """The books, in the name of one gateway."""

    book: PostgresBook
    books: BookBatchers
    alarms: Alarms
    signer: MessageSigner
    prover: Prover


@contextlib.asynccontextmanager
async def open_database(context: ServerContext) -> AsyncIterator[Database]:
    """Raises Misconfigured, DatabaseUnavailable."""
    async with _postgres(context) as url:
        await _migrate(url, context)
        async with await open_pool(ConnectOptions(url)) as pool:
            yield Database(url, pool)


@contextlib.asynccontextmanager
async def open_books(context: ServerContext, database: Database) -> AsyncIterator[OpenBooks]:
    """The books, once all that earlier gateways of this HOME left in their journals is in the database: until then
    their holds stand. At the end everything is settled, then signed, then the gateway leaves.
    """
    folder, alarms = context.settings.home / "journal", Alarms()
    await _replay(folder, database.url, context.world, alarms)
    async with contextlib.AsyncExitStack() as stack:
        gateway_id = await enter_gateway(database.pool, context.world, str(context.settings.home))
        stack.push_async_callback(_leave, database.pool, gateway_id, context.world)
        book = await stack.enter_async_context(open_book(database.url, gateway_id))
        journal = open_journal(folder, gateway_id)
        stack.push_async_callback(journal.close)
        signer = receipt_signer(context.root)
        prover = Prover(database.pool, signer, context.world.clock)
        opened = OpenBooks(book, BookBatchers(book, journal, alarms), alarms, signer, prover)
        stack.push_async_callback(_sign_last, opened, database.pool, context.world)
        stack.push_async_callback(opened.books.drain)
        yield opened


@contextlib.asynccontextmanager
async def _postgres(context: ServerContext) -> AsyncIterator[str]:
    """Its URL: the operator's own, or the embedded one's, which is started again whenever it dies."""
    url = database_url(context.settings)
    if url is not None:
        yield url
        return
    async with (
        EmbeddedPostgres(context.settings.home, lasting=True) as embedded,
        Background(context.failed) as background,
    ):
        background.run("postgres", embedded.supervise)
        yield embedded.url


async def _migrate(url: str, context: ServerContext) -> None:
    conn = await connect(ConnectOptions(url, "tokenharbor-setup", _SETUP_TIMEOUT_MS))
    try:
        await prepare_database(conn, context.world, context.root)
    finally:
        await conn.close()


async def _replay(folder: Path, url: str, world: World, alarms: Alarms) -> None:
    if left := left_journals(folder):
        async with open_book(url, world.ids.new()) as book:
            await replay(left, book, alarms)


async def _leave(pool: asyncpg.Pool, gateway_id: UUID, world: World) -> None:
    try:
        await leave_gateway(pool, gateway_id, world)
    except DatabaseUnavailable as error:
        _log.warning("gateway_not_left", reason=str(error))


async def _sign_last(opened: OpenBooks, pool: asyncpg.Pool, world: World) -> None:
    """What was settled since the last time. What cannot be signed now is signed by the next server."""
    if opened.book.is_up:
        await attempt("signed_roots", sign_new_entries(pool, world, opened.signer))
