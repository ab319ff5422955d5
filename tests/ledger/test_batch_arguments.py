"""Batches as arguments: a batch lies in one UTC day, and what its rows share is sent once."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.batch_arguments import by_day, day_end, hold_arguments, month_end, release_arguments
from tokenharbor.ledger.types import Hold, Record, Release

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
A, B, K, L = (UUID(int=number) for number in (2, 1, 8, 9))


def _hold(account: UUID, key: UUID, at: datetime = NOON) -> Hold:
    return Hold(UUID(int=100), account, key, Usd(5), at)


def test_periods_end_at_utc_midnights() -> None:
    assert day_end(NOON) == datetime(2026, 12, 1, tzinfo=UTC)
    assert month_end(NOON) == datetime(2026, 12, 1, tzinfo=UTC)
    assert month_end(datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)
    assert month_end(datetime(2027, 1, 30, tzinfo=UTC)) == datetime(2027, 2, 1, tzinfo=UTC)
    east = timezone(timedelta(hours=8))
    assert day_end(datetime(2026, 11, 30, 3, tzinfo=east)) == datetime(2026, 11, 30, tzinfo=UTC)


def test_a_batch_is_cut_at_midnight_and_keeps_its_order() -> None:
    first, second = _hold(A, K), _hold(B, L)
    late, last = _hold(A, K, NOON + timedelta(hours=12)), _hold(A, K, NOON + timedelta(hours=13))
    assert list(by_day([first, second])) == [[first, second]]
    assert list(by_day([first, second, late, last, first])) == [[first, second], [late, last], [first]]


def test_accounts_and_keys_are_sorted_and_each_row_names_its_pair() -> None:
    arguments = hold_arguments([_hold(A, L), _hold(B, K), _hold(A, L)], UUID(int=7))
    assert arguments[:4] == ([B, A], [K, L], [2, 1], [2, 1])
    assert [row[1] for row in arguments[-1]] == [1, 2, 1]


def test_kinds_are_sent_once_and_times_as_distances() -> None:
    def release(model: str, at: datetime, **labels: str) -> Release:
        record = Record(UUID(int=100), A, K, model, "p", "failed", b"{}", b"s", "e", labels=labels)
        return Release(record, Usd(3), at)

    rows = [release("m", NOON - timedelta(microseconds=7)), release("n", NOON, team="x"), release("m", NOON)]
    arguments: Any = release_arguments(rows)
    models, labels = arguments[8], arguments[13]
    assert (models, labels) == (["m", "n"], ["{}", '{"team":"x"}'])
    assert [(row[2], row[3]) for row in arguments[-1]] == [(1, 7), (2, 0), (1, 0)]
