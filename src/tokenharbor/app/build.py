"""Composition: a running Token Harbor, its parts put together in the order in which they need each other."""

import asyncio
import contextlib
import fcntl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
import structlog

from tokenharbor.app.background import Background
from tokenharbor.app.descriptors import Descriptors, claim_descriptors
from tokenharbor.app.secrets import credential_seal, receipt_signer, root_secret, secret_of
from tokenharbor.app.session import prepare
from tokenharbor.app.settings import Settings, database_url, load_settings
from tokenharbor.billing.alarms import Alarms
from tokenharbor.billing.books import Books
from tokenharbor.billing.charges import Settler
from tokenharbor.billing.holds import Holds
from tokenharbor.billing.proofs import SIGNED_EVERY, Prover
from tokenharbor.billing.receipts import Receipts
from tokenharbor.billing.replay import replay
from tokenharbor.billing.tasks import TaskDesk
from tokenharbor.catalog.load import load_catalog, relocate
from tokenharbor.catalog.types import Catalog
from tokenharbor.db.embedded import EmbeddedPostgres
from tokenharbor.db.listen import Notification, NotificationListener
from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.db.pool import ConnectOptions, connect, open_pool
from tokenharbor.editions.load import load_edition
from tokenharbor.gateway.console import Console
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.edge import Edge
from tokenharbor.gateway.lingering import Lingering
from tokenharbor.gateway.metrics import Metrics
from tokenharbor.gateway.routes import Routes
from tokenharbor.gateway.snapshot import CurrentSnapshot, Snapshot, build_snapshot
from tokenharbor.http.client import Client
from tokenharbor.http.message import ServerLimits
from tokenharbor.http.server import Server
from tokenharbor.identity.credentials import read_credentials
from tokenharbor.identity.keys import hasher
from tokenharbor.identity.ring import KeyRing
from tokenharbor.kernel.errors import BooksAway, Misconfigured
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.secret import RootSecret, SecretPurpose
from tokenharbor.kernel.signing import MessageSigner
from tokenharbor.kernel.world import World, real_world
from tokenharbor.ledger.gateways import enter_gateway, leave_gateway
from tokenharbor.ledger.history import History
from tokenharbor.ledger.journal import left_journals, open_journal
from tokenharbor.ledger.sign import sign_books
from tokenharbor.ledger.store import PostgresBook, open_book
from tokenharbor.ledger.tasks import Tasks
from tokenharbor.routing.health import Health
from tokenharbor.simulator.demo import demo_script
from tokenharbor.simulator.serve import Simulator, start
from tokenharbor.wire import VENDORS

_UPKEEP_SECONDS = 3600
_TEND_SECONDS = 60
_SETUP_TIMEOUT_MS = 600_000
_log = structlog.get_logger("app")


@dataclass(frozen=True, slots=True)
class Harbor:
    """Everything that a server needs while it runs."""

    settings: Settings
    world: World
    root: RootSecret
    pool: asyncpg.Pool
    book: PostgresBook
    books: Books
    snapshots: CurrentSnapshot
    demo: Simulator
    server: Server
    background: Background

    async def reload(self) -> None:
        """Read configuration, catalogue, edition and credentials anew; a mistake in any keeps what is there."""
        try:
            settings = load_settings(self.settings.home, self.settings.file, self.settings.environ)
            snapshot = await _snapshot(settings, self.root, self.world, self.pool, self.demo)
            await History(self.pool).add_prices(snapshot.prices(), self.world.clock.now())
            self.snapshots.swap(snapshot)
        except (Misconfigured, BooksAway) as error:
            _log.error("not_reloaded", reason=str(error))
        except Exception as error:  # noqa: BLE001  told to the operator: a file must not end the server
            _log.error("not_reloaded", reason=f"a fault of ours: {type(error).__name__}")
        else:
            _log.info("reloaded")


