"""The queue of received bodies that wait to be parsed: a few are parsed in each turn of the event loop.

Parsing is a large part of a request's work. Under overload, a loop that parses everything received before it goes on
with admitted requests finishes nothing: while it parses, more arrives than it has parsed, and each turn is longer than
the one before (decision 31). Here a turn parses so little that admitted requests and open streams get the next turn
soon. A waiting request has cost almost nothing, and leaves no trace if its client hangs up.

Short bodies skip the queue until more requests have been parsed than the next database call for holds takes; then they
wait as well. So below capacity the queue costs a request one read of an attribute, and makes no batch smaller.
"""

import asyncio
from collections import deque

from tokenharbor.kernel.errors import Overloaded

SHORT = 16 << 10
"""Bytes of a body that takes a fraction of a millisecond to parse."""
_TURN_BYTES = 64 << 10
_LEAST_BYTES = 4 << 10  # the least that a request counts, for its other work


class ReadQueue:
    """A first-in, first-out queue. `crowded`: short bodies have to wait, too."""

    def __init__(self, most: int) -> None:
        self.crowded = False
        self._most = most
        self._line: deque[tuple[asyncio.Future[None], int]] = deque()
        self._advancing = False

    @property
    def queued(self) -> int:
        """The number of requests that wait."""
        return len(self._line)

    def note_crowd(self) -> None:
        """Note that more requests have been parsed than the next call for holds takes."""
        self.crowded = True

    async def wait(self, size: int) -> None:
        """Wait for the turn to parse a body of `size` bytes. Raises Overloaded."""
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
        """Let the next few requests go, once in each turn of the loop: at least one, however large it is."""
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
