"""`withdrawals` and `payees`: credit paid out (previewed, requested, approved, settled), and who receives it."""

from collections.abc import Mapping
from typing import Final

import click

from tokenharbor.accounts.changes import OPERATOR
from tokenharbor.app.commands.arguments import ACCOUNT, NAME, PAYEE, REASON, TOP_UP, USD, WITHDRAWAL
from tokenharbor.app.commands.common import CommandResult, Group, field_lines, table
from tokenharbor.app.commands.database import at_database, changing
from tokenharbor.app.funding import open_command_funding
from tokenharbor.app.session import CommandSession
from tokenharbor.funding import payee_store, withdrawal_store
from tokenharbor.funding.payees import NewPayee, add_payee, remove_payee, verify_payee
from tokenharbor.funding.payout_documents import (
    AccountOutlookDocument,
    PayeeDocument,
    WithdrawalDocument,
    WithdrawalPreviewDocument,
)
from tokenharbor.funding.withdrawal_types import SavedPayee, Withdrawal, WithdrawalProgress
from tokenharbor.funding.withdrawals import (
    WithdrawalRequest,
    approve_withdrawal,
    ask_withdrawal,
    cancel_withdrawal,
    preview_account,
    preview_withdrawal,
    reject_withdrawal,
    settle_withdrawal,
)
from tokenharbor.kernel import ids
from tokenharbor.kernel.documents import plain_document
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd

_COLUMNS: Final = ("id", "account", "to", "state", "amount", "currency", "credit_usd", "processor", "asked_at", "fault")
_LOT_COLUMNS: Final = ("lot", "origin", "amount_usd", "way", "to", "since", "why")
_PAYEE_COLUMNS: Final = ("id", "account", "processor", "kind", "address", "verified_at", "added_at")
_TOP_UP = click.option("--top-up", "top_up_id", type=TOP_UP, metavar="TOPUP", help="Pay back to this top-up's method.")
_PAYEE = click.option("--payee", "payee_id", type=PAYEE, metavar="PAYEE", help="Pay to this payee.")
_AMOUNT = click.option("--usd", type=USD, metavar="USD", help="Credit to pay out; the most possible by default.")
_WHY = click.option("--reason", type=REASON, default="", metavar="TEXT", help="Why; it is kept.")
_BY = click.option("--by", type=NAME, default=OPERATOR, show_default=True, metavar="NAME", help="Who does it.")
_WITHDRAWAL = click.argument("withdrawal_id", type=WITHDRAWAL, metavar="WITHDRAWAL")


@click.group(cls=Group)
def withdrawals() -> None:
    """Pay credit out, and decide on withdrawals."""


@withdrawals.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@_TOP_UP
@_PAYEE
@_AMOUNT
@at_database
async def preview(session: CommandSession, /, account_id: UUID, **options: UUID | Usd | None) -> CommandResult:
    """Show the amounts that can be withdrawn. With --top-up or --payee, show that withdrawal without making it."""
    async with open_command_funding(session) as funding:
        if options["top_up_id"] is None and options["payee_id"] is None:
            document = plain_document(AccountOutlookDocument.of(await preview_account(funding, account_id)))
            lots = [tuple(lot[column] for column in _LOT_COLUMNS) for lot in document["lots"]]
            rest = field_lines({name: value for name, value in document.items() if name != "lots"})
            return CommandResult(document, [*rest, *table(_LOT_COLUMNS, lots)])
        request = _request(account_id, options, key="preview", actor=OPERATOR)
        document = plain_document(WithdrawalPreviewDocument.of(await preview_withdrawal(funding, request)))
    return CommandResult(document, list(field_lines(document)))


@withdrawals.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@_TOP_UP
@_PAYEE
@_AMOUNT
@click.option("--key", type=NAME, metavar="KEY", help="Idempotency key.")
@_WHY
@_BY
@at_database
async def ask(session: CommandSession, /, account_id: UUID, **options: UUID | Usd | str | None) -> CommandResult:
    """Request a withdrawal. Give either --top-up or --payee."""
    key = str(options["key"] or f"command-{session.world.entropy.bytes(16).hex()}")
    request = _request(account_id, options, key=key, actor=str(options["by"]), reason=str(options["reason"]))
    async with open_command_funding(session) as funding:
        with changing("withdrawals list"):
            return _shown(await ask_withdrawal(funding, request))


@withdrawals.command("list")
@click.argument("account_id", type=ACCOUNT, metavar="[ACCOUNT]", required=False)
@click.option(
    "--state", type=click.Choice([each.value for each in WithdrawalProgress]), help="Only those in this state."
)
@at_database
async def list_all(session: CommandSession, account_id: UUID | None, state: str | None) -> CommandResult:
    """List withdrawals, oldest first."""
    wanted = None if state is None else WithdrawalProgress(state)
    found = await withdrawal_store.list_withdrawals(session.conn, account_id, wanted)
    documents = [plain_document(WithdrawalDocument.of(each)) for each in found]
    return CommandResult(documents, table(_COLUMNS, [tuple(each[column] for column in _COLUMNS) for each in documents]))


@withdrawals.command()
@_WITHDRAWAL
@at_database
async def show(session: CommandSession, withdrawal_id: UUID) -> CommandResult:
    """Show a withdrawal."""
    return _shown(await withdrawal_store.get_withdrawal(session.conn, withdrawal_id))


