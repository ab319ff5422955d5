"""`edition`: the policy in force, every field of it."""

import click
import msgspec

from tokenharbor.app.commands.common import CommandResult, Group, settings, show_result
from tokenharbor.editions.policy import edition_names, fields, load_edition


@click.group(cls=Group)
def edition() -> None:
    """Show and list editions."""


@edition.command()
@click.argument("name", required=False)
def show(name: str | None) -> None:
    """Show every field of an edition; by default of the one in force."""
    found = fields(load_edition(name or settings().edition))
    lines = [f"{field} = {msgspec.json.encode(value).decode()}" for field, value in found.items()]
    show_result(CommandResult(found, lines))


@edition.command("list")
def list_all() -> None:
    """List the editions that are included."""
    names = list(edition_names())
    show_result(CommandResult(names, names))
