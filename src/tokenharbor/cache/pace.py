"""The pace of replays: a process gives kept answers no faster than so many bytes a second, whoever asks for them."""

import asyncio

from tokenharbor.kernel.clock import Clock

SLICE = 64 << 10
"""Bytes that leave at a time."""


class Pace:
    """A bucket of bytes that fills by itself. It may run into debt, which the next one waits off: so a large answer
    is never starved by small ones.
    """

    def __init__(self, clock: Clock, bytes_a_second: int) -> None:
        self._clock = clock
        self.bytes_a_second = bytes_a_second
        self._left = float(bytes_a_second)
        self._seen = clock.monotonic()

    def take(self, size: int) -> float:
        """Take so many bytes; the seconds to wait before they may leave."""
        now = self._clock.monotonic()
        full = self.bytes_a_second
        self._left = min(full, self._left + (now - self._seen) * full)
        self._seen = now
        wait = max(0.0, -self._left / full)
        self._left -= size
        return wait

    async def wait(self, size: int) -> None:
        """Until so many bytes may leave."""
        seconds = self.take(size)
        if seconds:
            await asyncio.sleep(seconds)
