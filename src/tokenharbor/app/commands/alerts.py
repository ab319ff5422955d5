"""`alerts` and `notices`: an account's alert settings, and the notices sent to it."""

from typing import Any

import click
from msgspec import UNSET

from tokenharbor.alerts.documents import AlertsDocument, NoticeDocument
from tokenharbor.alerts.preferences import (
    AlertChange,
    change_alerts,
    drop_webhook,
    list_notices,
    send_test,
    set_webhook,
    show_alerts,
)
from tokenharbor.app.alerts import command_alerting
from tokenharbor.app.commands.arguments import ACCOUNT, USD_LIMIT
from tokenharbor.app.commands.common import CommandResult, Group, field_lines, table
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.session import CommandSession
from tokenharbor.kernel.documents import plain_document
from tokenharbor.kernel.ids import UUID

_MOST_NOTICES = 1_000


@click.group(cls=Group)
def alerts() -> None:
    """Show, change and test an account's alerts."""


@alerts.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@at_database
async def show(session: CommandSession, account_id: UUID) -> CommandResult:
    """Show an account's alert settings."""
    return _lines(plain_document(AlertsDocument.of(await show_alerts(command_alerting(session), account_id))))


@alerts.command("set")
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@click.option("--low-balance", type=USD_LIMIT, metavar="USD", help="Alert below this balance; 0 turns it off.")
@click.option("--mail", type=click.Choice(["on", "off"]), help="Mail alerts to the account's owners.")
@at_database
async def set_(session: CommandSession, /, account_id: UUID, **options: Any) -> CommandResult:
    """Change an account's alert settings."""
    low, mail = options["low_balance"], options["mail"]
    change = AlertChange(
        mail=UNSET if mail is None else mail == "on", low_balance=UNSET if low is None else (low or None)
    )
    return _lines(plain_document(AlertsDocument.of(await change_alerts(command_alerting(session), account_id, change))))


@alerts.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@click.option("--url", metavar="URL", help="URL to post notices to. Prints the signing secret, once.")
@click.option("--off", is_flag=True, help="Remove the webhook.")
@at_database
async def webhook(session: CommandSession, account_id: UUID, url: str | None, *, off: bool) -> CommandResult:
    """Set or remove an account's webhook."""
    if (url is None) != off:
        raise click.UsageError("give either --url or --off", click.get_current_context())
    alerting = command_alerting(session)
    if url is None:
        await drop_webhook(alerting, account_id)
        return _lines(plain_document(AlertsDocument.of(await show_alerts(alerting, account_id))))
    made = await set_webhook(alerting, account_id, url)
    return CommandResult({"url": made.url, "secret": made.shown_secret}, [made.shown_secret])


@alerts.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@at_database
async def test(session: CommandSession, account_id: UUID) -> CommandResult:
    """Send a test notice through every channel; exit 1 if one fails."""
    document = plain_document(NoticeDocument.of(*await send_test(command_alerting(session), account_id)))
    each = document["deliveries"]
    failed = [one["channel"] for one in each if one["fault"] and one["state"] != "off"]
    lines = [f"{one['channel']}: {one['state']}" + (f" ({one['fault']})" if one["fault"] else "") for one in each]
    return CommandResult(document, lines, f"delivery failed: {', '.join(failed)}" if failed else None)


@click.group(cls=Group)
def notices() -> None:
    """List the notices sent to an account."""


@notices.command("list")
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@click.option(
    "--limit",
    type=click.IntRange(1, _MOST_NOTICES),
    default=50,
    show_default=True,
    metavar="N",
    help="Number of notices, at most.",
)
@at_database
async def list_(session: CommandSession, account_id: UUID, limit: int) -> CommandResult:
    """List an account's notices and their deliveries, newest first."""
    found = [
        plain_document(NoticeDocument.of(*each))
        for each in await list_notices(command_alerting(session), account_id, limit)
    ]
    rows = [
        (one["at"], one["subject"], each["channel"], each["state"], each["tries"], each["fault"])
        for one in found
        for each in one["deliveries"]
    ]
    return CommandResult(found, table(("at", "subject", "channel", "state", "tries", "fault"), rows))


def _lines(document: dict[str, Any]) -> CommandResult:
    return CommandResult(document, list(field_lines(document)))
