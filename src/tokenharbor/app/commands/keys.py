"""`keys`: API keys, issued with their rules, listed without themselves, revoked."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import click

from tokenharbor.accounts.documents import key_document
from tokenharbor.accounts.keys import issue_key, list_keys, revoke_key
from tokenharbor.app.catalogue import read_catalog
from tokenharbor.app.commands.arguments import ACCOUNT, KEY, NAME, NAMES, NETWORKS, SPAN, USD, Names, Networks
from tokenharbor.app.commands.common import CommandResult, Group, table
from tokenharbor.app.commands.database import at_database, changing
from tokenharbor.app.session import CommandSession
from tokenharbor.identity.store import KeyRules
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import show_time
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.secret import SecretPurpose

_RULES: Final = ("models", "providers", "deny_providers", "ip", "quota_usd", "daily_usd", "monthly_usd")


@click.group(cls=Group)
def keys() -> None:
    """Create, list and revoke API keys."""


@keys.command()
@click.argument("account_id", type=ACCOUNT, metavar="ID")
@click.option("--name", type=NAME, default="", metavar="N", help="Name of the key, up to 100 characters.")
@click.option("--quota-usd", type=USD, metavar="X", help="Spending limit in total.")
@click.option("--daily-usd", type=USD, metavar="X", help="Spending limit per UTC day.")
@click.option("--monthly-usd", type=USD, metavar="X", help="Spending limit per UTC month.")
@click.option("--models", type=NAMES, default=(), metavar="a,b", help="Allowed models; default all.")
@click.option("--providers", type=NAMES, default=(), metavar="a,b", help="Allowed providers; default all.")
@click.option("--deny-providers", type=NAMES, default=(), metavar="a,b", help="Denied providers.")
@click.option("--expires", type=SPAN, metavar="90d", help="Lifetime; default unlimited.")
@click.option("--ip", type=NETWORKS, default=(), metavar="CIDR,…", help="Allowed client addresses; default all.")
@at_database
async def create(  # noqa: PLR0913  click passes each option
    session: CommandSession,
    account_id: UUID,
    *,
    name: str,
    quota_usd: Usd | None,
    daily_usd: Usd | None,
    monthly_usd: Usd | None,
    models: Names,
    providers: Names,
    deny_providers: Names,
    expires: timedelta | None,
    ip: Networks,
) -> CommandResult:
    """Create an API key and print it. It is shown only once."""
    expires_at = None if expires is None else session.world.clock.now() + expires
    rules = KeyRules(name, models, providers, deny_providers, ip, quota_usd, daily_usd, monthly_usd, expires_at)
    derived, catalog = session.root.derive(SecretPurpose.KEY_HASHES), read_catalog(session.settings)
    with changing(f"keys list {ids.show('acct', account_id)}"):
        issued = await issue_key(
            session.conn, session.world, derived, account_id=account_id, rules=rules, catalog=catalog
        )
    return CommandResult({"id": ids.show("key", issued.id), "key": issued.key}, [issued.key])


@keys.command("list")
@click.argument("account_id", type=ACCOUNT, metavar="ID")
@at_database
async def list_all(session: CommandSession, account_id: UUID) -> CommandResult:
    """List an account's keys with their limits, oldest first."""
    found = [key_document(row) for row in await list_keys(session.conn, account_id)]
    heads = ("id", "key", "name", "created", "expires", "revoked", "rules")
    shown = ("id", "key", "name", "created_at", "expires_at", "revoked_at")
    rows = [(*(each[field] for field in shown), _rules(each)) for each in found]
    return CommandResult(found, table(heads, rows))


@keys.command()
@click.argument("key_id", type=KEY, metavar="KEYID")
@at_database
async def revoke(session: CommandSession, key_id: UUID) -> CommandResult:
    """Revoke a key. It is refused within a second; open streams finish."""
    revoked_at = await revoke_key(session.conn, session.world, key_id)
    document = {"id": ids.show("key", key_id), "revoked_at": show_time(revoked_at)}
    return CommandResult(document, [f"{document['id']} revoked at {document['revoked_at']}"])


def _rules(document: Mapping[str, Any]) -> str:
    """Those that are set, by the names of their options."""
    text = {field: value if isinstance(value, str) else ",".join(value or ()) for field, value in document.items()}
    return " ".join(f"{field.replace('_', '-')}={text[field]}" for field in _RULES if text[field])
