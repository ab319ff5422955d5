"""The queue of bodies that are here and wait to be read: a few are read in each turn of the event loop.

To read a request is a good part of its work. A loop that reads all that has come, before it goes on with what it has
let in, finishes nothing once more is asked than it can serve: while it reads, more comes than it has read, and each
turn is longer than the one before (record 31). Here a turn reads so little that what was let in, and open streams, have
the next one soon. Who waits has cost next to nothing, and leaves no trace if it hangs up.

Short bodies pass by, until more requests have been read than the next call for holds takes: then they stand in line as
well. So below capacity this costs a request one look at an attribute, and makes no call smaller.
"""

import asyncio
from collections import deque

from tokenharbor.kernel.errors import Overloaded

SHORT = 16 << 10
"""Bytes that take a fraction of a millisecond to read."""
_TURN_BYTES = 64 << 10
_LEAST_BYTES = 4 << 10  # what a request counts at least: its other work


class ReadQueue:
    """First come, first read. `crowded`: short bodies have to wait, too."""

    def __init__(self, most: int) -> None:
        self.crowded = False
        self._most = most
        self._line: deque[tuple[asyncio.Future[None], int]] = deque()
        self._advancing = False

    @property
    def queued(self) -> int:
        """How many wait."""
        return len(self._line)

    def note_crowd(self) -> None:
        """More requests have been read than the next call for holds takes."""
        self.crowded = True

    async def wait(self, size: int) -> None:
        """Before a body of so many bytes is read. Raises Overloaded."""
        if len(self._line) >= self._most:
            raise Overloaded
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._line.append((turn, max(size, _LEAST_BYTES)))
        if not self._advancing:
            self._advancing = self.crowded = True
            loop.call_soon(self._advance)
        await turn

    def _advance(self) -> None:
        """The next few, once in each turn of the loop. One body is read however large it is."""
        line, left = self._line, _TURN_BYTES
        while line and left > 0:
            turn, size = line.popleft()
            if not turn.done():
                turn.set_result(None)
                left -= size
        if line:
            asyncio.get_running_loop().call_soon(self._advance)
        else:
            self._advancing = self.crowded = False
