"""`auto-topup`: an account's auto top-up: shown, switched on and off."""

from typing import Any

import click

from tokenharbor.accounts.changes import OPERATOR
from tokenharbor.app.commands.arguments import ACCOUNT, NAME, USD
from tokenharbor.app.commands.common import CommandResult, Group, field_lines
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.funding import open_command_funding
from tokenharbor.app.session import CommandSession
from tokenharbor.funding.auto import (
    AutoTopUpOutlook,
    AutoTopUpSettings,
    set_auto_top_up,
    show_auto_top_up,
    switch_off_auto_top_up,
)
from tokenharbor.funding.auto_documents import AutoTopUpDocument
from tokenharbor.kernel.documents import plain_document
from tokenharbor.kernel.ids import UUID


@click.group(cls=Group)
def auto_topup() -> None:
    """Show and change an account's auto top-up. It is off by default."""


@auto_topup.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@at_database
async def show(session: CommandSession, account_id: UUID) -> CommandResult:
    """Show the settings of auto top-up, and why it was stopped."""
    async with open_command_funding(session) as funding:
        return _shown(await show_auto_top_up(funding, account_id))


@auto_topup.command("set")
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@click.option("--below", type=USD, required=True, metavar="USD", help="Top up when the balance falls below this.")
@click.option("--usd", type=USD, required=True, metavar="USD", help="Credit of each top-up.")
@click.option("--month", type=USD, required=True, metavar="USD", help="Total of top-ups in a UTC month, at most.")
@click.option("--processor", type=NAME, metavar="NAME", help="Processor with a saved method of the account.")
@at_database
async def set_(session: CommandSession, /, account_id: UUID, **options: Any) -> CommandResult:
    """Switch auto top-up on. It charges the method saved by a top-up made with --save."""
    settings = AutoTopUpSettings(
        threshold=options["below"],
        amount=options["usd"],
        month_most=options["month"],
        actor=OPERATOR,
        processor=options["processor"],
    )
    async with open_command_funding(session) as funding:
        return _shown(await set_auto_top_up(funding, account_id, settings))


@auto_topup.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@at_database
async def off(session: CommandSession, account_id: UUID) -> CommandResult:
    """Switch auto top-up off."""
    async with open_command_funding(session) as funding:
        return _shown(await switch_off_auto_top_up(funding, account_id, OPERATOR))


def _shown(found: AutoTopUpOutlook) -> CommandResult:
    document = plain_document(AutoTopUpDocument.of(found))
    saved = ", ".join(each["processor"] for each in document["saved_methods"]) or "none"
    shown = document | document["bounds"] | {"saved_methods": saved}
    lines = list(field_lines({name: value for name, value in shown.items() if name != "bounds"}))
    return CommandResult(document, lines)
