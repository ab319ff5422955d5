"""Which hits of the semantic cache are compared: one of so many, and the next where a comparison came to nothing."""

from typing import Final

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import World

_SECONDS: Final = 150.0
"""After so long a comparison has been given up, whatever became of it: its caller may have left."""


class DueComparisons:
    """Of one worker, since its answers are its own: no more than one number for an account."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._due: dict[UUID, float] = {}  # when the next hit is due, of accounts with a comparison that is under way

    def take(self, account_id: UUID, one_in: int) -> bool:
        """Whether a hit is to be compared: drawn so that nobody can tell which, or because the one before was not."""
        now = self._world.clock.monotonic()
        due = self._due.get(account_id)
        if due is not None and due <= now:
            self._due[account_id] = now + _SECONDS
            return True
        drawn = int.from_bytes(self._world.entropy.bytes(4), "big") % one_in == 0
        if drawn:
            self._due.setdefault(account_id, now + _SECONDS)
        return drawn

    def compared(self, account_id: UUID) -> None:
        """It has been counted whether two answers agree."""
        self._due.pop(account_id, None)

    def end(self, account_id: UUID) -> None:
        """A comparison is over: if it was not counted, the next hit is due."""
        if account_id in self._due:
            self._due[account_id] = self._world.clock.monotonic()
