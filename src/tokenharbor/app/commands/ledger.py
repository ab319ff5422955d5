"""`ledger`: the books recomputed from their entries, and read out."""

import csv
from datetime import datetime

import click

from tokenharbor.app.commands.accounts import existing
from tokenharbor.app.commands.arguments import ACCOUNT, MOMENT
from tokenharbor.app.commands.common import Answer, Group, wants_json
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.session import Session
from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.export import Choice
from tokenharbor.ledger.export import export as export_ledger
from tokenharbor.ledger.verify import verify as verify_books


@click.group(cls=Group)
def ledger() -> None:
    """Verify and export the books."""


@ledger.command()
@at_database
async def verify(session: Session) -> Answer:
    """Recompute every balance, invariant and hash chain. Exit code 1 and the first fault if anything is wrong."""
    report = await verify_books(session.conn)
    document = {
        "ok": report.fault is None,
        "accounts": report.accounts,
        "entries": report.entries,
        "fault": report.fault,
    }
    lines = [] if report.fault else [f"{report.accounts} accounts and {report.entries} entries are as they should be"]
    return Answer(document, lines, report.fault)


@ledger.command()
@click.argument("account_id", type=ACCOUNT, metavar="ID")
@click.option("--type", "kind", metavar="TYPE", help="Only rows of this type: recharge, usage, expiry, …")
@click.option("--from", "since", type=MOMENT, metavar="D", help="Start, a day or time (UTC), inclusive.")
@click.option("--to", "until", type=MOMENT, metavar="D", help="End, a day or time (UTC), exclusive.")
@at_database
async def export(
    session: Session, account_id: UUID, *, kind: str | None, since: datetime | None, until: datetime | None
) -> Answer:
    """Export an account's ledger as CSV with a running balance."""
    await existing(session, account_id)
    lines = export_ledger(session.conn, account_id, Choice(kind, since, until))
    if wants_json():
        return Answer(list(csv.DictReader([line async for line in lines])), ())
    async for line in lines:
        click.echo(line, nl=False)
    return Answer(None, ())
