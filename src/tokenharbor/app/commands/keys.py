"""`keys`: API keys: created with rules, listed (without the secret), changed and revoked."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

import click

from tokenharbor.accounts.documents import KeyDocument
from tokenharbor.accounts.keys import KeyChange, change_key, change_rules, issue_key, list_keys, revoke_key
from tokenharbor.app.catalogue import read_catalog
from tokenharbor.app.commands.arguments import ACCOUNT, ALLOWED, DENIED, KEY, LIFETIME, NAME, NETWORKS, RATE, USD_LIMIT
from tokenharbor.app.commands.common import CommandResult, Group, table
from tokenharbor.app.commands.database import at_database, changing
from tokenharbor.app.session import CommandSession
from tokenharbor.editions.load import load_edition
from tokenharbor.identity.store import KeyRules
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import show_time
from tokenharbor.kernel.documents import plain_document
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.secret import SecretPurpose

_RULES: Final = (
    *("label", "models", "providers", "deny_providers", "ip", "quota_usd", "daily_usd", "monthly_usd"),
    *("rpm", "tpm", "concurrency"),
)
_OPTIONS: Final = (
    click.option("--name", type=NAME, metavar="TEXT", help="Name, up to 100 characters."),
    click.option("--label", type=NAME, metavar="TEXT", help="Label to group keys by, such as a project."),
    click.option("--quota-usd", type=USD_LIMIT, metavar="USD", help="Total spending limit; 0 is unlimited."),
    click.option("--daily-usd", type=USD_LIMIT, metavar="USD", help="Spending limit per UTC day; 0 is unlimited."),
    click.option("--monthly-usd", type=USD_LIMIT, metavar="USD", help="Spending limit per UTC month; 0 is unlimited."),
    click.option("--rpm", type=RATE, metavar="N", help="Requests per minute; 0: only the account's limit."),
    click.option("--tpm", type=RATE, metavar="N", help="Tokens per minute; 0: only the account's limit."),
    click.option("--concurrency", type=RATE, metavar="N", help="Requests open at once; 0: only the account's limit."),
    click.option("--models", type=ALLOWED, metavar="a,b", help="Allowed models, or any."),
    click.option("--providers", type=ALLOWED, metavar="a,b", help="Allowed providers, or any."),
    click.option("--deny-providers", type=DENIED, metavar="a,b", help="Denied providers, or none."),
    click.option("--expires", type=LIFETIME, metavar="90d", help="Lifetime from now, or never."),
    click.option("--ip", type=NETWORKS, metavar="CIDR,…", help="Allowed client addresses, or any."),
)
_LISTS: Final = {
    "name": "name",
    "label": "label",
    "models": "models",
    "providers": "providers",
    "deny_providers": "denied_providers",
    "ip": "networks",
}
_LIMITS: Final = {
    "quota_usd": "quota",
    "daily_usd": "daily",
    "monthly_usd": "monthly",
    "rpm": "rpm",
    "tpm": "tpm",
    "concurrency": "concurrency",
}
"""Options by the field of a key's rules that each sets."""

F = TypeVar("F", bound=Callable[..., object])


def rule_options(command: F) -> F:
    """Add the options that set a key's rules."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group(cls=Group)
def keys() -> None:
    """Create, list, change and revoke API keys."""


@keys.command()
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@rule_options
@at_database
async def create(session: CommandSession, /, account_id: UUID, **options: Any) -> CommandResult:
    """Create an API key and print it. The key is shown only once."""
    rules = change_rules(KeyRules(), _change(options, session.world.clock.now()))
    derived, catalog = session.root.derive(SecretPurpose.KEY_HASHES), read_catalog(session.settings)
    also = load_edition(session.settings.edition).orchestra.names
    with changing(f"keys list {ids.show('acct', account_id)}"):
        issued = await issue_key(
            session.conn, session.world, derived, account_id=account_id, rules=rules, catalog=catalog, also=also
        )
    return CommandResult({"id": ids.show("key", issued.id), "key": issued.key}, [issued.key])


@keys.command()
@click.argument("key_id", type=KEY, metavar="KEY_ID")
@rule_options
@at_database
async def change(session: CommandSession, /, key_id: UUID, **options: Any) -> CommandResult:
    """Change a key's rules. Rules not given stay as they are. Takes effect within a second."""
    wanted = _change(options, session.world.clock.now())
    if wanted == KeyChange():
        raise click.UsageError("nothing to change: give at least one option")
    also = load_edition(session.settings.edition).orchestra.names
    row = await change_key(session.conn, key_id, wanted, catalog=read_catalog(session.settings), also=also)
    document = plain_document(KeyDocument.of(row))
    return CommandResult(document, [f"{document['id']}: {_rules(document) or 'no rules'}"])


@keys.command("list")
@click.argument("account_id", type=ACCOUNT, metavar="ACCOUNT")
@at_database
async def list_all(session: CommandSession, account_id: UUID) -> CommandResult:
    """List an account's keys and their limits, oldest first."""
    found = [plain_document(KeyDocument.of(row)) for row in await list_keys(session.conn, account_id)]
    heads = ("id", "key", "name", "created", "expires", "revoked", "rules")
    shown = ("id", "key", "name", "created_at", "expires_at", "revoked_at")
    rows = [(*(each[field] for field in shown), _rules(each)) for each in found]
    return CommandResult(found, table(heads, rows))


@keys.command()
@click.argument("key_id", type=KEY, metavar="KEY_ID")
@at_database
async def revoke(session: CommandSession, key_id: UUID) -> CommandResult:
    """Revoke a key. Takes effect within a second; open streams finish."""
    revoked_at = await revoke_key(session.conn, session.world, key_id)
    document = {"id": ids.show("key", key_id), "revoked_at": show_time(revoked_at)}
    return CommandResult(document, [f"{document['id']} revoked at {document['revoked_at']}"])


def _change(options: Mapping[str, Any], now: datetime) -> KeyChange:
    """Convert the options given to a change of a key's rules; a limit of 0 becomes None."""
    stated = {option: value for option, value in options.items() if value is not None}
    fields = {field: stated[option] for option, field in _LISTS.items() if option in stated}
    fields |= {field: stated[option] or None for option, field in _LIMITS.items() if option in stated}
    if "expires" in stated:
        fields["expires_at"] = now + stated["expires"] if stated["expires"] else None
    return KeyChange(**fields)


def _rules(document: Mapping[str, Any]) -> str:
    """Format the rules that are set, as `option=value`."""
    text = {field: ",".join(value) if isinstance(value, list) else value for field, value in document.items()}
    return " ".join(f"{field.replace('_', '-')}={text[field]}" for field in _RULES if text[field])
