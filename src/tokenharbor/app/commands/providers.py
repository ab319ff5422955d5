"""`providers`: our own credentials at them, and how they fare."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import click

from tokenharbor.app.commands.arguments import SPAN
from tokenharbor.app.commands.common import Answer, Group, show_time, table
from tokenharbor.app.commands.database import at_database, making_database
from tokenharbor.app.secrets import credential_seal
from tokenharbor.app.session import Session
from tokenharbor.billing.alarms import Alarm
from tokenharbor.catalog.load import load_catalog
from tokenharbor.db.partitions import lowest_id
from tokenharbor.db.queries import read_queries
from tokenharbor.identity.credentials import set_credential
from tokenharbor.kernel.errors import Misconfigured, Missing, Rejected
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.tables import did_you_mean
from tokenharbor.upstream.signers import make_signer
from tokenharbor.wire import VENDORS

_LONGEST = 16 << 10
_LONGEST_REQUEST = timedelta(days=1)  # an id bears the time of its request's beginning
_LISTS = ("failures", "alarms", "lost_usd")
_HEAD = ("provider", "attempts", "ok", "failed", "median_ms", "last_ok_at", "last_failed_at")


@dataclass(frozen=True, slots=True)
class Queries:
    """The SQL of health.sql."""

    health: str
    alarms: str
    losses: str


@click.group(cls=Group)
def providers() -> None:
    """Store provider credentials and show provider health."""


@providers.command("set")
@click.argument("name")
@click.option("--credential-stdin", is_flag=True, required=True, help="Read the credential from stdin.")
@making_database
async def set_(session: Session, name: str, *, credential_stdin: bool) -> Answer:  # noqa: ARG001  it must be said
    """Store a provider's credential, encrypted. It overrides the one from the configuration."""
    catalog = load_catalog(session.settings.catalog, VENDORS, str(session.settings.file))
    if name not in catalog.providers:
        raise Missing(f"no provider {name!r}{did_you_mean(name, catalog.providers)}")
    secret = _read(sys.stdin.read(_LONGEST + 1))
    try:
        make_signer(catalog.providers[name], secret, session.world.clock)
    except Misconfigured as error:
        raise Rejected(str(error)) from None
    now = session.world.clock.now()
    await set_credential(session.conn, credential_seal(session.root, session.world.entropy), name, secret, now)
    return Answer({"provider": name, "changed_at": show_time(now)}, [f"the credential of {name} is stored, encrypted"])


@providers.command()
@click.option("--last", type=SPAN, default="1h", show_default=True, metavar="SPAN", help="Time span to report.")
@at_database
async def health(session: Session, *, last: timedelta) -> Answer:
    """Show each provider's attempts, failures and alarms."""
    catalog = load_catalog(session.settings.catalog, VENDORS, str(session.settings.file))
    since = session.world.clock.now() - last
    sql = read_queries(Queries, "tokenharbor.app", "health.sql")
    times = (lowest_id(since - _LONGEST_REQUEST), since)
    rows = await session.conn.fetch(sql.health, *times)
    alarms = await session.conn.fetch(sql.alarms, *times)
    losses = await session.conn.fetch(sql.losses, *times)
    names = sorted({*catalog.providers, *(row["provider"] for row in (*rows, *alarms, *losses))})
    found = [_fares(name, _of(name, rows)) | _alarms(_of(name, alarms)) | _lost(_of(name, losses)) for name in names]
    shown = (_row(each) for each in found if each["attempts"] or each["alarms"] or each["lost_usd"])
    lines = table((*_HEAD, *_LISTS), shown) or [f"no provider was asked since {since:%Y-%m-%d %H:%M} UTC"]
    return Answer(found, lines)


def _of(provider: str, rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["provider"] == provider]


def _alarms(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {"alarms": {row["kind"]: row["alarms"] for row in rows}}


def _lost(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """By kind of alarm, where anything was lost."""
    kinds = (Alarm.OVERRUN.value, Alarm.UNBILLED.value)
    return {"lost_usd": {kind: str(Usd(row[kind])) for row in rows for kind in kinds if row[kind]}}


def _fares(provider: str, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Who hung up before an answer is an attempt that neither served nor failed."""
    outcomes = {row["outcome"]: row for row in rows}
    served = outcomes.get("ok")
    failures = {name: row for name, row in sorted(outcomes.items()) if name not in ("ok", "hung_up")}
    return {
        "provider": provider,
        "attempts": sum(row["attempts"] for row in outcomes.values()),
        "ok": served["attempts"] if served else 0,
        "failed": sum(row["attempts"] for row in failures.values()),
        "median_ms": served["median_ms"] if served else None,
        "last_ok_at": show_time(served["latest"]) if served else None,
        "last_failed_at": show_time(max((row["latest"] for row in failures.values()), default=None)),
        "failures": {name: row["attempts"] for name, row in failures.items()},
    }


def _row(found: Mapping[str, Any]) -> tuple[object, ...]:
    lists = (", ".join(f"{count} {name}" for name, count in found[key].items()) for key in _LISTS)
    return *(found[column] for column in _HEAD), *lists


def _read(text: str) -> str:
    """What came on stdin, as a header can carry it. The messages never hold it."""
    secret = text.strip()
    if not secret:
        raise Rejected("stdin contains no credential")
    if len(text) > _LONGEST or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise Rejected("stdin must contain one credential: printable ASCII without spaces, on one line")
    return secret
