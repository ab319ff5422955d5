"""`accounts`, `balance`, `credit`: accounts, their limits and credit, and an operator's grants."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final, TypeVar

import asyncpg
import click
from msgspec import UNSET

from tokenharbor.accounts.accounts import open_account
from tokenharbor.accounts.budgets import lower_budget
from tokenharbor.accounts.changes import (
    OPERATOR,
    LimitsChange,
    change_consent,
    change_limits,
    change_plan,
    list_changes,
)
from tokenharbor.accounts.credit_documents import BalanceDocument, CreditDocument
from tokenharbor.accounts.credits import GRANTABLE, Grant, grant_credit, read_balance
from tokenharbor.accounts.documents import (
    AccountChangeDocument,
    AccountDocument,
    LimitsDocument,
)
from tokenharbor.app.catalogue import read_catalog
from tokenharbor.app.commands.arguments import ACCOUNT, ACCOUNT_RATE, AS_PLANNED, REASON, SPAN, USD, USD_LIMIT
from tokenharbor.app.commands.common import Command, CommandResult, Group, field_lines, table
from tokenharbor.app.commands.database import at_database, changing, making_database
from tokenharbor.app.secrets import credential_lookup, credential_seal
from tokenharbor.app.session import CommandSession
from tokenharbor.editions.load import load_edition
from tokenharbor.editions.policy import Policy
from tokenharbor.gateway.snapshot import build_snapshot
from tokenharbor.identity import store
from tokenharbor.identity.credentials import read_credentials
from tokenharbor.identity.limits import PlanLimits, account_limits
from tokenharbor.identity.store import Account
from tokenharbor.kernel import ids
from tokenharbor.kernel.documents import plain_document
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.types import Pool
from tokenharbor.rewards.hooks import RewardHooks
from tokenharbor.rewards.referrals import record_sign_up

_GRANTABLE = [pool.value for pool in GRANTABLE]
_LIMIT_OPTIONS: Final = (
    click.option("--rpm", type=ACCOUNT_RATE, metavar="N", help="Requests per minute."),
    click.option("--tpm", type=ACCOUNT_RATE, metavar="N", help="Tokens per minute."),
    click.option("--concurrency", type=ACCOUNT_RATE, metavar="N", help="Requests open at once."),
    click.option("--key-rpm", type=ACCOUNT_RATE, metavar="N", help="Requests per minute, for each key."),
    click.option("--key-tpm", type=ACCOUNT_RATE, metavar="N", help="Tokens per minute, for each key."),
    click.option("--key-concurrency", type=ACCOUNT_RATE, metavar="N", help="Requests open at once, for each key."),
    click.option("--daily-usd", type=USD_LIMIT, metavar="USD", help="Spending limit per UTC day."),
    click.option("--monthly-usd", type=USD_LIMIT, metavar="USD", help="Spending limit per UTC month."),
)

F = TypeVar("F", bound=Callable[..., object])


def limit_options(command: F) -> F:
    """Add the options that set an account's limits."""
    for option in reversed(_LIMIT_OPTIONS):
        command = option(command)
    return command


@click.group(cls=Group)
def accounts() -> None:
    """Create, show, list and change accounts."""


@accounts.command()
@click.option("--email", required=True, metavar="EMAIL", help="Owner's e-mail address.")
@click.option("--referral", metavar="CODE", help="Referral code of the referring account.")
@making_database
async def create(session: CommandSession, email: str, referral: str | None) -> CommandResult:
    """Create an account with an owner, and print its id."""
    edition = load_edition(session.settings.edition).name

    async def record_referral(conn: asyncpg.Connection, account_id: UUID) -> None:
        if referral is not None:
            await record_sign_up(conn, session.world, referral, account_id)

    account = await open_account(session.conn, session.world, email=email, edition=edition, joined=record_referral)
    shown = ids.show("acct", account.id)
    return CommandResult({"id": shown, "email": account.emails[0]}, [shown])


@accounts.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@at_database
async def show(session: CommandSession, account_id: UUID) -> CommandResult:
    """Show an account and the terms of its plan."""
    return _shown(await store.get_account(session.conn, account_id), load_edition(session.settings.edition))


@accounts.command("list")
@at_database
async def list_all(session: CommandSession) -> CommandResult:
    """List all accounts, oldest first."""
    found = [plain_document(AccountDocument.of(account)) async for account in store.list_accounts(session.conn)]
    rows = [(each["id"], each["created_at"], _plain(each["emails"]), each["plan"] or "default") for each in found]
    return CommandResult(found, table(("id", "created", "e-mail", "plan"), rows))


@accounts.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@click.argument("name", metavar="NAME")
@at_database
async def plan(session: CommandSession, account_id: UUID, name: str) -> CommandResult:
    """Change an account's plan. NAME is a plan of the edition, or default. Takes effect within a second."""
    policy = load_edition(session.settings.edition)
    changed = await change_plan(session.conn, session.world, account_id, name, policy=policy, actor=OPERATOR)
    return _shown(changed, policy)


@accounts.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@limit_options
@at_database
async def limits(session: CommandSession, /, account_id: UUID, **options: Any) -> CommandResult:
    """Show or change an account's limits. 0 is unlimited; default restores the limit of the plan or edition."""
    wanted = LimitsChange(**{name.removesuffix("_usd"): _stated(value) for name, value in options.items()})
    account = await change_limits(session.conn, session.world, account_id, wanted, actor=OPERATOR)
    document = plain_document(LimitsDocument.of(account, await _limits_in_force(session, account)))
    rows = [
        (name, "unlimited" if each["limit"] is None else each["limit"], each["origin"])
        for name, each in document.items()
        if isinstance(each, dict)
    ]
    return CommandResult(document, table(("limit", "in force", "origin"), [*rows, *_budget_rows(account)]))


