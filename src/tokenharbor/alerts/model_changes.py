"""Notices of coming price changes and retirements, to the accounts that used the model in the last 30 days.

Requests are stored by day and account, not by model. So for each coming change the requests are scanned day by day. How
far the scan got is a row, written in one transaction with the notices of that day; a scan that is interrupted goes on
from there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import asyncpg

from tokenharbor.alerts.context import Alerting
from tokenharbor.alerts.types import NoticeKind
from tokenharbor.catalog.types import Catalog, Endpoint, Model, Price
from tokenharbor.db.each_row import EachRow
from tokenharbor.db.partitions import lowest_id
from tokenharbor.db.queries import read_queries

NOTICE_DAYS: Final = 30
"""How many days before a change its model's users are notified, and for how many days after a request an account is a
user.
"""

_NOTICES = 1000
_MOST_SECONDS = 60  # for one day of requests
_STEP = timedelta(days=1)
_LONGEST_REQUEST = timedelta(days=1)  # an id has the time when its request began; its row is written at the end


@dataclass(frozen=True, slots=True)
class ModelChangeQueries:
    """The SQL of model_changes.sql."""

    begin: str
    allow_long: str
    scanned_until: str
    set_scanned: str
    notify_users: str
    purge_notices: str


@dataclass(frozen=True, slots=True, order=True)
class ComingChange:
    """A coming change of a model, of which its users are notified: `since` is when it takes effect."""

    model: str
    kind: NoticeKind
    since: datetime


SQL = read_queries(ModelChangeQueries, "tokenharbor.alerts", "model_changes.sql")


def coming_changes(catalog: Catalog, now: datetime) -> list[ComingChange]:
    """Return the price changes and retirements of the next 30 days."""
    last = now + timedelta(days=NOTICE_DAYS)
    changes = {change for model in catalog.models.values() for change in _changes(model) if now < change.since <= last}
    return sorted(changes)


async def find_model_changes(alerting: Alerting, catalog: Catalog) -> None:
    """Write the notices of coming changes; for a job. Raises the first failure of a change after all were tried."""
    each = EachRow("model_changes")
    await each.do(coming_changes(catalog, alerting.world.clock.now()), partial(_notify_users, alerting))
    each.end()


async def _notify_users(alerting: Alerting, coming: ComingChange) -> None:
    now = alerting.world.clock.now()
    change = coming.model, coming.kind.value, coming.since
    async with alerting.acquire() as conn:
        await conn.execute(SQL.begin, *change, now - timedelta(days=NOTICE_DAYS))
        scanned: datetime = await conn.fetchval(SQL.scanned_until, *change)
        while scanned < now:
            until = min(scanned + _STEP, now)
            ids = lowest_id(scanned - _LONGEST_REQUEST), lowest_id(until)
            async with conn.transaction():
                await conn.execute(SQL.allow_long)
                await conn.execute(SQL.notify_users, *change, *ids, now, timeout=_MOST_SECONDS)
                await conn.execute(SQL.set_scanned, *change, until)
            scanned = until


async def purge_model_notices(conn: asyncpg.Connection, before: datetime) -> int:
    """Delete notices from before a time, since they say which models an account used. Return how many were deleted.

    An account that still uses a model is notified again.
    """
    notices = 0
    while deleted := await conn.fetchval(SQL.purge_notices, before, _NOTICES):
        notices += deleted
    return notices


def _changes(model: Model) -> Iterator[ComingChange]:
    if model.retires is not None:
        yield ComingChange(model.name, NoticeKind.MODEL_RETIREMENT, model.retires)
    prices = (price for endpoint in model.endpoints for price in _prices(endpoint))
    for line in (line for price in prices for line in price.components):
        if line.since is not None:
            yield ComingChange(model.name, NoticeKind.PRICE_CHANGE, line.since)


def _prices(endpoint: Endpoint) -> Iterator[Price]:
    if endpoint.price is not None:
        yield endpoint.price
    yield from (variant.price for variant in endpoint.variants)
