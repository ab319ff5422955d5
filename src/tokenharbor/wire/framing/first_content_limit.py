"""The limit on bytes held before the first content: whole events up to a bound; an incomplete one
may be that content.
"""

from typing import Protocol

from tokenharbor.wire.neutral.failure import Failure, FailureKind

MOST_WAITING = 64 << 10
"""Bytes of whole events."""


class _Framer(Protocol):
    @property
    def pending(self) -> int: ...


class FirstContentLimit:
    """The limit for readers whose vendors send little before the first content."""

    _framer: _Framer

    @property
    def incomplete_bytes(self) -> int:
        """Bytes of an incomplete event, which may be content; it has a separate bound."""
        return self._framer.pending

    def most_waiting(self, sent: int) -> int:  # noqa: ARG002  for dialects whose answers repeat the request
        """Return the most bytes before the first content of the answer to a request of `sent` bytes."""
        return MOST_WAITING


def too_much() -> Failure:
    """Return the failure for an answer that exceeds the limit, and so is not one of its dialect."""
    return Failure(FailureKind.GARBAGE, message="too much data before the first content")
