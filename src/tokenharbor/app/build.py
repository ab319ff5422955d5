"""Composition: opens all parts of a worker in dependency order, and a server with a single worker."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import asyncpg

from tokenharbor.accounts.key_state import KeyStateReader
from tokenharbor.app.alerts import make_alerting, make_mail_delivery
from tokenharbor.app.caching import open_caching
from tokenharbor.app.console_task import CONSOLE_SOCKET
from tokenharbor.app.context import WorkerContext, own_metrics
from tokenharbor.app.dashboard import has_dashboard, why_no_dashboard
from tokenharbor.app.descriptors import claim_descriptors
from tokenharbor.app.funding import FundingParts, charges, open_funding
from tokenharbor.app.home import lock_home
from tokenharbor.app.host import Host, open_host
from tokenharbor.app.settings import Settings
from tokenharbor.app.snapshots import Snapshots, open_snapshots
from tokenharbor.app.storage import Database, OpenBooks, open_books, open_database
from tokenharbor.billing.alarms import Alarm, Alarms
from tokenharbor.billing.books import MOST_QUEUED, BookBatchers
from tokenharbor.billing.charges import Settler
from tokenharbor.billing.holds import Holds
from tokenharbor.billing.receipts import Receipts
from tokenharbor.billing.tasks import TaskBilling
from tokenharbor.db.listen import NotificationListener
from tokenharbor.db.pool import ConnectOptions
from tokenharbor.funding.context import Funding, FundingAlarm
from tokenharbor.funding.events import receive_webhook
from tokenharbor.gateway.caching import Caching
from tokenharbor.gateway.conductor import Conductor
from tokenharbor.gateway.console import Console
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.health_reports import report_health, write_health
from tokenharbor.gateway.large import LargeBodies
from tokenharbor.gateway.lingering import LingeringStreams
from tokenharbor.gateway.local_limits import LocalLimits
from tokenharbor.gateway.metrics import Metrics
from tokenharbor.gateway.note_cache import NoteCache
from tokenharbor.gateway.overload import OverloadGuard
from tokenharbor.gateway.pages import SitePages
from tokenharbor.gateway.read_queue import ReadQueue
from tokenharbor.gateway.refused_calls import RefusalCounts, report_refusals, write_refusals
from tokenharbor.gateway.router import PathRouter
from tokenharbor.gateway.routes import ROUTES, grouped_paths
from tokenharbor.gateway.serve import depends_on_lease
from tokenharbor.gateway.session import SessionNames
from tokenharbor.gateway.snapshot import CurrentSnapshot, Snapshot
from tokenharbor.gateway.system_paths import SystemPaths
from tokenharbor.gateway.webhooks import WebhookHandler
from tokenharbor.http.client import Client
from tokenharbor.http.message import ServerLimits
from tokenharbor.http.server import Server
from tokenharbor.identity.credentials import CredentialWatch
from tokenharbor.identity.keys import key_hasher
from tokenharbor.identity.ring import KeyRing
from tokenharbor.jobs.background import Background
from tokenharbor.jobs.job import JobContext, repeat
from tokenharbor.jobs.notices import follow_notices
from tokenharbor.jobs.refused_journals import purge_refused_journals
from tokenharbor.jobs.table import JOBS
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.secret import SecretPurpose
from tokenharbor.kernel.world import real_world
from tokenharbor.ledger.gateways import GatewaySlot
from tokenharbor.ledger.history import RequestHistory
from tokenharbor.ledger.lapsed import GivenUpHolds, give_up_overdue
from tokenharbor.ledger.lease import Lease
from tokenharbor.ledger.store import PostgresBook
from tokenharbor.ledger.tasks import VendorTasks
from tokenharbor.rewards.hooks import RewardHooks
from tokenharbor.rewards.idle import run_due_again, run_due_alone
from tokenharbor.routing.health import Health


@dataclass(frozen=True, slots=True)
class OpenKeys:
    """The key ring and stored credentials, with the listener for notifications of their changes."""

    ring: KeyRing
    credentials: CredentialWatch
    listener: NotificationListener


@dataclass(frozen=True, slots=True)
class Harbor:
    """A worker's parts that are needed while it serves."""

    context: WorkerContext
    pool: asyncpg.Pool
    book: PostgresBook
    books: BookBatchers
    snapshots: CurrentSnapshot
    reload: Callable[[], Awaitable[bool]]
    server: Server
    metrics: Metrics
    lease: Lease
    background: Background

    async def current_snapshot(self) -> Snapshot:
        return self.snapshots.current