@accounts.command("free-models")
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@click.argument("state", type=click.Choice(["on", "off"]))
@at_database
async def free_models(session: CommandSession, account_id: UUID, state: str) -> CommandResult:
    """Turn free models on or off. On records that the account's owner consents to the edition's wording."""
    free = load_edition(session.settings.edition).free
    on = state == "on"
    account = await change_consent(session.conn, session.world, account_id, free.consent if on else "", actor=OPERATOR)
    document = plain_document(AccountDocument.of(account))
    agreed = [f"agreed to: {free.consent}"] if on else []
    return CommandResult(document, [f"free models of {document['id']} are {state}", *agreed])


@accounts.command("changes")
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@at_database
async def show_changes(session: CommandSession, account_id: UUID) -> CommandResult:
    """List an account's changes, oldest first."""
    found = [
        plain_document(AccountChangeDocument.of(change)) for change in await list_changes(session.conn, account_id)
    ]
    heads = ("at", "actor", "field", "before", "after", "wording")
    return CommandResult(found, table(heads, [tuple(each.values()) for each in found]))


@click.command(cls=Command)
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@at_database
async def balance(session: CommandSession, account_id: UUID) -> CommandResult:
    """Show an account's balance by pool, and its held amount."""
    found = await read_balance(session.conn, session.world, account_id, run_due=_hooks(session).run_due)
    document = plain_document(BalanceDocument.of(found))
    pools = [(f"  {pool}", amount) for pool, amount in document["pools"].items()]
    rows = [("available", document["balance_usd"]), ("held", document["held_usd"]), *pools]
    if found.debt:
        rows.append(("debt", document["debt_usd"]))
    return CommandResult(document, table(("", "USD"), rows))


@click.command(cls=Command)
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@click.option("--usd", type=USD, required=True, metavar="USD", help="Amount in USD, such as 10.00.")
@click.option("--pool", type=click.Choice(_GRANTABLE), required=True, help="Pool of the credit.")
@click.option("--expires", type=SPAN, metavar="7d", help="Time until the unused credit expires.")
@click.option("--reason", type=REASON, required=True, metavar="TEXT", help="Reason, kept in the ledger.")
@at_database
async def credit(
    session: CommandSession, account_id: UUID, *, usd: Usd, pool: str, expires: timedelta | None, reason: str
) -> CommandResult:
    """Add credit to an account."""
    grant = Grant(usd, Pool(pool), reason, lasts=expires)
    with changing(f"ledger export {ids.show('acct', account_id)}"):
        given = await grant_credit(session.conn, session.world, account_id, grant, run_due=_hooks(session).run_due)
    document = plain_document(CreditDocument.of(given))
    until = f" until {document['expires_at']}" if given.expires_at else ""
    return CommandResult(document, [f"{given.amount} USD granted to {document['account']}, {given.pool}{until}"])


async def _limits_in_force(session: CommandSession, account: Account) -> PlanLimits:
    """Return the account's limits as a server with these settings enforces them."""
    stored = await read_credentials(session.conn, credential_seal(session.root, session.world.entropy))
    secret_of = credential_lookup(session.settings, stored)
    policy = load_edition(session.settings.edition)
    sold = build_snapshot(read_catalog(session.settings), policy, secret_of, session.world.clock, (account.plan, 0))
    return account_limits(account.limits.rates, account.limits.key_rates, sold.limits)


def _hooks(session: CommandSession) -> RewardHooks:
    policy = load_edition(session.settings.edition)
    return RewardHooks(session.world, lambda: policy)


def _shown(account: Account, policy: Policy) -> CommandResult:
    document = plain_document(AccountDocument.of(account, policy))
    terms = document["terms"] or {}
    words = {name: terms[name] for name in ("label", "service_fee_bp", "sla", "support") if terms}
    shown = {**document, "plan": document["plan"] or "default", **words}
    del shown["terms"]
    return CommandResult(document, list(field_lines({name: _plain(value) for name, value in shown.items()})))


def _plain(value: Any) -> Any:
    """Join a list or a mapping into one line; return anything else as it is."""
    if isinstance(value, Mapping):
        stated = [f"{name.replace('_', '-')}={each}" for name, each in value.items() if each is not None]
        return " ".join(stated) or "default"
    return ", ".join(value) if isinstance(value, list) else value


def _budget_rows(account: Account) -> Iterator[tuple[str, str, str | None]]:
    """Yield (name, limit, origin) per period: the lower of the operator's limit and the account's own budget."""
    for name, limit, own in (
        ("daily_usd", account.limits.daily, account.budgets.daily),
        ("monthly_usd", account.limits.monthly, account.budgets.monthly),
    ):
        found = lower_budget(own, limit)
        origin = None if found is None else "the account" if found == limit else "its own budget"
        yield name, "unlimited" if found is None else str(found), origin


def _stated(option: int | None) -> Any:
    """Convert an option to a change: UNSET if not given, None for `default` and for a budget of 0, else the limit."""
    if option is None:
        return UNSET
    return None if option == AS_PLANNED or (isinstance(option, Usd) and not option) else option
