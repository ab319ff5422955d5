"""The first run: creates the operator's account with trial credit, and prints a sign-in link, a key and a request."""

import json
import shlex
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg

from tokenharbor.accounts.accounts import open_account
from tokenharbor.accounts.credits import Grant, grant_credit
from tokenharbor.accounts.keys import IssuedKey, issue_key
from tokenharbor.app.context import WorkerContext
from tokenharbor.app.operators import make_operator_token, operator_link
from tokenharbor.app.server_url import name_loopback
from tokenharbor.gateway.snapshot import Snapshot
from tokenharbor.identity import store
from tokenharbor.identity.store import KeyRules
from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import NANO_PER_USD, Usd
from tokenharbor.kernel.secret import SecretPurpose
from tokenharbor.ledger.types import Pool

KEY_VARIABLE: Final = "TOKENHARBOR_KEY"
"""Environment variable of the API key in all our examples."""

OPERATOR: Final = "operator@localhost"
WELCOME_DAYS: Final = 30
WELCOME: Final = Grant(Usd.parse("5"), Pool.TRIAL, "first run", lasts=timedelta(days=WELCOME_DAYS), once="first-run")


async def first_run(
    context: WorkerContext, pool: asyncpg.Pool, url: str, load: Callable[[], Awaitable[Snapshot]]
) -> Sequence[str]:
    """Issue the first key unless one exists; return the lines to print. Raises Misconfigured, DatabaseUnavailable."""
    async with pool.acquire() as conn:
        account_id = await store.account_of(conn, OPERATOR)
        if await store.has_keys(conn):
            return _later_lines(context, account_id)
        snapshot = await load()
        issued, token = await _issue_first(context, conn, account_id, snapshot)
    return _first_lines(issued.key, token, name_loopback(url), snapshot)


async def _issue_first(
    context: WorkerContext, conn: asyncpg.Connection, account_id: UUID | None, snapshot: Snapshot
) -> tuple[IssuedKey, str]:
    """Return the operator's key and sign-in token. Opens the account if there is none, and grants its credit once."""
    world = context.world
    derived = context.root.derive(SecretPurpose.KEY_HASHES)
    async with conn.transaction():
        if account_id is None:
            edition = snapshot.policy.name
            account_id = (await open_account(conn, world, email=OPERATOR, edition=edition, welcome=WELCOME)).id
        else:
            await grant_credit(conn, world, account_id, WELCOME)
        rules = KeyRules(name="first")
        key = await issue_key(conn, world, derived, account_id=account_id, rules=rules, catalog=snapshot.catalog)
        return key, await make_operator_token(conn, world, context.root, OPERATOR)


def _first_lines(key: str, token: str, url: str, snapshot: Snapshot) -> list[str]:
    body = json.dumps({"model": _example_model(snapshot), "messages": [{"role": "user", "content": "Hello"}]})
    credit = f"{WELCOME.amount // NANO_PER_USD} USD of trial credit for {WELCOME_DAYS} days"
    headers = f"-H 'Authorization: Bearer {key}' -H 'Content-Type: application/json'"
    return [
        "",
        f"Token Harbor runs at {url}",
        "",
        "Sign in as operator (this link works once, within 24 hours):",
        "",
        operator_link(url, token),
        "",
        f"Your API key, with {credit} (shown only once):",
        "",
        key,
        "",
        "A first request, to paste into another terminal:",
        "",
        f"curl {url}/v1/chat/completions {headers} -d {shlex.quote(body)}",
        "",
        "Examples on the page and in the docs read the key from this variable:",
        "",
        f"export {KEY_VARIABLE}={key}",
        "",
    ]


def _example_model(snapshot: Snapshot) -> str:
    """Return a model that needs no provider credential, else any model on sale, else "MODEL"."""
    sold = [offers for offers in snapshot.offers.values() if offers.ready]
    keyless = [
        offers for offers in sold if any(each.endpoint.provider.auth == "none" for each in offers.ready.values())
    ]
    return next((offers.model.name for offers in keyless + sold), "MODEL")


def _later_lines(context: WorkerContext, account_id: UUID | None) -> list[str]:
    called = sys.argv[0]
    program = called if Path(called).name == "tokenharbor" else "python -m tokenharbor"
    home = f"--home {shlex.quote(str(context.settings.home))}"
    if account_id is None:
        return [f"Another API key: {program} keys create ACCOUNT {home} (accounts: {program} accounts list {home})"]
    return [f"Another API key: {program} keys create {ids.show('acct', account_id)} {home}"]