@contextlib.asynccontextmanager
async def open_harbor(settings: Settings) -> AsyncIterator[Harbor]:
    """All parts, started and not yet listening. Raises Misconfigured, BooksAway."""
    world, descriptors = real_world(), claim_descriptors()
    async with contextlib.AsyncExitStack() as stack:
        _make_home(settings.home)
        stack.enter_context(_only_one(settings.home))
        root = root_secret(settings, world.entropy)
        load_edition(settings.edition)  # what is wrong in the files is said before anything is started
        demo_models = _demo_models(settings)
        background = await stack.enter_async_context(Background())
        url = await _database(settings, stack, background)
        await _migrated(url, world, root)
        alarms = Alarms()
        signer = receipt_signer(root)
        pool, book, books = await _books(stack, url, world, settings.home, alarms)
        stack.push_async_callback(_sign_last, book, pool, world, signer)
        stack.push_async_callback(books.drain)
        listener = await stack.enter_async_context(
            NotificationListener(ConnectOptions(url, "tokenharbor-listen"), ["identity"])
        )
        await anext(listener)  # it listens now: what is read from here on is read anew when it changes
        ring = KeyRing(pool, hasher(root.derive(SecretPurpose.KEY_HASHES)), world.clock)
        await ring.refresh()
        demo = await start(world, demo_script(demo_models))
        stack.push_async_callback(demo.stop)
        history = History(pool)
        snapshots = CurrentSnapshot(await _snapshot(settings, root, world, pool, demo))
        await history.add_prices(snapshots.current.prices(), world.clock.now())
        client = Client(max_idle_per_origin=descriptors.idle_per_origin)
        stack.callback(client.close)
        health = Health(world.clock)
        metrics = Metrics(world.clock, health, alarms)
        prover = Prover(pool, signer, world.clock)
        settler = Settler(books, world)
        lingering = Lingering(settler, metrics)
        stack.push_async_callback(lingering.drain)
        parts = Dependencies(
            world,
            snapshots,
            ring,
            Holds(books, world),
            settler,
            Receipts(history, pool, prover),
            client,
            health,
            metrics,
            TaskDesk(Tasks(pool), books, world),
            lingering,
        )
        console = Console(settings.home / "console.sock", client)
        token = settings.secret(settings.server.metrics_token)
        edge = Edge(snapshots, metrics, lambda: book.is_up, token, console, world.clock, prover.published)
        routes = Routes(parts, edge)
        server = _server(settings, world, routes, descriptors)
        harbor = Harbor(settings, world, root, pool, book, books, snapshots, demo, server, background)
        background.run("keys", ring.run)
        background.run("notices", partial(_heed, listener, ring, harbor))
        background.run("partitions", partial(_upkeep, pool, world))
        background.run("videos", partial(_tend, routes))
        background.run("signed roots", partial(_sign_often, pool, world, signer))
        stack.push_async_exit(background)  # before what it works with goes away
        yield harbor


def _make_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "it is not a folder" if isinstance(error, FileExistsError) else error.strerror
        raise Misconfigured(f"cannot create HOME {home}: {why}") from None


