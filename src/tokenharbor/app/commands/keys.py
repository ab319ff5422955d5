"""`keys`: API keys, issued with their rules, listed without themselves, revoked."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import click

from tokenharbor.app.commands.accounts import existing
from tokenharbor.app.commands.arguments import ACCOUNT, KEY, NAME, NAMES, NETWORKS, SPAN, USD, Names, Networks
from tokenharbor.app.commands.common import Answer, Group, show_time, table
from tokenharbor.app.commands.database import at_database, changing
from tokenharbor.app.session import Session
from tokenharbor.catalog.find import Index
from tokenharbor.catalog.load import load_catalog
from tokenharbor.catalog.types import Catalog
from tokenharbor.identity import store
from tokenharbor.identity.keys import PREFIX, make_key
from tokenharbor.identity.store import KeyRow, KeyRules
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.secret import Purpose
from tokenharbor.kernel.tables import did_you_mean
from tokenharbor.wire import VENDORS


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
    session: Session,
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
) -> Answer:
    """Create an API key and print it. It is shown only once."""
    await existing(session, account_id)
    catalog = load_catalog(session.settings.catalog, VENDORS, str(session.settings.file))
    rules = KeyRules(
        name=name,
        models=_canonical(catalog, models),
        providers=_known(catalog, providers),
        denied_providers=_known(catalog, deny_providers),
        networks=ip,
        quota=quota_usd,
        daily=daily_usd,
        monthly=monthly_usd,
        expires_at=None if expires is None else session.world.clock.now() + expires,
    )
    issued = make_key(session.world.entropy)
    derived = session.root.derive(Purpose.KEY_HASHES)
    with changing(f"keys list {ids.show('acct', account_id)}"):
        key_id = await store.add_key(session.conn, session.world, derived, account_id, (issued, rules))
    return Answer({"id": ids.show("key", key_id), "key": issued.key}, [issued.key])


@keys.command("list")
@click.argument("account_id", type=ACCOUNT, metavar="ID")
@at_database
async def list_all(session: Session, account_id: UUID) -> Answer:
    """List an account's keys with their limits, oldest first."""
    await existing(session, account_id)
    found = [_document(row) for row in await store.list_keys(session.conn, account_id)]
    heads = ("id", "key", "name", "created", "expires", "revoked", "rules")
    shown = ("id", "key", "name", "created_at", "expires_at", "revoked_at")
    rows = [(*(each[field] for field in shown), _rules(each)) for each in found]
    return Answer(found, table(heads, rows))


@keys.command()
@click.argument("key_id", type=KEY, metavar="KEYID")
@at_database
async def revoke(session: Session, key_id: UUID) -> Answer:
    """Revoke a key. It is refused within a second; open streams finish."""
    revoked_at = await store.revoke_key(session.conn, key_id, session.world.clock.now())
    document = {"id": ids.show("key", key_id), "revoked_at": show_time(revoked_at)}
    return Answer(document, [f"{document['id']} revoked at {document['revoked_at']}"])


def _canonical(catalog: Catalog, names: Names) -> Names:
    """Models by the names that the gateway compares: a rule that names nothing would shut everything out."""
    index = Index(catalog)
    found = []
    for name in names:
        model = index.find(name)
        if model is None:
            near = index.nearest(name, 1)
            hint = f"did you mean {near[0]!r}?" if near else "tokenharbor catalog list shows them all"
            raise Rejected(f"no model {name!r}; {hint}")
        found.append(model.model.name)
    return tuple(dict.fromkeys(found))


def _known(catalog: Catalog, names: Names) -> Names:
    for name in names:
        if name not in catalog.providers:
            raise Rejected(f"no provider {name!r}{did_you_mean(name, catalog.providers)}")
    return names


_RULES = ("models", "providers", "deny_providers", "ip", "quota_usd", "daily_usd", "monthly_usd")


def _rules(document: Mapping[str, Any]) -> str:
    """Those that are set, by the names of their options."""
    said = {field: value if isinstance(value, str) else ",".join(value or ()) for field, value in document.items()}
    return " ".join(f"{field.replace('_', '-')}={said[field]}" for field in _RULES if said[field])


def _document(row: KeyRow) -> dict[str, Any]:
    rules = row.rules
    return {
        "id": ids.show("key", row.id),
        "key": f"{PREFIX}{row.first4}…{row.last4}",
        "name": rules.name,
        "models": list(rules.models),
        "providers": list(rules.providers),
        "deny_providers": list(rules.denied_providers),
        "ip": [str(network) for network in rules.networks],
        "quota_usd": None if rules.quota is None else str(rules.quota),
        "daily_usd": None if rules.daily is None else str(rules.daily),
        "monthly_usd": None if rules.monthly is None else str(rules.monthly),
        "created_at": show_time(row.created_at),
        "expires_at": show_time(rules.expires_at),
        "revoked_at": show_time(row.revoked_at),
    }
