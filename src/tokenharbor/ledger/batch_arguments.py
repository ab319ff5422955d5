"""The arguments of a batch: rows as what the database takes; what rows share is sent once."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

import msgspec

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.types import Hold, Record, Release, Settlement


class _Timed(Protocol):
    @property
    def at(self) -> datetime: ...


Row = TypeVar("Row", bound=_Timed)
Value = TypeVar("Value", bound=Hashable)
_MICROSECOND = timedelta(microseconds=1)


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


def hold_arguments(holds: Sequence[Hold], gateway_id: UUID) -> Sequence[Any]:
    """The arguments of `place_holds`."""
    who, payers = _payers([hold.account_id for hold in holds], [hold.key_id for hold in holds])
    rows = zip([hold.request_id for hold in holds], payers, [hold.amount for hold in holds], strict=True)
    return *who, max([hold.at for hold in holds]), gateway_id, list(rows)


def settlement_arguments(settlements: Sequence[Settlement]) -> Sequence[Any]:
    """The arguments of `end_requests` for requests that are billed."""
    money = (
        [s.cost for s in settlements],
        [s.fee for s in settlements],
        [s.vendor_cost for s in settlements],
    )
    records = [s.record for s in settlements]
    times, versions = [s.at for s in settlements], [s.price_version for s in settlements]
    beyond = any(s.cost > s.bound for s in settlements)
    bounds = [s.bound for s in settlements] if beyond else None
    return "usage", *_endings(records, times, versions, money), bounds


def release_arguments(releases: Sequence[Release]) -> Sequence[Any]:
    """The arguments of `end_requests` for requests that are not."""
    nothing = [0] * len(releases)
    money = (nothing, nothing, [r.loss for r in releases])
    return "loss", *_endings([r.record for r in releases], [r.at for r in releases], [b""] * len(releases), money)


def _endings(
    records: Sequence[Record],
    times: Sequence[datetime],
    versions: Sequence[bytes],
    money: Sequence[Sequence[int]],
) -> Sequence[Any]:
    """Column by column: a few lists cost less than many small objects."""
    who, payers = _payers([r.account_id for r in records], [r.key_id for r in records])
    what, kinds = _distinct(
        [
            (r.model, r.provider, r.status, r.edition, r.region, _json(r.labels) if r.labels else "{}", version)
            for r, version in zip(records, versions, strict=True)
        ]
    )
    at = max(times)
    rows = zip(
        [r.request_id for r in records],
        payers,
        kinds,
        [(at - time) // _MICROSECOND for time in times],
        *money,
        [r.salt for r in records],
        [r.detail for r in records],
        strict=True,
    )
    return *who, at, day_end(at), month_end(at), *map(list, zip(*what, strict=True)), list(rows)


def _payers(account_ids: Sequence[UUID], key_ids: Sequence[UUID]) -> tuple[Sequence[Any], Sequence[int]]:
    """The distinct accounts and keys, sorted, and for each pair of them the two places there; each row's pair."""
    pairs, places = _distinct(
        list(zip([uuid.int for uuid in account_ids], [uuid.int for uuid in key_ids], strict=True))
    )
    accounts, keys = {uuid.int: uuid for uuid in account_ids}, {uuid.int: uuid for uuid in key_ids}
    wallet = {number: place for place, number in enumerate(sorted(accounts), 1)}
    meter = {number: place for place, number in enumerate(sorted(keys), 1)}
    who = (
        [accounts[number] for number in wallet],
        [keys[number] for number in meter],
        [wallet[account] for account, _ in pairs],
        [meter[key] for _, key in pairs],
    )
    return who, places


def _distinct(values: Sequence[Value]) -> tuple[Sequence[Value], Sequence[int]]:
    """The distinct values, and each value's place among them, from 1."""
    distinct = list(dict.fromkeys(values))
    if len(distinct) == 1:
        return distinct, [1] * len(values)
    places = {value: place for place, value in enumerate(distinct, 1)}
    return distinct, [places[value] for value in values]


def day_end(at: datetime) -> datetime:
    return _midnight(at) + timedelta(days=1)


def month_end(at: datetime) -> datetime:
    return (_midnight(at).replace(day=1) + timedelta(days=32)).replace(day=1)


def _midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _json(labels: Mapping[str, str]) -> str:
    return msgspec.json.encode(labels).decode()
