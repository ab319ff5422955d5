"""`usage`, `receipt`: what an account used, and what one request did and cost."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import click
import msgspec

from tokenharbor.app.commands.accounts import existing
from tokenharbor.app.commands.arguments import ACCOUNT, MOMENT, REQUEST
from tokenharbor.app.commands.common import Answer, Command, table
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.session import Session
from tokenharbor.billing.receipts import write_receipt
from tokenharbor.db.partitions import lowest_id
from tokenharbor.db.queries import read_queries
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
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


@click.command(cls=Command)
@click.argument("request_id", type=REQUEST, metavar="REQUEST_ID")
@at_database
async def receipt(session: Session, request_id: UUID) -> Answer:
    """Show a request's receipt."""
    history = History(session.conn)
    owner = await history.owner(request_id)
    past = None if owner is None else await history.request(owner, request_id)
    if past is None:
        raise BooksRefused(f"no request {ids.show('req', request_id)}")
    document = msgspec.to_builtins(write_receipt(past))
    return Answer(document, list(_lines(document)))


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
