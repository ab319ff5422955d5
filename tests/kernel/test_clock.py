"""Clocks: the system's is aware UTC; the manual one moves only by hand."""

from datetime import UTC, datetime, timedelta

from tokenharbor.kernel.clock import ManualClock, SystemClock


def test_the_machines_clock_is_utc_and_agrees_with_itself() -> None:
    clock = SystemClock()
    before = clock.unix_ms()
    now = clock.now()
    assert now.tzinfo is UTC
    assert before <= now.timestamp() * 1000 <= clock.unix_ms() + 1
    assert clock.monotonic() <= clock.monotonic()


def test_a_manual_clock_moves_only_by_hand() -> None:
    start = datetime(1970, 1, 2, tzinfo=UTC)
    clock = ManualClock(start)
    assert (clock.now(), clock.monotonic(), clock.unix_ms()) == (start, 0.0, 86_400_000)
    clock.advance(timedelta(milliseconds=1500))
    assert clock.now() == start + timedelta(milliseconds=1500)
    assert (clock.monotonic(), clock.unix_ms()) == (1.5, 86_401_500)