@contextlib.contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """One server for a HOME: the lock goes with the process, however it ends."""
    with (home / "serve.lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Misconfigured(f"another server runs in {home}: stop it, or give this one its own --home") from None
        yield


async def _database(settings: Settings, stack: contextlib.AsyncExitStack, background: Background) -> str:
    url = database_url(settings)
    if url is not None:
        return url
    embedded = await stack.enter_async_context(EmbeddedPostgres(settings.home, lasting=True))
    background.run("postgres", embedded.supervise)
    return embedded.url


async def _books(
    stack: contextlib.AsyncExitStack, url: str, world: World, home: Path, alarms: Alarms
) -> tuple[asyncpg.Pool, PostgresBook, Books]:
    """The books, once all that earlier gateways of this HOME left in their journals is in the database: until then
    their holds stand.
    """
    pool = await stack.enter_async_context(await open_pool(ConnectOptions(url)))
    folder = home / "journal"
    if left := left_journals(folder):
        async with open_book(url, world.ids.new()) as book:
            await replay(left, book, alarms)
    gateway_id = await enter_gateway(pool, world, str(home))
    stack.push_async_callback(_leave, pool, gateway_id, world)
    book = await stack.enter_async_context(open_book(url, gateway_id))
    journal = open_journal(folder, gateway_id)
    stack.push_async_callback(journal.close)
    return pool, book, Books(book, journal, alarms)


async def _leave(pool: asyncpg.Pool, gateway_id: UUID, world: World) -> None:
    try:
        await leave_gateway(pool, gateway_id, world)
    except BooksAway as error:
        _log.warning("gateway_not_left", reason=str(error))


async def _migrated(url: str, world: World, root: RootSecret) -> None:
    conn = await connect(ConnectOptions(url, "tokenharbor-setup", _SETUP_TIMEOUT_MS))
    try:
        await prepare(conn, world, root)
    finally:
        await conn.close()


async def _heed(listener: NotificationListener, ring: KeyRing, harbor: Harbor) -> None:
    """Keys are read anew whatever changed, the rest where a provider's credential did, or may have."""
    async for news in listener:
        ring.refresh_soon()
        if not isinstance(news, Notification) or news.payload == "credential":
            await harbor.reload()


async def _snapshot(
    settings: Settings, root: RootSecret, world: World, pool: asyncpg.Pool, demo: Simulator
) -> Snapshot:
    stored = await read_credentials(pool, credential_seal(root, world.entropy))
    catalog = relocate(_catalog(settings), f"{demo.url}/v1")
    policy = load_edition(settings.edition)
    return build_snapshot(catalog, policy, secret_of(settings, stored), world.clock)


def _catalog(settings: Settings) -> Catalog:
    return load_catalog(settings.catalog, VENDORS, str(settings.file))


def _demo_models(settings: Settings) -> tuple[str, ...]:
    models = _catalog(settings).models.values()
    return tuple(each.upstream_model for model in models for each in model.endpoints if each.provider.builtin)


def _server(settings: Settings, world: World, routes: Routes, descriptors: Descriptors) -> Server:
    limits = ServerLimits(
        body=settings.server.max_body,
        buffered=settings.server.max_buffered,
        body_rate=settings.server.min_body_rate,
        connections=descriptors.connections,
    )
    return Server(routes, limits, world.clock, trusted_proxies=settings.server.trusted_proxies, refuse=routes.refuse)


async def _tend(routes: Routes) -> None:
    """Videos that no client polls."""
    while True:
        await asyncio.sleep(_TEND_SECONDS)
        await routes.videos.tend()


async def _upkeep(pool: asyncpg.Pool, world: World) -> None:
    """Partitions for the days to come."""
    while True:
        await asyncio.sleep(_UPKEEP_SECONDS)
        try:
            async with pool.acquire() as conn:
                await ensure_partitions(conn, world.clock.now())
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            _log.warning("partitions_not_made", reason=type(error).__name__)


async def _sign_often(pool: asyncpg.Pool, world: World, signer: MessageSigner) -> None:
    """Signed roots, beside the requests."""
    while True:
        await asyncio.sleep(SIGNED_EVERY.total_seconds())
        await _sign(pool, world, signer)


async def _sign_last(book: PostgresBook, pool: asyncpg.Pool, world: World, signer: MessageSigner) -> None:
    """Once more at the end, when all is settled."""
    if book.is_up:
        await _sign(pool, world, signer)


async def _sign(pool: asyncpg.Pool, world: World, signer: MessageSigner) -> None:
    """Whatever is new. Another process that is signing does it for us; what cannot be signed now is signed later."""
    try:
        async with pool.acquire() as conn:
            signed = await sign_books(conn, world, signer, wait=False)
    except (BooksAway, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        _log.warning("books_not_signed", reason=type(error).__name__)
    else:
        for fault in signed.faults:
            _log.error("account_not_signed", reason=fault)
