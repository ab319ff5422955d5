"""Columns: a batch of rows as the arrays that the database's functions take, with accounts and keys named by slot."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

import msgspec

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.types import Hold, Record, Release, Settlement


class _Timed(Protocol):
    @property
    def at(self) -> datetime: ...


Row = TypeVar("Row", bound=_Timed)


def by_day(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows as runs that lie in one UTC day each, so that daily and monthly budgets turn over exactly."""
    times = [row.at for row in rows]
    if min(times).date() == max(times).date():
        yield rows
        return
    begin = 0
    for i in range(1, len(rows) + 1):
        if i == len(rows) or times[i].date() != times[begin].date():
            yield rows[begin:i]
            begin = i


def hold_columns(holds: Sequence[Hold], gateway_id: UUID) -> Sequence[Any]:
    """The arguments of `place_holds`."""
    accounts, wallets = slots([hold.account_id for hold in holds])
    keys, meters = slots([hold.key_id for hold in holds])
    return (
        accounts,
        keys,
        max([hold.at for hold in holds]),
        gateway_id,
        [hold.request_id for hold in holds],
        wallets,
        meters,
        [hold.amount for hold in holds],
    )


def settlement_columns(settlements: Sequence[Settlement]) -> Sequence[Any]:
    """The arguments of `end_requests` for requests that are billed."""
    return (
        "usage",
        *_who_and_when(settlements),
        [s.cost for s in settlements],
        [s.fee for s in settlements],
        [s.vendor_cost for s in settlements],
        [s.at for s in settlements],
        [s.price_version for s in settlements],
        *_record_columns([s.record for s in settlements]),
    )


def release_columns(releases: Sequence[Release]) -> Sequence[Any]:
    """The arguments of `end_requests` for requests that are not."""
    nothing = [0] * len(releases)
    return (
        "loss",
        *_who_and_when(releases),
        nothing,
        nothing,
        [r.loss for r in releases],
        [r.at for r in releases],
        [b""] * len(releases),
        *_record_columns([r.record for r in releases]),
    )


def slots(ids: Sequence[UUID]) -> tuple[Sequence[UUID], Sequence[int]]:
    """The distinct ids, sorted, and for each given one its place among them, from 1."""
    numbers = [uuid.int for uuid in ids]
    distinct = {uuid.int: uuid for uuid in ids}
    if len(distinct) == 1:
        return [*distinct.values()], [1] * len(numbers)
    order = sorted(distinct)
    slot = {number: i for i, number in enumerate(order, 1)}
    return [distinct[number] for number in order], [slot[number] for number in numbers]


def day_end(at: datetime) -> datetime:
    return _midnight(at) + timedelta(days=1)


def month_end(at: datetime) -> datetime:
    return (_midnight(at).replace(day=1) + timedelta(days=32)).replace(day=1)


def _midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _who_and_when(rows: Sequence[Settlement] | Sequence[Release]) -> Sequence[Any]:
    accounts, wallets = slots([row.record.account_id for row in rows])
    keys, meters = slots([row.record.key_id for row in rows])
    at = max([row.at for row in rows])
    ids = [row.record.request_id for row in rows]
    return accounts, keys, at, day_end(at), month_end(at), ids, wallets, meters


def _record_columns(records: Sequence[Record]) -> Sequence[Any]:
    return (
        [r.model for r in records],
        [r.provider for r in records],
        [r.status for r in records],
        [r.edition for r in records],
        [r.region for r in records],
        [_json(r.labels) for r in records],
        [r.salt for r in records],
        [r.detail for r in records],
    )


def _json(labels: Mapping[str, str]) -> str:
    return msgspec.json.encode(labels).decode() if labels else "{}"
