"""`providers`: our own credentials at them."""

import sys

import click

from tokenharbor.app.commands.common import Answer, Group, show_time
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.secrets import credential_seal
from tokenharbor.app.session import Session
from tokenharbor.catalog.load import load_catalog
from tokenharbor.identity.credentials import set_credential
from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.tables import did_you_mean
from tokenharbor.wire import VENDORS

_LONGEST = 16 << 10


@click.group(cls=Group)
def providers() -> None:
    """Set what we need at the providers."""


@providers.command("set")
@click.argument("name")
@click.option("--credential-stdin", is_flag=True, required=True, help="Read the vendor's key from stdin.")
@at_database
async def set_(session: Session, name: str, *, credential_stdin: bool) -> Answer:  # noqa: ARG001  it must be said
    """Store a vendor's key, encrypted. It comes before the one that the configuration points to."""
    catalog = load_catalog(session.settings.catalog, VENDORS, str(session.settings.file))
    if name not in catalog.providers:
        raise BooksRefused(f"there is no provider {name!r}{did_you_mean(name, catalog.providers)}")
    secret = _read(sys.stdin.read(_LONGEST + 1))
    now = session.world.clock.now()
    await set_credential(session.conn, credential_seal(session.root, session.world.entropy), name, secret, now)
    return Answer({"provider": name, "changed_at": show_time(now)}, [f"the credential of {name} is stored, encrypted"])


def _read(text: str) -> str:
    """What came on stdin, as a header can carry it. The messages never hold it."""
    secret = text.strip()
    if not secret:
        raise BooksRefused("no credential came on stdin")
    if len(text) > _LONGEST or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise BooksRefused("what came on stdin is not one key: printable ASCII without blanks, on one line")
    return secret
