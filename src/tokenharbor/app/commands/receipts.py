"""`usage`, `receipt`: what an account used, and what one request did and cost."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO

import click

from tokenharbor.app.commands.accounts import existing
from tokenharbor.app.commands.arguments import ACCOUNT, MOMENT, REQUEST
from tokenharbor.app.commands.common import Answer, Command, Group, say, settings, table
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.secrets import receipt_signer, root_secret
from tokenharbor.app.session import Session, require_home
from tokenharbor.billing.check import check_receipt, read_keys
from tokenharbor.billing.proofs import Prover
from tokenharbor.db.partitions import lowest_id
from tokenharbor.db.queries import read_queries
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.world import real_world
from tokenharbor.ledger.history import History

_USUAL_SPAN = timedelta(days=30)
_LONGEST_REQUEST = timedelta(days=1)  # an id bears the time of its request's beginning
_COUNTS = ("requests", "input", "cache_read", "cache_write", "output")


@dataclass(frozen=True, slots=True)
class Queries:
    """The SQL of usage.sql."""

    usage: str


@click.command(cls=Command)
@click.argument("account_id", type=ACCOUNT, metavar="ID")
@click.option("--from", "since", type=MOMENT, metavar="D", help="Start, a day or time (UTC); default 30 days ago.")
@click.option("--to", "until", type=MOMENT, metavar="D", help="End, a day or time (UTC), exclusive; default now.")
@at_database
async def usage(session: Session, account_id: UUID, *, since: datetime | None, until: datetime | None) -> Answer:
    """Show an account's usage and cost by day, model and provider."""
    await existing(session, account_id)
    until = until or session.world.clock.now()
    since = since or until - _USUAL_SPAN
    sql = read_queries(Queries, "tokenharbor.app", "usage.sql").usage
    bounds = lowest_id(since - _LONGEST_REQUEST), lowest_id(until)
    found = [_document(row) for row in await session.conn.fetch(sql, account_id, since, until, *bounds)]
    head = ("day", "model", "provider", *_COUNTS, "cost_usd")
    rows: list[tuple[object, ...]] = [tuple(each[name] for name in head) for each in found]
    total = sum((Usd.parse(each["cost_usd"]) for each in found), ZERO)
    lines = [*table(head, rows), f"{total} USD from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"]
    return Answer(found, lines)


class _Receipt(Group):
    """`receipt verify FILE`; anything else is the id of the request whose receipt is shown."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or _show

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            return "REQUEST_ID", _show, args
        return super().resolve_command(ctx, args)


@click.group(cls=_Receipt, subcommand_metavar="REQUEST_ID | verify FILE")
def receipt() -> None:
    """Show a request's receipt, or verify one from a file."""


@click.command(cls=Command)
@click.argument("request_id", type=REQUEST, metavar="REQUEST_ID")
@at_database
async def _show(session: Session, request_id: UUID) -> Answer:
    """Show a request's receipt with its proof, signed."""
    history = History(session.conn)
    owner = await history.owner(request_id)
    past = None if owner is None else await history.request(owner, request_id)
    if past is None:
        raise Missing(f"no request {ids.show('req', request_id)}")
    document = await Prover(session.conn, receipt_signer(session.root), session.world.clock).receipt(past)
    return Answer(document, list(_lines(document)))


@receipt.command()
@click.argument("file", type=click.File("rb"))
@click.option(
    "--keys",
    type=click.File("rb"),
    metavar="FILE",
    help="The issuer's public keys: a saved /.well-known/tokenharbor-receipts.json. Without it, those of this HOME.",
)
def verify(file: BinaryIO, keys: BinaryIO | None) -> None:
    """Verify a receipt offline. Exit 1 if it is not valid; - is stdin."""
    verdict = check_receipt(file.read(), _own_keys() if keys is None else read_keys(keys.read(), keys.name))
    lines = [f"{verdict.id} is valid", *(f"proven: {each}" for each in verdict.proven)]
    lines += [f"not proven: {each}" for each in verdict.not_proven]
    failure = None if verdict.fault is None else f"the receipt is not valid: {verdict.fault}"
    say(Answer({"ok": failure is None, **asdict(verdict)}, [] if failure else lines, failure))


def _own_keys() -> Mapping[str, bytes]:
    in_force = settings()
    require_home(in_force)
    signer = receipt_signer(root_secret(in_force, real_world().entropy))
    return {signer.key_id: signer.public_key}


def _document(row: Any) -> dict[str, Any]:
    return {
        "day": row["day"].isoformat(),
        "model": row["model"],
        "provider": row["provider"],
        **{name: row[name] for name in _COUNTS},
        "cost_usd": str(Usd(row["cost"])),
    }


def _lines(value: Any, name: str = "") -> Iterator[str]:
    """Every leaf with the path to it."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _lines(each, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _lines(each, f"{name}[{number}]")
    elif value is not None:
        yield f"{name}: {str(value).lower() if isinstance(value, bool) else value}"
