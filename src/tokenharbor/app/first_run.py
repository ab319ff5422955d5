"""The first run: an operator's account with trial credit and a key, and a first request to paste."""

import json
import shlex
import sys
from datetime import timedelta
from pathlib import Path
from typing import Final

from tokenharbor.app.build import Harbor
from tokenharbor.editions.load import load_edition
from tokenharbor.gateway.snapshot import Snapshot
from tokenharbor.identity import store
from tokenharbor.identity.keys import make_key
from tokenharbor.identity.store import KeyRules
from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.secret import Purpose
from tokenharbor.ledger.types import Credit, Pool
from tokenharbor.ledger.wallets import Wallets

VARIABLE: Final = "TOKENHARBOR_KEY"
"""What holds a caller's key in all our examples."""

OPERATOR: Final = "operator@localhost"
TRIAL: Final = Usd.parse("5")
TRIAL_SPAN: Final = timedelta(days=30)


async def first_run(harbor: Harbor, url: str) -> list[str]:
    """The lines to print at the start. Where no key was ever issued, one is: a run that is killed half-way does
    not count. Raises Misconfigured, BooksAway.
    """
    async with harbor.pool.acquire() as conn:
        account_id = await store.account_of(conn, OPERATOR)
        if await store.has_keys(conn):
            return _again(harbor, account_id)
        if account_id is None:
            edition = load_edition(harbor.settings.edition).name
            account_id = (await store.create_account(conn, harbor.world, OPERATOR, edition)).id
        await Wallets(conn).credit(_trial(harbor, account_id))
        issued = make_key(harbor.world.entropy)
        derived = harbor.root.derive(Purpose.KEY_HASHES)
        await store.add_key(
            conn, harbor.world, derived, account_id=account_id, key=issued, rules=KeyRules(name="first")
        )
    return _first(issued.key, url, harbor.snapshots.current)


def _trial(harbor: Harbor, account_id: UUID) -> Credit:
    now = harbor.world.clock.now()
    return Credit(
        entry_id=harbor.world.ids.new(),
        lot_id=harbor.world.ids.new(),
        account_id=account_id,
        pool=Pool.TRIAL,
        origin="operator",
        amount=TRIAL,
        at=now,
        reason="first run",
        expires_at=now + TRIAL_SPAN,
        reference=f"first-run/{account_id}",
    )


def _first(key: str, url: str, snapshot: Snapshot) -> list[str]:
    body = json.dumps({"model": _model(snapshot), "messages": [{"role": "user", "content": "Hello"}]})
    headers = f"-H 'Authorization: Bearer {key}' -H 'Content-Type: application/json'"
    return [
        "",
        f"Token Harbor runs at {url}",
        "",
        f"An API key with {int(TRIAL) // 10**9} USD of trial credit for {TRIAL_SPAN.days} days, shown only this once:",
        "",
        key,
        "",
        "A first request, to paste into another terminal:",
        "",
        f"curl {url}/v1/chat/completions {headers} -d {shlex.quote(body)}",
        "",
        "The examples of the page and of the docs read the key from this variable:",
        "",
        f"export {VARIABLE}={key}",
        "",
    ]


def _model(snapshot: Snapshot) -> str:
    """One that is sold without any vendor's key, else one that is sold at all."""
    sold = [offers for offers in snapshot.offers.values() if offers.ready]
    keyless = [
        offers for offers in sold if any(each.offer.endpoint.provider.auth == "none" for each in offers.ready.values())
    ]
    return next((offers.model.name for offers in keyless + sold), "MODEL")


def _again(harbor: Harbor, account_id: UUID | None) -> list[str]:
    called = sys.argv[0]
    program = called if Path(called).name == "tokenharbor" else "python -m tokenharbor"
    home = f"--home {shlex.quote(str(harbor.settings.home))}"
    if account_id is None:
        return [f"Another API key: {program} keys create ID {home} (for the ID: {program} accounts list {home})"]
    return [f"Another API key: {program} keys create {ids.show('acct', account_id)} {home}"]
