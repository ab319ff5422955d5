"""The database of a worker and the books in it: opened in order, and closed when all is settled and signed."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import structlog

from tokenharbor.app.context import WorkerContext
from tokenharbor.app.secrets import receipt_signer
from tokenharbor.billing.alarms import Alarms
from tokenharbor.billing.books import BookBatchers
from tokenharbor.billing.proofs import Prover
from tokenharbor.billing.replay import replay
from tokenharbor.db.pool import ConnectOptions, open_pool
from tokenharbor.jobs.job import attempt
from tokenharbor.jobs.table import sign_new_entries
from tokenharbor.kernel.errors import DatabaseUnavailable
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.signing import MessageSigner
from tokenharbor.kernel.world import World
from tokenharbor.ledger.gateways import enter_gateway, leave_gateway
from tokenharbor.ledger.journal import left_journals, open_journal
from tokenharbor.ledger.store import PostgresBook, open_book

_log = structlog.get_logger("app")


@dataclass(frozen=True, slots=True)
class Database:
    """PostgreSQL, as one worker uses it."""

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
async def open_database(context: WorkerContext) -> AsyncIterator[Database]:
    """Raises Misconfigured, DatabaseUnavailable."""
    async with await open_pool(ConnectOptions(context.database_url)) as pool:
        yield Database(context.database_url, pool)


@contextlib.asynccontextmanager
async def open_books(context: WorkerContext, database: Database) -> AsyncIterator[OpenBooks]:
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
