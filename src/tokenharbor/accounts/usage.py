"""Reports of an account's usage, divided by time, key, label of keys, model and provider."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, get_args

import asyncpg

from tokenharbor.db.partitions import lowest_id
from tokenharbor.db.queries import read_queries
from tokenharbor.identity import store
from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.rollup import UsageDimension, UsageTotal, add_up, read_totals, shorten_tail, whole_hours

UsageDivision = UsageDimension | Literal["label"]
USAGE_DIVISIONS: Sequence[UsageDivision] = (*get_args(UsageDimension), "label")

_LONGEST_REQUEST = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class UsageQueries:
    """The SQL of usage.sql."""

    request_page: str
    charges: str


SQL = read_queries(UsageQueries, "tokenharbor.accounts", "usage.sql")


@dataclass(frozen=True, slots=True)
class UsageReport:
    """The usage of an account in [since, until), which are whole hours (UTC)."""

    since: datetime
    until: datetime
    totals: Sequence[UsageTotal]


async def read_usage(
    conn: asyncpg.Connection,
    account_id: UUID,
    *,
    since: datetime,
    until: datetime,
    by: Collection[UsageDivision] = ("day", "model", "provider"),
) -> UsageReport:
    """Return the usage of requests that ended in [since, until), widened to whole hours, divided by `by`. Raises
    Missing.
    """
    await store.get_account(conn, account_id)
    await shorten_tail(conn, account_id)
    since, until = whole_hours(since, until)
    kept: list[UsageDimension] = [each for each in by if each != "label"]
    if "label" not in by:
        return UsageReport(since, until, await read_totals(conn, account_id, since=since, until=until, by=kept))
    totals = await read_totals(conn, account_id, since=since, until=until, by={*kept, "key"})
    labels = await store.read_key_labels(conn, account_id)
    return UsageReport(since, until, _by_label(totals, labels, keep_keys="key" in by))


def _by_label(totals: Sequence[UsageTotal], labels: Mapping[UUID, str], *, keep_keys: bool) -> Sequence[UsageTotal]:
    """Join totals of keys by label; "" for keys without a label and for requests whose key is unknown."""
    groups: defaultdict[_Group, list[UsageTotal]] = defaultdict(list)
    for each in totals:
        label = "" if each.key_id is None else labels.get(each.key_id, "")
        key = each.key_id if keep_keys else None
        groups[_Group(each.start, label, key, each.model, each.provider)].append(each)
    return [
        replace(add_up(found), **group._asdict())
        for group, found in sorted(groups.items(), key=lambda item: tuple(map(str, item[0])))
    ]


class _Group(NamedTuple):
    """The fields that joined totals have in common."""

    start: datetime | None
    label: str
    key_id: UUID | None
    model: str
    provider: str


def lowest_request_id(ended_since: datetime) -> UUID:
    """Return an id below those of all requests that ended since: an id has the time of its request's beginning."""
    return lowest_id(ended_since - _LONGEST_REQUEST)
