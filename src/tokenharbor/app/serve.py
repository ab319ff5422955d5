"""`serve`: runs a server in one process, or as a parent with workers, until a clean end."""

import asyncio
import dataclasses
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
import uvloop

from tokenharbor.app.build import Harbor, open_harbor, single_worker_context
from tokenharbor.app.console_process import ConsoleProcess, run_console
from tokenharbor.app.descriptors import claim_descriptors
from tokenharbor.app.first_run import first_run
from tokenharbor.app.fork_server import ForkServer, start_fork_server
from tokenharbor.app.home import LockedHome, lock_home
from tokenharbor.app.host import Host, open_host
from tokenharbor.app.listeners import bind_listeners, cannot_listen, show_url
from tokenharbor.app.logs import log_to_stderr
from tokenharbor.app.pretended import warn_about_pretended_credit
from tokenharbor.app.server_url import write_server_url
from tokenharbor.app.settings import Settings
from tokenharbor.app.snapshots import SnapshotLoader
from tokenharbor.app.storage import open_database
from tokenharbor.app.worker import ServerSignals, run_on_event, run_worker, serve_until_stopped
from tokenharbor.app.workers import Workers
from tokenharbor.gateway.snapshot import CurrentSnapshot, Snapshot
from tokenharbor.kernel.world import World, real_world

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then drain. Raises Misconfigured, DatabaseUnavailable, WorkerFailed."""
    log_to_stderr()
    if settings.server.worker_count == 1:
        uvloop.run(_serve_alone(settings))
        return
    world = real_world()
    claim_descriptors()
    with lock_home(settings, world) as home, start_fork_server(partial(run_worker, home), home.lock) as forks:
        uvloop.run(_serve_with_workers(home, world, forks))


async def _serve_alone(settings: Settings) -> None:
    signals = ServerSignals()
    signals.follow(*_SIGNALS)
    async with open_harbor(settings) as harbor:
        url = await _listen(harbor)
        await warn_about_pretended_credit(harbor.context, harbor.pool)
        lines = await first_run(harbor.context, harbor.pool, url, harbor.current_snapshot)
        context = harbor.context
        async with run_console(settings, context.root, context.database_url, url, context.world.clock) as console:
            _print_ready(settings.home, url, lines)
            both = dataclasses.replace(harbor, reload=partial(_reload, harbor, console))
            await serve_until_stopped(both, signals, console.begin_stop)


async def _reload(harbor: Harbor, console: ConsoleProcess) -> bool:
    console.reload()
    return await harbor.reload()


async def _serve_with_workers(home: LockedHome, world: World, forks: ForkServer) -> None:
    signals = ServerSignals()
    signals.follow(*_SIGNALS)
    stated = home.settings.server
    async with open_host(home, world) as host:
        listeners = bind_listeners(stated.host, stated.port, stated.worker_count)
        url = show_url(stated.host, listeners[0][0].getsockname()[1])
        workers = Workers(host, forks, listeners)
        async with (
            workers.run(),
            run_console(home.settings, home.root, host.database_url, url, world.clock) as console,
        ):
            _print_ready(home.settings.home, url, await _first_run(host, url))
            await _until_stopped(host, workers, console, signals)


async def _until_stopped(host: Host, workers: Workers, console: ConsoleProcess, signals: ServerSignals) -> None:
    """Wait for a signal to stop, and reload on SIGHUP. Raises the exception of background work that failed."""

    async def reload() -> None:
        workers.reload()
        console.reload()

    reloading = asyncio.ensure_future(run_on_event(signals.reload, reload))
    stopped = asyncio.ensure_future(signals.stopped.wait())
    ends: list[asyncio.Future[Any]] = [stopped, host.failed]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for task in (reloading, stopped):
        task.cancel()
    if host.failed.done():
        host.failed.result()


async def _first_run(host: Host, url: str) -> Sequence[str]:
    """Return the first run's lines for a parent, which loads a snapshot only if the first key must be issued."""
    context = single_worker_context(host)
    async with open_database(context) as database:
        await warn_about_pretended_credit(context, database.pool)

        async def load() -> Snapshot:
            return CurrentSnapshot(await SnapshotLoader(context, database).load(context.settings)).current

        return await first_run(context, database.pool, url, load)


def _print_ready(home: Path, url: str, lines: Sequence[str]) -> None:
    """Write the URL to HOME, and print the first run's lines and the URL."""
    write_server_url(home, url)
    for line in (*lines, f"listening on {url}"):
        click.echo(line)


async def _listen(harbor: Harbor) -> str:
    server = harbor.context.settings.server
    try:
        port = await harbor.server.start(server.host, server.port)
    except OSError as error:
        raise cannot_listen(server.host, server.port, error) from None
    return show_url(server.host, port)
