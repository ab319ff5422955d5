"""What may wait for the first content: whole events, up to a bound; one that still comes may be that content."""

from typing import Protocol

from tokenharbor.wire.neutral.failure import Failure, FailureKind

MOST_WAITING = 64 << 10
"""Bytes of whole events."""


class _Framer(Protocol):
    @property
    def pending(self) -> int: ...


class FirstContentLimit:
    """What a reader of any dialect says of it, whose vendors begin with little."""

    _framer: _Framer

    @property
    def coming(self) -> int:
        """Bytes of an event that is not whole yet and may be content; it has a bound of its own."""
        return self._framer.pending

    def most_waiting(self, sent: int) -> int:  # noqa: ARG002  for those that repeat it
        """The most bytes before the first content that answers a request of `sent` bytes."""
        return MOST_WAITING


def too_much() -> Failure:
    """Whoever says more than that gives no answer of its dialect."""
    return Failure(FailureKind.GARBAGE, message="too much data before the first content")
