"""Decides whether one answer may serve two prompts: the guards, then the likeness of the wholes, then of each word."""

from dataclasses import dataclass
from typing import Final

from tokenharbor.cache.similar.embedder import Vectors, alignment, likeness
from tokenharbor.cache.similar.guards import disagreement
from tokenharbor.cache.similar.reading import Reading

# Fixed on development data; scripts/cache/evaluate.py shows what they do on other data.
LEAST_LIKENESS: Final = 0.85
LEAST_ALIGNMENT: Final = 0.5


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as it is compared, without its text."""

    reading: Reading
    vectors: Vectors


def mismatch(stored: Prompt, new: Prompt) -> str | None:
    """Return why the stored prompt's answer may not serve the new prompt, or None if it may."""
    if differs := disagreement(stored.reading, new.reading):
        return differs
    if likeness(stored.vectors, new.vectors) < LEAST_LIKENESS:
        return "likeness"
    return "alignment" if alignment(stored.vectors, new.vectors) < LEAST_ALIGNMENT else None
