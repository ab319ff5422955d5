"""`accounts`, `balance`, `credit`: who pays, what they have, and an operator's grant."""

from datetime import timedelta
from typing import Any

import click

from tokenharbor.accounts.accounts import open_account
from tokenharbor.accounts.credits import GRANTABLE, Grant, grant_credit, read_balance
from tokenharbor.accounts.documents import account_document, balance_document, credit_document
from tokenharbor.app.commands.arguments import ACCOUNT, REASON, SPAN, USD
from tokenharbor.app.commands.common import Command, CommandResult, Group, table
from tokenharbor.app.commands.database import at_database, changing, making_database
from tokenharbor.app.session import CommandSession
from tokenharbor.editions.load import load_edition
from tokenharbor.identity import store
from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.types import Pool

_GRANTABLE = [pool.value for pool in GRANTABLE]


@click.group(cls=Group)
def accounts() -> None:
    """Create, show and list accounts."""


@accounts.command()
@click.option("--email", required=True, metavar="E", help="E-mail of the owner.")
@making_database
async def create(session: CommandSession, email: str) -> CommandResult:
    """Create an account and its owner, and print the account id."""
    edition = load_edition(session.settings.edition).name
    account = await open_account(session.conn, session.world, email=email, edition=edition)
    shown = ids.show("acct", account.id)
    return CommandResult({"id": shown, "email": account.emails[0]}, [shown])


@accounts.command()
@click.argument("account_id", type=ACCOUNT, metavar="ID")
@at_database
async def show(session: CommandSession, account_id: UUID) -> CommandResult:
    """Show an account."""
    document = account_document(await store.get_account(session.conn, account_id))
    return CommandResult(document, [f"{name}: {_plain(value)}" for name, value in document.items()])


@accounts.command("list")
@at_database
async def list_all(session: CommandSession) -> CommandResult:
    """List all accounts, oldest first."""
    found = [account_document(account) async for account in store.list_accounts(session.conn)]
    rows = [(each["id"], each["created_at"], _plain(each["emails"])) for each in found]
    return CommandResult(found, table(("id", "created", "e-mail"), rows))


@click.command(cls=Command)
@click.argument("account_id", type=ACCOUNT, metavar="ID")
@at_database
async def balance(session: CommandSession, account_id: UUID) -> CommandResult:
    """Show an account's balance by pool, and the amount held."""
    found = await read_balance(session.conn, session.world, account_id)
    document = balance_document(found)
    pools = [(f"  {pool}", amount) for pool, amount in document["pools"].items()]
    rows = [("available", document["balance_usd"]), ("held", document["held_usd"]), *pools]
    if found.debt:
        rows.append(("debt", str(found.debt)))
    return CommandResult(document, table(("", "USD"), rows))


@click.command(cls=Command)
@click.argument("account_id", type=ACCOUNT, metavar="ID")
@click.option("--usd", type=USD, required=True, metavar="X", help="Amount, such as 10.00.")
@click.option("--pool", type=click.Choice(_GRANTABLE), required=True, help="Pool of the credit.")
@click.option("--expires", type=SPAN, metavar="7d", help="Time until the unused part expires.")
@click.option("--reason", type=REASON, required=True, metavar="TEXT", help="Reason, kept in the ledger.")
@at_database
async def credit(
    session: CommandSession, account_id: UUID, *, usd: Usd, pool: str, expires: timedelta | None, reason: str
) -> CommandResult:
    """Add credit to an account."""
    grant = Grant(usd, Pool(pool), reason, lasts=expires)
    with changing(f"ledger export {ids.show('acct', account_id)}"):
        given = await grant_credit(session.conn, session.world, account_id, grant)
    document = credit_document(given)
    until = f" until {document['expires_at']}" if given.expires_at else ""
    return CommandResult(document, [f"{given.amount} USD granted to {document['account']}, {given.pool}{until}"])


def _plain(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
