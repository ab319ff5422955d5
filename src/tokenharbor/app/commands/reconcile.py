"""`reconcile`: our records compared with the statement of a provider or processor."""

from typing import TextIO

import click

from tokenharbor.app.commands.arguments import NAME, USD_LIMIT
from tokenharbor.app.commands.common import Command, CommandResult, table
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.session import CommandSession
from tokenharbor.funding.documents import ReconciliationDocument
from tokenharbor.funding.reconcile import Reconciliation, reconcile_processor, reconcile_provider
from tokenharbor.funding.statement_reading import read_costs, read_movements
from tokenharbor.kernel.documents import plain_document
from tokenharbor.kernel.money import Usd


@click.command(cls=Command)
@click.option("--provider", type=NAME, metavar="NAME", help="Compare this provider's costs, by day and model.")
@click.option("--processor", type=NAME, metavar="NAME", help="Compare this processor's payments, refunds and payouts.")
@click.option(
    "--statement", type=click.File(encoding="utf-8-sig"), required=True, metavar="FILE", help="Statement (CSV)."
)
@click.option(
    "--tolerance",
    type=USD_LIMIT,
    default="0.01",
    show_default=True,
    metavar="USD",
    help="Difference to ignore, for providers.",
)
@at_database
async def reconcile(
    session: CommandSession, *, provider: str | None, processor: str | None, statement: TextIO, tolerance: Usd
) -> CommandResult:
    """Compare our records with a statement. The statement is a provider's or a processor's. Exits 1 if they differ."""
    if (provider is None) == (processor is None):
        raise click.UsageError("give either --provider or --processor")
    if provider is not None:
        return _result(await reconcile_provider(session.conn, provider, read_costs(statement), tolerance), provider)
    return _result(await reconcile_processor(session.conn, str(processor), read_movements(statement)), str(processor))


def _result(found: Reconciliation, name: str) -> CommandResult:
    document = plain_document(ReconciliationDocument.of(found))
    lines = table(("item", "ours", "theirs"), [tuple(each.values()) for each in document["differences"]])
    if not found.differences:
        lines = [f"{found.compared} of {found.compared} agree"]
    if document["totals"]:
        lines += ["", *table(tuple(document["totals"][0]), [tuple(each.values()) for each in document["totals"]])]
        lines.append(f"payment fees: ours {found.fees[0]} USD, theirs {found.fees[1]} USD")
    failure = f"{len(found.differences)} of {found.compared} differ from the statement of {name}"
    return CommandResult(document, lines, failure if found.differences else None)
