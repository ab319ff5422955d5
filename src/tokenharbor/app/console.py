"""The console's process: serves the control API and the dashboard on a Unix socket under HOME.

The parent starts it as `python -m tokenharbor.app.console`, and writes its task to stdin, then a line for each reload.
The process ends at the end of stdin: the parent has closed it, or is dead.
"""

import asyncio
import contextlib
import dataclasses
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import asyncpg
import msgspec
import structlog
import uvicorn
import uvloop

from tokenharbor.app.alerts import make_alerting
from tokenharbor.app.catalogue import read_catalog
from tokenharbor.app.commands.pdf_output import issuer_of
from tokenharbor.app.console_funding import open_console_funding
from tokenharbor.app.console_sale import ConsoleParts, ConsoleSale
from tokenharbor.app.console_task import CONSOLE_SOCKET, ConsoleTask
from tokenharbor.app.dashboard import DASHBOARD_FOLDER
from tokenharbor.app.database_urls import replica_url
from tokenharbor.app.logs import log_to_stderr
from tokenharbor.app.secrets import receipt_signer, root_secret
from tokenharbor.app.settings import Settings, load_settings
from tokenharbor.app.sign_in import make_console_sign_in
from tokenharbor.billing.proofs import Prover
from tokenharbor.catalog.describe import ModelsOnSale
from tokenharbor.catalog.types import Catalog
from tokenharbor.console.app import make_app
from tokenharbor.console.authentication import SignInAuthenticator
from tokenharbor.console.context import ConsoleContext
from tokenharbor.console.exports import MOST_EXPORTS
from tokenharbor.console.live import LiveFeed
from tokenharbor.console.pages import read_dashboard
from tokenharbor.db.pool import ConnectOptions, open_pool
from tokenharbor.editions.load import load_edition
from tokenharbor.editions.policy import Policy
from tokenharbor.funding.context import Funding
from tokenharbor.jobs.background import Background
from tokenharbor.kernel.errors import HarborError, Misconfigured
from tokenharbor.kernel.secret import SecretPurpose
from tokenharbor.kernel.world import real_world

_SHORT_TIMEOUT_MS = 5_000
_LONG_TIMEOUT_MS = 30_000
_DRAIN_SECONDS = 5
_log = structlog.get_logger("console")


class _Rules:
    """The edition and catalogue in force. A reload with a mistake in either changes neither."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.policy: Policy = load_edition(settings.edition)
        self.catalog: Catalog = read_catalog(settings)

    def reload(self) -> None:
        stated = self._settings
        try:
            settings = load_settings(stated.home, stated.file, stated.environ)
            self.policy, self.catalog = load_edition(settings.edition), read_catalog(settings)
        except Misconfigured as error:
            _log.error("not_reloaded", reason=str(error))


def main() -> int:
    """Run the console; return the exit code."""
    log_to_stderr(process="console")
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=ConsoleTask)
    try:
        uvloop.run(_serve(task))
    except (HarborError, OSError) as error:
        _log.error("console_failed", reason=" ".join(str(error).split()))
        return 1
    return 0


async def _serve(task: ConsoleTask) -> None:
    settings = load_settings(Path(task.home), Path(task.config))
    rules = _Rules(settings)
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    async with _open_context(task, settings, rules) as context, Background(failed) as background:
        server = uvicorn.Server(_server_options(make_app(context, read_dashboard(DASHBOARD_FOLDER))))

        def end(_: object = None) -> None:
            context.live.end()  # the server would wait for open streams
            server.should_exit = True

        failed.add_done_callback(end)
        background.run("live", context.live.run)
        background.run("parent", partial(_follow_parent, rules, end))
        with _bound(settings.home / CONSOLE_SOCKET) as listener:
            await server.serve([listener])
        if failed.done():
            failed.result()


@contextlib.asynccontextmanager
async def _open_context(task: ConsoleTask, settings: Settings, rules: _Rules) -> AsyncIterator[ConsoleContext]:
    short = ConnectOptions(task.database_url, "tokenharbor-console", _SHORT_TIMEOUT_MS, login=task.login)
    heavy = dataclasses.replace(short, application="tokenharbor-console-reads", statement_timeout_ms=_LONG_TIMEOUT_MS)
    if (replica := replica_url(settings)) is not None:
        heavy = dataclasses.replace(heavy, url=replica, login=None)
    world = real_world()
    root = root_secret(settings, world.entropy)
    async with await open_pool(short) as pool, await open_pool(heavy, size=2 * MOST_EXPORTS) as heavy_pool:
        parts = ConsoleParts(settings, world, root, pool, lambda: rules.policy, lambda: rules.catalog, task.browser_url)
        sale = ConsoleSale(parts)
        async with open_console_funding(parts, sale) as funding:
            yield _make_context(parts, heavy_pool, funding, sale.models)


def _make_context(
    parts: ConsoleParts, heavy_pool: asyncpg.Pool, funding: Funding, models: Callable[[], ModelsOnSale]
) -> ConsoleContext:
    settings, world, root, pool = parts.settings, parts.world, parts.root, parts.pool
    sign_in = make_console_sign_in(settings, world, pool, parts.policy, parts.public_url)
    return ConsoleContext(
        world=world,
        pool=pool,
        heavy_pool=heavy_pool,
        policy=parts.policy,
        catalog=parts.catalog,
        authenticator=SignInAuthenticator(sign_in),
        sign_in=sign_in,
        funding=funding,
        live=LiveFeed(pool, world),
        alerting=make_alerting(settings, world, root, pool.acquire, parts.public_url),
        key_hashes=root.derive(SecretPurpose.KEY_HASHES),
        prover=Prover(pool, receipt_signer(root), world.clock),
        issuer=issuer_of(settings),
        models=models,
    )


def _server_options(app: object) -> uvicorn.Config:
    """Return the server's options. Only the gateway connects, and it logs requests and reads client addresses."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # an ASGI application
        http="httptools",
        ws="none",
        lifespan="off",
        loop="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )


async def _follow_parent(rules: _Rules, end: Callable[[], None]) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        rules.reload()
    end()


@contextlib.contextmanager
def _bound(path: Path) -> Iterator[socket.socket]:
    """Bind a Unix socket that only this user can connect to, replacing one left by an earlier process."""
    with socket.socket(socket.AF_UNIX) as listener:
        path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(mask)
        yield listener


if __name__ == "__main__":
    sys.exit(main())
