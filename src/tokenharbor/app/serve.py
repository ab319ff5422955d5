"""`serve`: everything in one process, from the first line on stdout to a clean end."""

import asyncio
import errno
import gc
import logging
import signal
import sys
from functools import partial
from typing import Any

import click
import structlog
import uvloop

from tokenharbor.app.build import Harbor, open_harbor
from tokenharbor.app.first_run import first_run
from tokenharbor.app.settings import Settings
from tokenharbor.kernel.errors import Misconfigured


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then drain. Raises Misconfigured, DatabaseUnavailable."""
    _log_to_stderr()
    uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    stopped, hup = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    loop.add_signal_handler(signal.SIGHUP, hup.set)
    async with open_harbor(settings) as harbor:
        url = await _listen(harbor)
        for line in await first_run(harbor, url):
            click.echo(line)
        click.echo(f"listening on {url}")
        gc.freeze()  # what lives as long as the process is not looked at again by the collector
        gc.set_threshold(50_000, 20, 100)
        harbor.background.run("reload", partial(_reload, harbor, hup))
        ends: list[asyncio.Future[Any]] = [asyncio.ensure_future(stopped.wait()), harbor.context.failed]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await harbor.server.drain(settings.server.drain_seconds)
        if harbor.context.failed.done():
            harbor.context.failed.result()


def _log_to_stderr() -> None:
    """One JSON object a line; stdout is for what a person starts the server for."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


async def _listen(harbor: Harbor) -> str:
    server = harbor.context.settings.server
    try:
        port = await harbor.server.start(server.host, server.port)
    except OSError as error:
        why = error.strerror
        if error.errno == errno.EADDRINUSE:
            why = "the address is in use; stop who listens there, or choose another --port"
        raise Misconfigured(f"cannot listen on {server.host}:{server.port}: {why}") from None
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"http://{host}:{port}"


async def _reload(harbor: Harbor, hup: asyncio.Event) -> None:
    while True:
        await hup.wait()
        hup.clear()
        await harbor.reload()
