"""File descriptors: divided so that none of their users runs out first."""

from tokenharbor.app.descriptors import divide_descriptors


def test_F1_connections_leave_descriptors_for_everything_else() -> None:
    for limit in (64, 256, 1024, 4096, 1 << 20, -1):
        shares = divide_descriptors(limit)
        assert shares.connections >= 1
        assert shares.idle_per_origin >= 1
        assert limit < 0 or 3 * shares.connections <= limit - min(256, limit // 4)
    assert divide_descriptors(1024).connections == 256
    assert divide_descriptors(1 << 20).connections == divide_descriptors(-1).connections == 10_000


def test_the_most_connections_are_those_of_all_workers_together() -> None:
    assert divide_descriptors(1 << 20, workers=4).connections == 2_500
    assert divide_descriptors(1024, workers=4).connections == 256, "the descriptors are each process's own"
