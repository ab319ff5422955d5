"""The choice of semantic cache hits that are compared."""

from datetime import UTC, datetime, timedelta

import pytest

from tokenharbor.gateway.due_comparisons import DueComparisons
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import make_world

ONE, OTHER = UUID(int=1), UUID(int=2)
ALWAYS, NEVER = 1, 2**32 - 1


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 5, 5, tzinfo=UTC))


@pytest.fixture
def due(clock: ManualClock) -> DueComparisons:
    return DueComparisons(make_world(clock, SeededEntropy(7)))


def test_one_of_ten_is_drawn(due: DueComparisons) -> None:
    taken = 0
    for _ in range(2_000):
        taken += due.take(ONE, 10)
        due.compared(ONE)
    assert 160 < taken < 240


def test_after_a_comparison_that_came_to_nothing_the_accounts_next_hit_is_due(due: DueComparisons) -> None:
    assert due.take(ONE, ALWAYS)
    assert not due.take(ONE, NEVER), "it may still come to something"
    due.end(ONE)
    assert not due.take(OTHER, NEVER), "another account's are its own"
    assert due.take(ONE, NEVER)
    assert not due.take(ONE, NEVER), "one at a time"
    due.compared(ONE)
    due.end(ONE)
    assert not due.take(ONE, NEVER)


def test_one_that_nobody_hears_of_again_was_given_up(due: DueComparisons, clock: ManualClock) -> None:
    """Others of the account that begin meanwhile put it off no further."""
    assert due.take(ONE, ALWAYS)
    clock.advance(timedelta(minutes=2))
    assert due.take(ONE, ALWAYS)
    clock.advance(timedelta(minutes=1))
    assert due.take(ONE, NEVER)
