"""When two answers agree: an answer that cannot be judged does not."""

from typing import Any

import pytest

from tokenharbor.cache.similar.agreement import agree

NOBODY: Any = None
"""No embedder is asked."""


@pytest.mark.parametrize(
    ("one", "other"), [("", ""), (" ", "\n"), ("", "Yes."), ("4 bolts", "3 bolts"), ("a" * 5_000, "b")]
)
def test_what_cannot_be_judged_disagrees(one: str, other: str) -> None:
    assert not agree(NOBODY, one, other)


def test_the_same_words_agree_however_they_are_set() -> None:
    assert agree(NOBODY, "Tighten 3 bolts.", " Tighten\n3 bolts. ")
