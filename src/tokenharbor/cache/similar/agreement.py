"""Decides whether two answers to the same question say the same: any doubt counts as no."""

import re
from collections import Counter
from typing import Final

from tokenharbor.cache.similar.embedder import Embedder
from tokenharbor.cache.similar.reading import WORDS, read

LEAST_LIKENESS: Final = 0.85
_LONGEST: Final = 4_000  # characters; longer answers are not compared
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")


def agree(embedder: Embedder, one: str, other: str) -> bool:
    """Return whether two answers agree: equal but for white space, or the same facts and similar vectors."""
    if not one.strip() or not other.strip():
        return False
    if " ".join(one.split()) == " ".join(other.split()):
        return True
    if max(len(one), len(other)) > _LONGEST:
        return False
    if _facts(one) != _facts(other):
        return False
    mine, theirs = embedder.embed_long(one), embedder.embed_long(other)
    return mine is not None and theirs is not None and float(mine @ theirs) >= LEAST_LIKENESS


def _facts(text: str) -> tuple[set[str], frozenset[str], int]:
    """Return an answer's numbers, its names, and its count of negations."""
    reading = read(text)
    counted = Counter(symbol.name for symbol in reading.symbols)
    negations = sum(count for name, count in counted.items() if name in WORDS.lists["negation"])
    return set(_NUMBER.findall(text)), reading.names, negations
