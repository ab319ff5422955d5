"""Health: failed endpoints are tried last, for longer with each failure, until one success."""

from datetime import UTC, datetime, timedelta

from tokenharbor.kernel.clock import ManualClock
from tokenharbor.routing.health import Health


def test_cooling_doubles_with_each_failure_in_a_row_up_to_five_minutes() -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    health = Health(clock)
    waits = []
    for _ in range(12):
        health.record_failure("alpha/m", 2)
        waited = 0
        while health.cooling():
            clock.advance(timedelta(seconds=1))
            waited += 1
        waits.append(waited)
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]


def test_a_success_ends_the_cooling() -> None:
    health = Health(ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
    health.record_failure("alpha/m", 60)
    assert health.cooling() == {"alpha/m"}
    health.record_success("alpha/m", 12)
    assert not health.cooling()
    assert not health.failures


def test_latency_is_smoothed() -> None:
    health = Health(ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
    health.record_success("alpha/m", 100)
    health.record_success("alpha/m", 200)
    assert health.latency_ms["alpha/m"] == 120


def test_each_attempt_is_counted_once_and_a_stream_that_breaks_off_is_no_answer() -> None:
    health = Health(ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
    for _ in range(3):
        health.record_success("alpha/m", 100)
    health.record_failure("alpha/m", 2, after_content=True)
    health.record_failure("beta/m", 2)
    taken = health.take_counts()
    assert taken == {"alpha/m": (2, 1), "beta/m": (0, 1)}
    assert health.take_counts() == {}
    health.put_back(taken)
    health.record_success("beta/m", 100)
    assert health.take_counts() == {"alpha/m": (2, 1), "beta/m": (1, 1)}
