"""`alerts` and `notices`: what an account wants to be told, and what it was told."""

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
from tokenharbor.app.commands.common import CommandResult, Group, table
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.session import CommandSession
from tokenharbor.kernel.documents import plain_document
from tokenharbor.kernel.ids import UUID

_MOST_NOTICES = 1_000


@click.group(cls=Group)
def alerts() -> None:
    """Show and change what an account is told, and where."""


@alerts.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@at_database
async def show(session: CommandSession, account_id: UUID) -> CommandResult:
    """Show what an account wants to be told."""
    return _lines(plain_document(AlertsDocument.of(await show_alerts(command_alerting(session), account_id))))


@alerts.command("set")
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@click.option("--low-balance", type=USD_LIMIT, metavar="X", help="Tell when less than this is left; 0: do not.")
@click.option("--mail", type=click.Choice(["on", "off"]), help="Mail to the account's owners.")
@at_database
async def set_(session: CommandSession, /, account_id: UUID, **options: Any) -> CommandResult:
    """Change what an account is told."""
    low, mail = options["low_balance"], options["mail"]
    change = AlertChange(
        mail=UNSET if mail is None else mail == "on", low_balance=UNSET if low is None else (low or None)
    )
    return _lines(plain_document(AlertsDocument.of(await change_alerts(command_alerting(session), account_id, change))))


@alerts.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@click.option("--url", metavar="U", help="Where notices are posted. The secret that signs them is shown once.")
@click.option("--off", is_flag=True, help="Post nothing any more.")
@at_database
async def webhook(session: CommandSession, account_id: UUID, url: str | None, *, off: bool) -> CommandResult:
    """Set or drop an account's webhook."""
    if (url is None) != off:
        raise click.UsageError("state --url or --off", click.get_current_context())
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
    """Send a test by every channel now; exit 1 if one failed."""
    document = plain_document(NoticeDocument.of(*await send_test(command_alerting(session), account_id)))
    each = document["deliveries"]
    failed = [one["channel"] for one in each if one["fault"] and one["state"] != "off"]
    lines = [f"{one['channel']}: {one['state']}" + (f" ({one['fault']})" if one["fault"] else "") for one in each]
    return CommandResult(document, lines, f"not delivered by {' and '.join(failed)}" if failed else None)


@click.group(cls=Group)
def notices() -> None:
    """Show what accounts were told."""


@notices.command("list")
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@click.option("--limit", type=click.IntRange(1, _MOST_NOTICES), default=50, show_default=True, help="At most so many.")
@at_database
async def list_(session: CommandSession, account_id: UUID, limit: int) -> CommandResult:
    """List notices of an account with their deliveries, newest first."""
    found = [
        plain_document(NoticeDocument.of(*each))
        for each in await list_notices(command_alerting(session), account_id, limit)
    ]
    rows = [
        (one["at"], one["subject"], each["channel"], each["state"], each["tries"], each["fault"])
        for one in found
        for each in one["deliveries"]
    ]
    return CommandResult(found, table(("AT", "SUBJECT", "CHANNEL", "STATE", "TRIES", "FAULT"), rows))


def _lines(document: dict[str, Any]) -> CommandResult:
    return CommandResult(document, [f"{name}: {value}" for name, value in document.items() if value is not None])
