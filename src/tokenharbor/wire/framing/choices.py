"""Tracking of an answer's finished choices by its stream, because a provider may send fewer or more
choices than asked.
"""


class ChoiceTracker:
    """The state of an answer's choices. A finished choice's end waits as long as other choices may come. `growing`
    holds the choices whose content may be sent as it comes; testing it is cheaper than calling `grow`.
    """

    __slots__ = ("_asked", "_finished", "_kept", "_open", "any_finished", "growing")

    def __init__(self, asked: int) -> None:
        self._asked = asked
        self._finished: set[int] = set()
        self._kept: set[int] = set()  # with an event that waits, so the rest must wait, too
        self._open: set[int] = set()  # with content, unfinished
        self.growing: set[int] = set()  # open, with no event that waits
        self.any_finished = False

    @property
    def all_finished(self) -> bool:
        """Whether every choice that has begun is finished, and there is one."""
        return self.any_finished and not self._open

    def grow(self, index: int) -> bool:
        """Record more content; return whether it may be sent."""
        if index not in self._finished:
            self._open.add(index)
            if index not in self._kept:
                self.growing.add(index)
        return index not in self._kept

    def finish(self, index: int) -> bool:
        """Record a finished choice; return whether it is the last one to come."""
        self._finished.add(index)
        self._open.discard(index)
        self.growing.discard(index)
        self.any_finished = True
        return not self._open and len(self._finished) >= self._asked

    def keep(self, index: int) -> None:
        """Record that an event of this choice waits."""
        self._kept.add(index)
        self.growing.discard(index)
