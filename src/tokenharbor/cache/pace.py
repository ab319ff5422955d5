"""The pace of replays: a limit on the bytes of cached answers that one process sends per second."""

import asyncio

from tokenharbor.kernel.clock import Clock

SLICE = 64 << 10
"""Bytes that are sent at a time."""


class Pace:
    """A token bucket of bytes. It may go into debt, which the next taker waits for: so small answers never starve a
    large one.
    """

    def __init__(self, clock: Clock, bytes_a_second: int) -> None:
        self._clock = clock
        self.bytes_a_second = bytes_a_second
        self._left = float(bytes_a_second)
        self._updated_at = clock.monotonic()

    def take(self, size: int) -> float:
        """Take `size` bytes. Return the seconds to wait before sending them."""
        now = self._clock.monotonic()
        full = self.bytes_a_second
        self._left = min(full, self._left + (now - self._updated_at) * full)
        self._updated_at = now
        wait = max(0.0, -self._left / full)
        self._left -= size
        return wait

    async def wait(self, size: int) -> None:
        """Wait until `size` bytes may be sent."""
        seconds = self.take(size)
        if seconds:
            await asyncio.sleep(seconds)
