"""`serve`: everything in one process, from the first line on stdout to a clean end."""

import asyncio
import gc
import signal

import click
import uvloop

from tokenharbor.app.build import Harbor, open_harbor
from tokenharbor.app.first_run import first_run
from tokenharbor.app.settings import Settings
from tokenharbor.kernel.errors import Misconfigured


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then drain. Raises Misconfigured, BooksAway."""
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
        reloading = asyncio.create_task(_reload(harbor, hup))
        await stopped.wait()
        reloading.cancel()
        await harbor.server.drain(settings.server.drain_seconds)


async def _listen(harbor: Harbor) -> str:
    server = harbor.settings.server
    try:
        port = await harbor.server.start(server.host, server.port)
    except OSError as error:
        raise Misconfigured(f"cannot listen on {server.host}:{server.port}: {error.strerror}") from None
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"http://{host}:{port}"


async def _reload(harbor: Harbor, hup: asyncio.Event) -> None:
    while True:
        await hup.wait()
        hup.clear()
        await harbor.reload()
