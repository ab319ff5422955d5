"""`serve`: runs the server."""

import dataclasses

import click
import msgspec

from tokenharbor.app import serve as serving
from tokenharbor.app.commands.common import Command, current_settings


@click.command(cls=Command)
@click.option("--host", metavar="HOST", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), metavar="PORT", help="Port; 0 picks a free one.")
def serve(host: str | None, port: int | None) -> None:
    """Run the server. On SIGTERM it finishes open requests, then exits."""
    settings = current_settings()
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    server = msgspec.structs.replace(settings.server, **given)
    serving.serve(dataclasses.replace(settings, server=server))