@withdrawals.command()
@_WITHDRAWAL
@_WHY
@_BY
@at_database
async def approve(session: CommandSession, withdrawal_id: UUID, *, reason: str, by: str) -> CommandResult:
    """Approve a withdrawal that another person requested."""
    async with open_command_funding(session) as funding:
        with changing(f"withdrawals show {ids.show('withdrawal', withdrawal_id)}"):
            return _shown(await approve_withdrawal(funding, withdrawal_id, by, reason))


@withdrawals.command()
@_WITHDRAWAL
@_WHY
@_BY
@at_database
async def reject(session: CommandSession, withdrawal_id: UUID, *, reason: str, by: str) -> CommandResult:
    """Reject a requested withdrawal, and return its credit."""
    async with open_command_funding(session) as funding:
        with changing(f"withdrawals show {ids.show('withdrawal', withdrawal_id)}"):
            return _shown(await reject_withdrawal(funding, withdrawal_id, by, reason))


@withdrawals.command()
@_WITHDRAWAL
@_WHY
@_BY
@at_database
async def cancel(session: CommandSession, withdrawal_id: UUID, *, reason: str, by: str) -> CommandResult:
    """Cancel a requested withdrawal, and return its credit."""
    async with open_command_funding(session) as funding:
        with changing(f"withdrawals show {ids.show('withdrawal', withdrawal_id)}"):
            return _shown(await cancel_withdrawal(funding, withdrawal_id, by, reason))


@withdrawals.command()
@_WITHDRAWAL
@click.option("--reference", type=NAME, metavar="TEXT", help="Bank reference or payout id; without it: not paid.")
@_BY
@at_database
async def paid(session: CommandSession, withdrawal_id: UUID, *, reference: str | None, by: str) -> CommandResult:
    """Settle a withdrawal paid by hand. Also settles one whose processor's answer was lost."""
    async with open_command_funding(session) as funding:
        with changing(f"withdrawals show {ids.show('withdrawal', withdrawal_id)}"):
            return _shown(await settle_withdrawal(funding, withdrawal_id, reference, by))


@click.group(cls=Group)
def payees() -> None:
    """Manage the payees of withdrawals."""


@payees.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@click.option("--processor", type=NAME, required=True, metavar="NAME", help="Processor that pays out to it.")
@click.option("--kind", type=NAME, required=True, metavar="KIND", help="Kind of address, in the processor's terms.")
@click.option("--address", type=REASON, required=True, metavar="TEXT", help="Address to pay to.")
@_BY
@at_database
async def add(session: CommandSession, /, account_id: UUID, **options: str) -> CommandResult:
    """Add a payee. Another person must verify it."""
    wanted = NewPayee(
        account_id=account_id,
        processor=options["processor"],
        kind=options["kind"],
        address=options["address"],
        actor=options["by"],
    )
    async with open_command_funding(session) as funding:
        with changing(f"payees list {ids.show('acct', account_id)}"):
            return _shown_payee(await add_payee(funding, wanted), wanted.address)


@payees.command()
@click.argument("payee_id", type=PAYEE, metavar="PAYEE")
@_BY
@at_database
async def verify(session: CommandSession, payee_id: UUID, *, by: str) -> CommandResult:
    """Confirm that an address added by another person is the account's."""
    async with open_command_funding(session) as funding:
        with changing("payees list"):
            return _shown_payee(await verify_payee(funding, payee_id, by))


@payees.command("list")
@click.argument("account_id", type=ACCOUNT, metavar="[ACCOUNT]", required=False)
@at_database
async def list_payees(session: CommandSession, account_id: UUID | None) -> CommandResult:
    """List payees, oldest first."""
    found = await payee_store.list_payees(session.conn, account_id)
    documents = [plain_document(PayeeDocument.of(each, address)) for each, address in found]
    rows = [tuple(each[column] for column in _PAYEE_COLUMNS) for each in documents]
    return CommandResult(documents, table(_PAYEE_COLUMNS, rows))


@payees.command()
@click.argument("payee_id", type=PAYEE, metavar="PAYEE")
@at_database
async def remove(session: CommandSession, payee_id: UUID) -> CommandResult:
    """Remove a payee and erase its address."""
    async with open_command_funding(session) as funding:
        with changing("payees list"):
            return _shown_payee(await remove_payee(funding, payee_id))


def _request(
    account_id: UUID, options: Mapping[str, UUID | Usd | str | None], *, key: str, actor: str, reason: str = ""
) -> WithdrawalRequest:
    top_up_id, payee_id, usd = options["top_up_id"], options["payee_id"], options["usd"]
    return WithdrawalRequest(
        account_id=account_id,
        idempotency_key=key,
        actor=actor,
        top_up_id=top_up_id if isinstance(top_up_id, UUID) else None,
        payee_id=payee_id if isinstance(payee_id, UUID) else None,
        amount=usd if isinstance(usd, Usd) else None,
        reason=reason,
    )


def _shown(withdrawal: Withdrawal) -> CommandResult:
    document = plain_document(WithdrawalDocument.of(withdrawal))
    return CommandResult(document, list(field_lines(document)))


def _shown_payee(payee: SavedPayee, address: str | None = None) -> CommandResult:
    document = plain_document(PayeeDocument.of(payee, address))
    return CommandResult(document, list(field_lines(document)))
