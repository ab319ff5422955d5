"""Stateless random numbers: the same seed and name give the same number, in any order of calls."""

import hashlib


def draw(seed: int, *name: object) -> float:
    """Return a number in [0, 1)."""
    digest = hashlib.blake2b(repr((seed, *name)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def draw_between(seed: int, low: int, high: int, *name: object) -> int:
    """Return a whole number from `low` to `high`, both included."""
    return min(low, high) + int(draw(seed, *name) * (abs(high - low) + 1))
