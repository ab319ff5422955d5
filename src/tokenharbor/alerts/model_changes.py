"""Coming changes of models: who used one in the last 30 days is told that its price changes, or that it is retired.

Requests are kept by day and account, not by model. So they are read by the day, each day once or twice for each coming
change: how far is a row, and a look that is cut off goes on there. What is found in a day and how far the look came are
written in one transaction.
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
"""How long before a change the model's users are told, and how long ago somebody is a user."""

_NOTICES = 1000
_MOST_SECONDS = 60  # for a day of requests
_STEP = timedelta(days=1)
_LONGEST_REQUEST = timedelta(days=1)  # an id bears the time of its request's beginning, and its row comes at its end


@dataclass(frozen=True, slots=True)
class ModelChangeQueries:
    """The SQL of model_changes.sql."""

    begin: str
    allow_long: str
    looked_until: str
    set_looked: str
    tell_users: str
    purge_notices: str


@dataclass(frozen=True, slots=True, order=True)
class ComingChange:
    """What a model's users are told of, and since when it will be so."""

    model: str
    kind: NoticeKind
    since: datetime


SQL = read_queries(ModelChangeQueries, "tokenharbor.alerts", "model_changes.sql")


def coming_changes(catalog: Catalog, now: datetime) -> list[ComingChange]:
    """Those of the next 30 days."""
    last = now + timedelta(days=NOTICE_DAYS)
    found = {change for model in catalog.models.values() for change in _changes(model) if now < change.since <= last}
    return sorted(found)


async def find_model_changes(alerting: Alerting, catalog: Catalog) -> None:
    """Write the notices that coming changes make due; for a job. Raises the first failure of one, at the end."""
    each = EachRow("model_changes")
    await each.do(coming_changes(catalog, alerting.world.clock.now()), partial(_tell_users, alerting))
    each.end()


async def _tell_users(alerting: Alerting, coming: ComingChange) -> None:
    now = alerting.world.clock.now()
    change = coming.model, coming.kind.value, coming.since
    async with alerting.acquire() as conn:
        await conn.execute(SQL.begin, *change, now - timedelta(days=NOTICE_DAYS))
        looked: datetime = await conn.fetchval(SQL.looked_until, *change)
        while looked < now:
            until = min(looked + _STEP, now)
            ids = lowest_id(looked - _LONGEST_REQUEST), lowest_id(until)
            async with conn.transaction():
                await conn.execute(SQL.allow_long)
                await conn.execute(SQL.tell_users, *change, *ids, now, timeout=_MOST_SECONDS)
                await conn.execute(SQL.set_looked, *change, until)
            looked = until


async def purge_model_notices(conn: asyncpg.Connection, before: datetime) -> int:
    """Delete notices of before a time: they say which models an account has used. Whoever still uses one is told again.
    How many.
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
