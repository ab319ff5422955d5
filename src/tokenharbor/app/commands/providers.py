"""`providers`: our credentials at providers, and their health."""

import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import click

from tokenharbor.accounts.documents import ProviderHealthDocument
from tokenharbor.accounts.providers import LONGEST_CREDENTIAL, get_provider, read_provider_health, store_credential
from tokenharbor.app.catalogue import read_catalog
from tokenharbor.app.commands.arguments import SPAN
from tokenharbor.app.commands.common import CommandResult, Group, table
from tokenharbor.app.commands.database import at_database, making_database
from tokenharbor.app.secrets import credential_seal
from tokenharbor.app.session import CommandSession
from tokenharbor.kernel.clock import show_time
from tokenharbor.kernel.documents import plain_document

_COLUMNS: Final = ("provider", "attempts", "ok", "failed", "median_ms", "last_ok_at", "last_failed_at")
_COUNTS: Final = ("failures", "alarms", "lost_usd")


@click.group(cls=Group)
def providers() -> None:
    """Store provider credentials, and show provider health. `catalog list` lists the providers."""


@providers.command("set")
@click.argument("name")
@click.option("--credential-stdin", is_flag=True, required=True, help="Read the credential from stdin.")
@making_database
async def set_(session: CommandSession, name: str, *, credential_stdin: bool) -> CommandResult:  # noqa: ARG001  required
    """Store a provider's credential, encrypted. It overrides the one from the configuration."""
    provider = get_provider(read_catalog(session.settings), name)
    seal = credential_seal(session.root, session.world.entropy)
    changed_at = await store_credential(session.conn, session.world, seal, provider=provider, credential=_read_stdin())
    document = {"provider": name, "changed_at": show_time(changed_at)}
    return CommandResult(document, [f"stored the credential of {name}, encrypted"])


def _read_stdin() -> str:
    """Read the credential from stdin. One that is too long is returned unstripped, to be refused."""
    text = sys.stdin.read(LONGEST_CREDENTIAL + 1)
    return text.strip() if len(text) <= LONGEST_CREDENTIAL else text


@providers.command()
@click.option("--last", type=SPAN, default="1h", show_default=True, metavar="SPAN", help="Period to report.")
@at_database
async def health(session: CommandSession, *, last: timedelta) -> CommandResult:
    """Show each provider's attempts, failures and alarms."""
    since = session.world.clock.now() - last
    known = read_catalog(session.settings).providers
    found = [
        plain_document(ProviderHealthDocument.of(each))
        for each in await read_provider_health(session.conn, known, since=since)
    ]
    shown = (_row(each) for each in found if each["attempts"] or each["alarms"] or each["lost_usd"])
    lines = table((*_COLUMNS, *_COUNTS), shown) or [f"no provider was called since {since:%Y-%m-%d %H:%M} UTC"]
    return CommandResult(found, lines)


def _row(found: Mapping[str, Any]) -> tuple[object, ...]:
    counts = (", ".join(f"{count} {name}" for name, count in found[key].items()) for key in _COUNTS)
    return *(found[column] for column in _COLUMNS), *counts
