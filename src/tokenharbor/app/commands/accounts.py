"""`accounts`, `balance`, `credit`: who pays, what they have, and an operator's grant."""

from datetime import timedelta
from typing import Any

import click

from tokenharbor.app.commands.arguments import ACCOUNT, REASON, SPAN, USD
from tokenharbor.app.commands.common import Answer, Command, Group, show_time, table
from tokenharbor.app.commands.database import at_database, changing, making_database
from tokenharbor.app.session import Session
from tokenharbor.editions.policy import load_edition
from tokenharbor.identity import store
from tokenharbor.identity.store import Account
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger.store import open_book
from tokenharbor.ledger.types import Balance, Credit, Pool

_GRANTED = [pool.value for pool in (Pool.PAID, Pool.TRIAL, Pool.PROMO)]


@click.group(cls=Group)
def accounts() -> None:
    """Create, show and list accounts."""


@accounts.command()
@click.option("--email", required=True, metavar="E", help="E-mail of the owner.")
@making_database
async def create(session: Session, email: str) -> Answer:
    """Create an account and its owner, and print the account id."""
    account = await store.create_account(
        session.conn, session.world, email, load_edition(session.settings.edition).name
    )
    shown = ids.show("acct", account.id)
    return Answer({"id": shown, "email": account.emails[0]}, [shown])


@accounts.command()
@click.argument("account_id", type=ACCOUNT, metavar="ID")
@at_database
async def show(session: Session, account_id: UUID) -> Answer:
    """Show an account."""
    document = _document(await existing(session, account_id))
    return Answer(document, [f"{name}: {_plain(value)}" for name, value in document.items()])


@accounts.command("list")
@at_database
async def list_all(session: Session) -> Answer:
    """List all accounts, oldest first."""
    found = [_document(account) async for account in store.list_accounts(session.conn)]
    rows = [(each["id"], each["created_at"], _plain(each["emails"])) for each in found]
    return Answer(found, table(("id", "created", "e-mail"), rows))


@click.command(cls=Command)
@click.argument("account_id", type=ACCOUNT, metavar="ID")
@at_database
async def balance(session: Session, account_id: UUID) -> Answer:
    """Show an account's balance by pool, and the amount held."""
    await existing(session, account_id)
    async with open_book(session.url, session.world.ids.new()) as book:
        found = await book.balance(account_id, session.world.clock.now())
    document = balance_document(found)
    pools = [(f"  {pool}", amount) for pool, amount in document["pools"].items()]
    rows = [("available", document["balance_usd"]), ("held", document["held_usd"]), *pools]
    if found.debt:
        rows.append(("debt", str(found.debt)))
    return Answer(document, table(("", "USD"), rows))


@click.command(cls=Command)
@click.argument("account_id", type=ACCOUNT, metavar="ID")
@click.option("--usd", type=USD, required=True, metavar="X", help="Amount, such as 10.00.")
@click.option("--pool", type=click.Choice(_GRANTED), required=True, help="Pool of the credit.")
@click.option("--expires", type=SPAN, metavar="7d", help="Time until the unused part expires.")
@click.option("--reason", type=REASON, required=True, metavar="TEXT", help="Reason, kept in the ledger.")
@at_database
async def credit(
    session: Session, account_id: UUID, *, usd: Usd, pool: str, expires: timedelta | None, reason: str
) -> Answer:
    """Add credit to an account."""
    if not reason.strip():
        raise Rejected("--reason must not be empty")
    await existing(session, account_id)
    world, now = session.world, session.world.clock.now()
    given = Credit(
        entry_id=world.ids.new(),
        lot_id=world.ids.new(),
        account_id=account_id,
        pool=Pool(pool),
        origin="operator",
        amount=usd,
        at=now,
        reason=reason,
        expires_at=None if expires is None else now + expires,
    )
    async with open_book(session.url, world.ids.new()) as book:
        with changing(f"ledger export {ids.show('acct', account_id)}"):
            await book.credit(given)
    document = {
        "id": ids.show("ent", given.entry_id),
        "account": ids.show("acct", account_id),
        "usd": str(given.amount),
        "pool": given.pool.value,
        "expires_at": show_time(given.expires_at),
    }
    until = f" until {document['expires_at']}" if given.expires_at else ""
    return Answer(document, [f"{given.amount} USD granted to {document['account']}, {given.pool}{until}"])


async def existing(session: Session, account_id: UUID) -> Account:
    """The account. Raises Missing where there is none."""
    account = await store.find_account(session.conn, account_id)
    if account is None:
        raise Missing(f"no account {ids.show('acct', account_id)}")
    return account


def balance_document(balance: Balance) -> dict[str, Any]:
    """A balance as every surface shows it: decimal strings of USD with nine places, every pool named."""
    return {
        "balance_usd": str(balance.available),
        "held_usd": str(balance.held),
        "pools": {pool.value: str(balance.pools.get(pool, ZERO)) for pool in Pool},
    }


def _document(account: Account) -> dict[str, Any]:
    return {
        "id": ids.show("acct", account.id),
        "created_at": show_time(account.created_at),
        "edition": account.edition,
        "region": account.region,
        "emails": list(account.emails),
    }


def _plain(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
