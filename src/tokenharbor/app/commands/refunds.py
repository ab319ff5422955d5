"""`refunds`: refunds of top-ups to their payment method: previewed, requested, reviewed and settled."""

from typing import Final

import click

from tokenharbor.accounts.changes import OPERATOR
from tokenharbor.app.commands.arguments import ACCOUNT, NAME, REASON, REFUND, TOP_UP, USD
from tokenharbor.app.commands.common import CommandResult, Group, field_lines, table
from tokenharbor.app.commands.database import at_database, changing
from tokenharbor.app.funding import open_command_funding
from tokenharbor.app.session import CommandSession
from tokenharbor.funding import refund_store
from tokenharbor.funding.documents import RefundDocument, RefundPreviewDocument
from tokenharbor.funding.refund_types import Refund, RefundOrigin, RefundProgress
from tokenharbor.funding.refunds import (
    RefundRequest,
    approve_refund,
    ask_refund,
    preview_refund,
    reject_refund,
    settle_refund,
)
from tokenharbor.kernel import ids
from tokenharbor.kernel.documents import plain_document
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd

_COLUMNS: Final = (
    "id",
    "account",
    "top_up",
    "state",
    "origin",
    "amount",
    "currency",
    "credit_usd",
    "asked_at",
    "fault",
)
_AS = click.option(
    "--as",
    "origin",
    type=click.Choice([RefundOrigin.CUSTOMER.value, RefundOrigin.OPERATOR.value]),
    default=RefundOrigin.OPERATOR.value,
    show_default=True,
    help="Who requests it: the edition's refund window and review apply to customers only.",
)
_AMOUNT = click.option("--usd", type=USD, metavar="USD", help="Credit to refund; all unused credit by default.")
_BY = click.option("--by", type=NAME, default=OPERATOR, show_default=True, metavar="NAME", help="Who decides.")


@click.group(cls=Group)
def refunds() -> None:
    """Refund top-ups, and decide on refunds in review."""


@refunds.command()
@click.argument("top_up_id", type=TOP_UP, metavar="TOPUP")
@_AMOUNT
@_AS
@at_database
async def preview(session: CommandSession, top_up_id: UUID, *, usd: Usd | None, origin: str) -> CommandResult:
    """Show the amounts of a refund without making it."""
    async with open_command_funding(session) as funding:
        document = plain_document(
            RefundPreviewDocument.of(await preview_refund(funding, top_up_id, usd, RefundOrigin(origin)))
        )
    return CommandResult(
        document, list(field_lines({name: value for name, value in document.items() if name != "leaving"}))
    )


@refunds.command()
@click.argument("top_up_id", type=TOP_UP, metavar="TOPUP")
@_AMOUNT
@_AS
@click.option("--key", type=NAME, metavar="KEY", help="Idempotency key.")
@click.option("--reason", type=REASON, default="", metavar="TEXT", help="Why; it is kept.")
@_BY
@at_database
async def create(session: CommandSession, /, top_up_id: UUID, **options: str | Usd | None) -> CommandResult:
    """Refund the unused part of a top-up to its payment method."""
    usd, key = options["usd"], options["key"]
    request = RefundRequest(
        top_up_id=top_up_id,
        amount=usd if isinstance(usd, Usd) else None,
        idempotency_key=str(key) if key else f"command-{session.world.entropy.bytes(16).hex()}",
        origin=RefundOrigin(str(options["origin"])),
        actor=str(options["by"]),
        reason=str(options["reason"]),
    )
    async with open_command_funding(session) as funding:
        with changing("refunds list"):
            return _shown(await ask_refund(funding, request))


@refunds.command("list")
@click.argument("account_id", type=ACCOUNT, metavar="[ACCOUNT]", required=False)
@click.option("--state", type=click.Choice([each.value for each in RefundProgress]), help="Only those in this state.")
@at_database
async def list_all(session: CommandSession, account_id: UUID | None, state: str | None) -> CommandResult:
    """List refunds, oldest first."""
    found = await refund_store.list_refunds(session.conn, account_id, None if state is None else RefundProgress(state))
    documents = [plain_document(RefundDocument.of(each)) for each in found]
    return CommandResult(documents, table(_COLUMNS, [tuple(each[column] for column in _COLUMNS) for each in documents]))


@refunds.command()
@click.argument("refund_id", type=REFUND, metavar="REFUND")
@at_database
async def show(session: CommandSession, refund_id: UUID) -> CommandResult:
    """Show a refund."""
    return _shown(await refund_store.get_refund(session.conn, refund_id))


@refunds.command()
@click.argument("refund_id", type=REFUND, metavar="REFUND")
@click.option("--reason", type=REASON, default="", metavar="TEXT", help="Why; it is kept.")
@_BY
@at_database
async def approve(session: CommandSession, refund_id: UUID, *, reason: str, by: str) -> CommandResult:
    """Approve a refund in review."""
    async with open_command_funding(session) as funding:
        with changing(f"refunds show {ids.show('refund', refund_id)}"):
            return _shown(await approve_refund(funding, refund_id, by, reason))


@refunds.command()
@click.argument("refund_id", type=REFUND, metavar="REFUND")
@click.option("--reason", type=REASON, default="", metavar="TEXT", help="Why; it is kept.")
@_BY
@at_database
async def reject(session: CommandSession, refund_id: UUID, *, reason: str, by: str) -> CommandResult:
    """Reject a refund in review, and return its credit."""
    async with open_command_funding(session) as funding:
        with changing(f"refunds show {ids.show('refund', refund_id)}"):
            return _shown(await reject_refund(funding, refund_id, by, reason))


@refunds.command()
@click.argument("refund_id", type=REFUND, metavar="REFUND")
@click.option("--reference", type=NAME, metavar="TEXT", help="Bank reference, used once; without it: not paid.")
@_BY
@at_database
async def settle(session: CommandSession, refund_id: UUID, *, reference: str | None, by: str) -> CommandResult:
    """Settle a refund that is paid by hand, such as by bank transfer."""
    async with open_command_funding(session) as funding:
        with changing(f"refunds show {ids.show('refund', refund_id)}"):
            return _shown(await settle_refund(funding, refund_id, reference, by))


def _shown(refund: Refund) -> CommandResult:
    document = plain_document(RefundDocument.of(refund))
    return CommandResult(document, list(field_lines(document)))
