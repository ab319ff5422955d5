"""Tapes, and ways to split their bytes."""

import itertools
from collections.abc import Iterator
from pathlib import Path

from hypothesis import strategies as st

TAPES = Path(__file__).parent.parent / "tapes"


def tape(dialect: str, name: str) -> bytes:
    (path,) = (path for kind in ("sse", "bin") if (path := TAPES / dialect / f"{name}.{kind}").exists())
    return path.read_bytes()


def tape_names() -> list[tuple[str, str]]:
    return sorted((path.parent.name, path.stem) for path in TAPES.glob("*/*.sse"))


def binary_tape_names() -> list[tuple[str, str]]:
    """The tapes of dialects with binary framing."""
    return sorted((path.parent.name, path.stem) for path in TAPES.glob("*/*.bin"))


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    """Split the data; empty pieces are omitted."""
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    for start, end in itertools.pairwise(edges):
        if start < end:
            yield data[start:end]


places = st.lists(st.integers(0, 5_000), max_size=30)
