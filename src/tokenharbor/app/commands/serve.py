"""`serve`: the whole harbor, in one go."""

import dataclasses

import click
import msgspec

from tokenharbor.app import serve as serving
from tokenharbor.app.commands.common import Command, settings


@click.command(cls=Command)
@click.option("--host", metavar="H", help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), metavar="N", help="The port; 0 picks a free one.")
def serve(host: str | None, port: int | None) -> None:
    """Serve the APIs until SIGTERM, which lets open requests finish."""
    in_force = settings()
    said = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    server = msgspec.structs.replace(in_force.server, **said)
    serving.serve(dataclasses.replace(in_force, server=server))
