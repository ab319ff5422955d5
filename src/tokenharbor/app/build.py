"""Composition: a running Token Harbor, opened in phases in the order in which they need each other."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import asyncpg

from tokenharbor.app.home import ServerHome, take_home
from tokenharbor.app.offering import Offering, open_offering
from tokenharbor.app.settings import Settings
from tokenharbor.app.storage import Database, OpenBooks, open_books, open_database
from tokenharbor.billing.books import Books
from tokenharbor.billing.charges import Settler
from tokenharbor.billing.holds import Holds
from tokenharbor.billing.receipts import Receipts
from tokenharbor.billing.tasks import TaskDesk
from tokenharbor.db.listen import NotificationListener
from tokenharbor.db.pool import ConnectOptions
from tokenharbor.gateway.console import Console
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.edge import Edge
from tokenharbor.gateway.large import LargeBodies
from tokenharbor.gateway.lingering import Lingering
from tokenharbor.gateway.metrics import Metrics
from tokenharbor.gateway.note_cache import NoteCache
from tokenharbor.gateway.routes import Routes
from tokenharbor.http.client import Client
from tokenharbor.http.message import ServerLimits
from tokenharbor.http.server import Server
from tokenharbor.identity.keys import hasher
from tokenharbor.identity.ring import KeyRing
from tokenharbor.jobs.background import Background
from tokenharbor.jobs.job import JobContext, repeat
from tokenharbor.jobs.notices import follow_notices
from tokenharbor.jobs.table import JOBS
from tokenharbor.kernel.secret import SecretPurpose
from tokenharbor.ledger.history import History
from tokenharbor.ledger.store import PostgresBook
from tokenharbor.ledger.tasks import Tasks
from tokenharbor.routing.health import Health


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys in force, and what says that they, or stored credentials, have changed."""

    ring: KeyRing
    listener: NotificationListener


@dataclass(frozen=True, slots=True)
class Harbor:
    """Everything that a server needs while it runs."""

    home: ServerHome
    pool: asyncpg.Pool
    book: PostgresBook
    books: Books
    offering: Offering
    server: Server
    background: Background


@contextlib.asynccontextmanager
async def open_harbor(settings: Settings) -> AsyncIterator[Harbor]:
    """All parts, started and not yet listening; closed in reverse. Raises Misconfigured, BooksAway."""
    async with (
        take_home(settings) as home,
        open_database(home) as database,
        open_books(home, database) as opened,
        _open_keys(home, database) as keys,
        open_offering(home, database) as offering,
        _open_gateway(home, database, opened, keys, offering) as routes,
        Background(home.failed) as background,
    ):
        context = JobContext(database.pool, home.world, opened.signer, routes.videos.tend)
        _start_jobs(background, keys, offering, context)
        yield Harbor(home, database.pool, opened.book, opened.books, offering, _server(home, routes), background)


@contextlib.asynccontextmanager
async def _open_keys(home: ServerHome, database: Database) -> AsyncIterator[Keys]:
    async with NotificationListener(ConnectOptions(database.url, "tokenharbor-listen"), ["identity"]) as listener:
        await anext(listener)  # it listens now: what is read from here on is read anew when it changes
        ring = KeyRing(database.pool, hasher(home.root.derive(SecretPurpose.KEY_HASHES)), home.world.clock)
        await ring.refresh()
        yield Keys(ring, listener)


@contextlib.asynccontextmanager
async def _open_gateway(
    home: ServerHome, database: Database, opened: OpenBooks, keys: Keys, offering: Offering
) -> AsyncIterator[Routes]:
    """The handler of requests. At the end, what lingers is settled and connections to providers are closed."""
    dependencies = _dependencies(home, database, opened, keys, offering)
    with contextlib.closing(dependencies.client):
        try:
            yield Routes(dependencies, _edge(home, opened, dependencies))
        finally:
            await dependencies.lingering.drain()


def _dependencies(
    home: ServerHome, database: Database, opened: OpenBooks, keys: Keys, offering: Offering
) -> Dependencies:
    world, books = home.world, opened.books
    health = Health(world.clock)
    metrics = Metrics(world.clock, health, opened.alarms)
    settler = Settler(books, world)
    receipts = Receipts(History(database.pool), database.pool, opened.prover)
    return Dependencies(
        world,
        offering.snapshots,
        keys.ring,
        Holds(books, world),
        settler,
        receipts,
        Client(max_idle_per_origin=home.descriptors.idle_per_origin),
        health,
        metrics,
        TaskDesk(Tasks(database.pool), books, world),
        Lingering(settler, metrics),
        NoteCache(world.clock),
        LargeBodies(receipts),
    )


def _edge(home: ServerHome, opened: OpenBooks, dependencies: Dependencies) -> Edge:
    console = Console(home.settings.home / "console.sock", dependencies.client)
    token = home.settings.secret(home.settings.server.metrics_token)
    return Edge(
        dependencies.snapshots,
        dependencies.metrics,
        lambda: opened.book.is_up,
        token,
        console,
        home.world.clock,
        opened.prover.published,
    )


def _server(home: ServerHome, routes: Routes) -> Server:
    stated = home.settings.server
    limits = ServerLimits(
        body=stated.max_body,
        buffered=stated.max_buffered,
        body_rate=stated.min_body_rate,
        connections=home.descriptors.connections,
    )
    return Server(routes, limits, home.world.clock, trusted_proxies=stated.trusted_proxies, refuse=routes.refuse)


def _start_jobs(background: Background, keys: Keys, offering: Offering, context: JobContext) -> None:
    background.run("keys", keys.ring.run)
    background.run("notices", partial(follow_notices, keys.listener, keys.ring, offering.reload))
    for job in JOBS:
        background.run(job.name, partial(repeat, job, context))
