"""Decides which hits of the semantic cache are compared: a random share, and the next hit after a comparison failed."""

from typing import Final

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import World

_SECONDS: Final = 150.0
"""A comparison without a result after this time counts as failed: its caller may have left."""


class DueComparisons:
    """Comparisons of one worker's hits: for each account at most one time, when its next hit is due."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._due: dict[UUID, float] = {}  # monotonic seconds; only of accounts with a comparison without a result

    def take(self, account_id: UUID, one_in: int) -> bool:
        """Return whether to compare this hit: because it is due, or by an unpredictable draw of one in `one_in`."""
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
        """Note that a comparison was counted."""
        self._due.pop(account_id, None)

    def end(self, account_id: UUID) -> None:
        """Note the end of a comparison: if it was not counted, the next hit is due."""
        if account_id in self._due:
            self._due[account_id] = self._world.clock.monotonic()
