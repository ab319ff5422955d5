"""Randomness: as many bytes as requested, never the same twice; a seed repeats its bytes."""

from tokenharbor.kernel.entropy import SeededEntropy, SystemEntropy


def test_the_systems_bytes_do_not_repeat_across_its_buffers() -> None:
    entropy = SystemEntropy()
    drawn = [entropy.bytes(16) for _ in range(1_000)]
    assert {len(each) for each in drawn} == {16}
    assert len(set(drawn)) == len(drawn)


def test_more_than_a_buffer_can_be_drawn_at_once() -> None:
    entropy = SystemEntropy()
    entropy.bytes(1)
    assert len(set(entropy.bytes(100_000))) == 256


def test_a_seed_gives_the_same_bytes_again() -> None:
    one, other = SeededEntropy(7), SeededEntropy(7)
    assert [one.bytes(5) for _ in range(4)] == [other.bytes(5) for _ in range(4)]
    assert SeededEntropy(8).bytes(8) != SeededEntropy(7).bytes(8)
