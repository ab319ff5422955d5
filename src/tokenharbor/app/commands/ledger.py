"""`ledger`: the books recomputed from their entries, and read out."""

import click

from tokenharbor.app.commands.common import Answer, Group
from tokenharbor.app.session import Session, at_database
from tokenharbor.ledger.verify import verify as verify_books


@click.group(cls=Group)
def ledger() -> None:
    """Verify and export the books."""


@ledger.command()
@at_database
async def verify(session: Session) -> Answer:
    """Recompute every balance, invariant and hash chain. Exit 1 at the first fault."""
    report = await verify_books(session.conn)
    document = {
        "ok": report.fault is None,
        "accounts": report.accounts,
        "entries": report.entries,
        "fault": report.fault,
    }
    lines = [] if report.fault else [f"{report.accounts} accounts and {report.entries} entries are as they should be"]
    return Answer(document, lines, report.fault)
