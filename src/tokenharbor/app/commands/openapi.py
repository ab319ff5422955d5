"""`openapi`: the OpenAPI document of the control API, from which clients are generated."""

import click
import msgspec

from tokenharbor.app.commands.common import Command


@click.command(cls=Command)
def openapi() -> None:
    """Print the OpenAPI document of the control API."""
    from tokenharbor.console.app import make_app  # noqa: PLC0415  imports the web framework, which is slow
    from tokenharbor.console.openapi import openapi_document  # noqa: PLC0415  likewise

    click.echo(msgspec.json.format(msgspec.json.encode(openapi_document(make_app())), indent=2))
