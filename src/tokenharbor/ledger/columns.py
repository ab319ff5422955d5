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
    shared, wallets, meters = _who_and_when(settlements)
    endings = [
        _ending(s.record, (wallet, meter, s.cost, s.fee, s.vendor_cost, s.at, s.price_version))
        for s, wallet, meter in zip(settlements, wallets, meters, strict=True)
    ]
    return "usage", *shared, endings


def release_columns(releases: Sequence[Release]) -> Sequence[Any]:
    """The arguments of `end_requests` for requests that are not."""
    shared, wallets, meters = _who_and_when(releases)
    endings = [
        _ending(r.record, (wallet, meter, 0, 0, r.loss, r.at, b""))
        for r, wallet, meter in zip(releases, wallets, meters, strict=True)
    ]
    return "loss", *shared, endings


def _ending(record: Record, money: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row type `ending`."""
    return (
        record.request_id,
        *money,
        record.model,
        record.provider,
        record.status,
        record.edition,
        record.region,
        _json(record.labels),
        record.salt,
        record.detail,
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


def _who_and_when(
    rows: Sequence[Settlement] | Sequence[Release],
) -> tuple[Sequence[Any], Sequence[int], Sequence[int]]:
    """What a batch shares, and each row's places among its accounts and keys."""
    accounts, wallets = slots([row.record.account_id for row in rows])
    keys, meters = slots([row.record.key_id for row in rows])
    at = max([row.at for row in rows])
    return (accounts, keys, at, day_end(at), month_end(at)), wallets, meters


def _json(labels: Mapping[str, str]) -> str:
    return msgspec.json.encode(labels).decode() if labels else "{}"