@contextlib.asynccontextmanager
async def open_harbor(settings: Settings) -> AsyncIterator[Harbor]:
    """Open the host part and a single worker in one process, started but not yet listening; close them in reverse.

    Raises Misconfigured, DatabaseUnavailable.
    """
    world = real_world()
    with lock_home(settings, world) as home:
        async with open_host(home, world) as host, open_worker(single_worker_context(host)) as harbor:
            yield harbor


def single_worker_context(host: Host) -> WorkerContext:
    """Return the context of a server's only worker, in the process of the host part."""
    return WorkerContext(
        settings=host.home.settings,
        world=host.world,
        root=host.home.root,
        slot=GatewaySlot(host.home.gateway_id),
        database_url=host.database_url,
        demo_url=host.demo_url,
        descriptors=claim_descriptors(),
        failed=host.failed,
        gather_metrics=own_metrics,
    )


@contextlib.asynccontextmanager
async def open_worker(context: WorkerContext) -> AsyncIterator[Harbor]:
    """Open all parts of a worker, started but not yet listening; close them in reverse.

    Raises Misconfigured, DatabaseUnavailable.
    """
    async with (
        open_database(context) as database,
        open_books(context, database) as opened,
        _open_keys(context, database) as keys,
        contextlib.nullcontext(await open_snapshots(context, database)) as snapshots,
        _open_payments(context, database, opened, snapshots) as funding,
        _open_gateway(context, database, opened, keys, snapshots, funding=funding) as router,
        Background(context.failed) as background,
    ):
        server = _server(context, router)
        opened.lease.on_lapse(partial(server.stop_requests, depends_on_lease))
        give_up = partial(_give_up, context, database, opened.alarms)
        jobs = JobContext(
            database.pool,
            context.world,
            opened.signer,
            router.videos.poll_due,
            give_up,
            snapshots.policy,
            funding,
            make_alerting(
                context.settings,
                context.world,
                context.root,
                database.pool.acquire,
                context.settings.server.browser_url,
            ),
            snapshots.catalog,
            make_mail_delivery(context.settings, context.world, context.root, database.pool.acquire),
        )
        background.run("overload", partial(router.overload.watch, server))
        background.run("kept_answers", router.caching.exact.drop_expired)
        background.run("health", partial(report_health, router.health, database.pool, context.world.clock))
        background.run("refusals", partial(report_refusals, router.refusals, database.pool, context.world.clock))
        if context.slot.number == 0:
            journals = context.settings.home / "journal"
            purge = partial(purge_refused_journals, journals, snapshots.policy, context.world.clock)
            background.run("refused_journals", purge)
        _start_jobs(background, keys, snapshots, jobs)
        yield Harbor(
            context=context,
            pool=database.pool,
            book=opened.book,
            books=opened.books,
            snapshots=snapshots.current,
            reload=snapshots.reload,
            server=server,
            metrics=router.metrics,
            lease=opened.lease,
            background=background,
        )


@contextlib.asynccontextmanager
async def _open_keys(context: WorkerContext, database: Database) -> AsyncIterator[OpenKeys]:
    async with NotificationListener(ConnectOptions(database.url, "tokenharbor-listen"), ["identity"]) as listener:
        await anext(listener)  # listening from here on: any later change is notified and read again
        ring = KeyRing(database.pool, key_hasher(context.root.derive(SecretPurpose.KEY_HASHES)), context.world.clock)
        await ring.refresh()
        credentials = CredentialWatch(database.pool)
        await credentials.start()
        yield OpenKeys(ring, credentials, listener)


@contextlib.asynccontextmanager
async def _open_payments(
    context: WorkerContext, database: Database, opened: OpenBooks, snapshots: Snapshots
) -> AsyncIterator[Funding]:
    """Open the payment processors, under the edition in force."""

    def report(alarm: FundingAlarm, about: str, processor: str) -> None:
        opened.alarms.report_payment(Alarm(alarm.value), about, processor)

    def is_charged() -> bool:
        return any(charges(each.endpoint.provider) for each in snapshots.current.ready_endpoints())

    hooks = RewardHooks(context.world, snapshots.policy)
    url = context.settings.server.browser_url
    parts = FundingParts(database.pool.acquire, snapshots.policy, report, hooks, is_charged, url)
    async with open_funding(context.settings, context.world, context.root, parts) as funding:
        yield funding


