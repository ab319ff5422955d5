"""`usage`: an account's usage and cost."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from tokenharbor.accounts.usage import USAGE_DIVISIONS, read_usage
from tokenharbor.accounts.usage_documents import UsageDocument
from tokenharbor.accounts.usage_export import UsageSpan, export_usage
from tokenharbor.app.commands.arguments import ACCOUNT, MOMENT
from tokenharbor.app.commands.common import Command, CommandResult, table
from tokenharbor.app.commands.csv_output import write_csv
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.session import CommandSession
from tokenharbor.kernel.documents import plain_document
from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.rollup import UsageTotal, add_up

_USUAL_SPAN = timedelta(days=30)


@click.command(cls=Command)
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@click.option("--from", "since", type=MOMENT, metavar="TIME", help="Start, inclusive (UTC); default 30 days ago.")
@click.option("--to", "until", type=MOMENT, metavar="TIME", help="End, exclusive (UTC); default now.")
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(USAGE_DIVISIONS),
    default=("day", "model", "provider"),
    show_default=True,
    help="Group by this; may be repeated.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, one row per request; the whole history by default.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write the CSV to a file, or to tokenharbor-usage-DATE.csv in a folder.",
)
@at_database
async def usage(
    session: CommandSession, /, account_id: UUID, *, since: datetime | None, until: datetime | None, **how: Any
) -> CommandResult:
    """Show an account's usage and cost, in whole UTC hours."""
    if how["as_csv"]:
        exported = export_usage(session.conn, account_id, UsageSpan(since, until))
        return await write_csv(exported, how["out"], f"tokenharbor-usage-{session.world.clock.now().date()}.csv")
    until = until or session.world.clock.now()
    since = since or until - _USUAL_SPAN
    used = await read_usage(session.conn, account_id, since=since, until=until, by=how["by"])
    found = [plain_document(UsageDocument.of(each, how["by"])) for each in used.totals]
    shown = [each | {"saved": each["saved"]["total_usd"]} for each in found]
    columns = tuple(shown[0]) if shown else ()
    lines = table(columns, [tuple(each.values()) for each in shown])
    total = add_up(used.totals)
    span = f"{used.since:%Y-%m-%d %H:%M} to {used.until:%Y-%m-%d %H:%M} UTC"
    return CommandResult(found, [*lines, f"{total.charge} USD from {span}", *_saved(total)])


def _saved(total: UsageTotal) -> Sequence[str]:
    saved = total.saved
    if not saved.total:
        return ()
    layers = f"repeats {saved.exact}, similar {saved.semantic}, vendor cache {saved.vendor}"
    return (f"{saved.total} USD saved: {layers}",)
