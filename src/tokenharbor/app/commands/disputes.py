"""`disputes`: disputed payments and the credit they took from accounts. Disputes are answered at the processor."""

from typing import Final

import click

from tokenharbor.app.commands.arguments import ACCOUNT, DISPUTE
from tokenharbor.app.commands.common import CommandResult, Group, field_lines, table
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.session import CommandSession
from tokenharbor.funding import dispute_store
from tokenharbor.funding.documents import DisputeDocument
from tokenharbor.kernel.documents import plain_document
from tokenharbor.kernel.ids import UUID

_COLUMNS: Final = ("id", "account", "top_up", "state", "amount", "currency", "frozen_usd", "taken_usd", "respond_until")


@click.group(cls=Group)
def disputes() -> None:
    """List and show disputed payments."""


@disputes.command("list")
@click.argument("account_id", type=ACCOUNT, metavar="[ACCOUNT]", required=False)
@click.option("--open", "open_only", is_flag=True, help="Only open disputes.")
@at_database
async def list_all(session: CommandSession, account_id: UUID | None, *, open_only: bool) -> CommandResult:
    """List disputes, oldest first."""
    found = await dispute_store.list_disputes(session.conn, account_id, open_only=open_only)
    documents = [plain_document(DisputeDocument.of(each)) for each in found]
    return CommandResult(documents, table(_COLUMNS, [tuple(each[column] for column in _COLUMNS) for each in documents]))


@disputes.command()
@click.argument("dispute_id", type=DISPUTE, metavar="DISPUTE")
@at_database
async def show(session: CommandSession, dispute_id: UUID) -> CommandResult:
    """Show a dispute."""
    document = plain_document(DisputeDocument.of(await dispute_store.get_dispute(session.conn, dispute_id)))
    return CommandResult(document, list(field_lines(document)))