@contextlib.asynccontextmanager
async def _open_gateway(
    context: WorkerContext,
    database: Database,
    opened: OpenBooks,
    keys: OpenKeys,
    snapshots: Snapshots,
    *,
    funding: Funding,
) -> AsyncIterator[PathRouter]:
    """Open the handler of requests. On exit, settle lingering streams, write health and refusals to the database, and
    close connections to providers.
    """
    async with open_caching(context, snapshots.policy(), database.pool) as caching:
        dependencies = _dependencies(context, database, opened, keys, snapshots, caching=caching)
        with contextlib.closing(dependencies.client):
            try:
                yield PathRouter(dependencies, _system_paths(context, opened, dependencies, funding))
            finally:
                await dependencies.lingering.drain()
                await write_health(dependencies.health, database.pool, context.world.clock)
                await write_refusals(dependencies.refusals, database.pool, context.world.clock)


def _dependencies(
    context: WorkerContext,
    database: Database,
    opened: OpenBooks,
    keys: OpenKeys,
    snapshots: Snapshots,
    *,
    caching: Caching,
) -> Dependencies:
    world, books = context.world, opened.books
    health = Health(world.clock)
    metrics = Metrics(world.clock, health, opened.alarms, caching.exact)
    settler = Settler(books.settlements, books.releases, world)
    reading = ReadQueue(MOST_QUEUED)
    books.holds.on_full_batch = reading.note_crowd

    async def run_due(account_id: UUID) -> bool:
        return await run_due_alone(database.pool, world, snapshots.policy(), account_id)

    async def before_balance(conn: asyncpg.Connection, account_id: UUID) -> None:
        await run_due_again(conn, world, snapshots.policy(), account_id)

    receipts = Receipts(RequestHistory(database.pool), database.pool, opened.prover, before_balance)
    large = LargeBodies(receipts)
    conductor = Conductor(SessionNames(context.root.derive(SecretPurpose.CONVERSATIONS).secret), large)
    return Dependencies(
        world,
        snapshots.current,
        keys.ring,
        Holds(books.holds, world, run_due),
        settler,
        receipts,
        Client(max_idle_per_origin=context.descriptors.idle_per_origin),
        health,
        metrics,
        TaskBilling(VendorTasks(database.pool), books.settlements, books.releases, world),
        LingeringStreams(settler, metrics),
        NoteCache(world.clock),
        large,
        LocalLimits(keys.ring, snapshots.current, world.clock),
        reading,
        OverloadGuard((reading, books), metrics, world.clock),
        KeyStateReader(database.pool),
        caching,
        conductor,
        RefusalCounts(),
    )


def _system_paths(
    context: WorkerContext, opened: OpenBooks, dependencies: Dependencies, funding: Funding
) -> SystemPaths:
    settings = context.settings
    enabled, has_pages = settings.console.enabled, has_dashboard()
    console = Console(settings.home / CONSOLE_SOCKET, dependencies.client, enabled=enabled, has_pages=has_pages)
    token = settings.secret(settings.server.metrics_token)
    return SystemPaths(
        dependencies.snapshots,
        partial(context.gather_metrics, dependencies.metrics),
        lambda: opened.book.is_up,
        token,
        console,
        context.world.clock,
        opened.prover.published,
        SitePages(grouped_paths(ROUTES), why_no_dashboard()),
        WebhookHandler(partial(receive_webhook, funding), opened.alarms, context.world.clock),
    )


def _server(context: WorkerContext, router: PathRouter) -> Server:
    stated = context.settings.server
    limits = ServerLimits(
        body=stated.max_body,
        buffered=max(stated.max_buffered // context.slot.of, min(stated.max_body, stated.max_buffered)),
        body_rate=stated.min_body_rate,
        connections=context.descriptors.connections,
    )
    return Server(router, limits, context.world.clock, trusted_proxies=stated.trusted_proxies, refuse=router.refuse)


async def _give_up(context: WorkerContext, database: Database, alarms: Alarms) -> None:
    """Release the holds of runs that no later run has taken over in time, and raise an alarm for each."""
    grace = timedelta(hours=context.settings.server.journal_grace_hours)

    def report(given: GivenUpHolds) -> None:
        alarms.report_given_up(given.run_id, given.holds, int(given.amount))

    await give_up_overdue(database.pool, grace, context.world.clock.now(), report)


def _start_jobs(background: Background, keys: OpenKeys, snapshots: Snapshots, jobs: JobContext) -> None:
    background.run("keys", keys.ring.run)
    background.run("notices", partial(follow_notices, keys.listener, keys.ring, keys.credentials))
    background.run("credentials", partial(keys.credentials.run, snapshots.reload))
    for job in JOBS:
        background.run(job.name, partial(repeat, job, jobs))
