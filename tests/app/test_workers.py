"""The pauses before workers are restarted."""

from tokenharbor.app.workers import restart_pause_seconds


def test_a_worker_that_dies_is_followed_at_once_and_one_that_dies_often_after_longer_pauses() -> None:
    pauses = [restart_pause_seconds(short) for short in range(8)]
    assert pauses[:2] == [0.0, 0.0], "after a steady worker (0) as after a first short one (1)"
    assert pauses == sorted(pauses)
    assert pauses[-1] == 15.0
