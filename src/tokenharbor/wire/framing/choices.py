"""Which of an answer's choices are finished, judged by the stream: a provider may answer fewer or more than asked."""


class ChoiceTracker:
    """Nothing of a finished choice leaves while others may come: its end waits for theirs.

    `growing` are the choices whose content may leave as it comes; asking for it costs less than calling `grow`.
    """

    __slots__ = ("_asked", "_finished", "_kept", "_open", "any_finished", "growing")

    def __init__(self, asked: int) -> None:
        self._asked = asked
        self._finished: set[int] = set()
        self._kept: set[int] = set()  # of which something waits already, so that the rest must wait, too
        self._open: set[int] = set()  # with content, not finished
        self.growing: set[int] = set()  # open, and nothing of it waits
        self.any_finished = False

    @property
    def all_finished(self) -> bool:
        """Whether every choice that has begun is finished, and there is one."""
        return self.any_finished and not self._open

    def grow(self, index: int) -> bool:
        """More content has come; whether it may leave."""
        if index not in self._finished:
            self._open.add(index)
            if index not in self._kept:
                self.growing.add(index)
        return index not in self._kept

    def finish(self, index: int) -> bool:
        """Whether this was the last one that is to come."""
        self._finished.add(index)
        self._open.discard(index)
        self.growing.discard(index)
        self.any_finished = True
        return not self._open and len(self._finished) >= self._asked

    def keep(self, index: int) -> None:
        """An event with something of it waits."""
        self._kept.add(index)
        self.growing.discard(index)
