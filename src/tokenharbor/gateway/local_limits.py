"""Limits of requests that hold no money (reads, token counts, dry runs), counted in this process only.

These requests are cheap, so they are limited apart from the limits that the database counts: by a one-minute window in
memory for each key, and for each address without a key. Each process counts for itself.
"""

from collections.abc import Hashable
from enum import StrEnum
from math import ceil

from tokenharbor.editions.policy import Policy
from tokenharbor.gateway.admit import KeyFinder, admit
from tokenharbor.gateway.call import Call
from tokenharbor.gateway.rate_lines import RateStatus, write_rate_lines
from tokenharbor.gateway.snapshot import CurrentSnapshot
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import RateLimited

_SECONDS = 60.0
_MOST = 100_000  # windows, about 20 MB


class LocalClass(StrEnum):
    """A class of requests that are counted together. Its value is its name in refusals."""

    READ = "reads"  # lists, receipts, balances, videos, dry runs
    COUNT = "token counts"


class _LocalWindow:
    """The current window of one key or address."""

    __slots__ = ("_clock", "ends", "limit", "used")

    def __init__(self, ends: float, clock: Clock) -> None:
        self.ends = ends
        self.limit = 0
        self.used = 0
        self._clock = clock

    def lines(self) -> bytes:
        seconds_left = max(0.0, self.ends - self._clock.monotonic())
        return write_rate_lines(RateStatus(self.limit, max(0, self.limit - self.used), seconds_left), None)


class LocalLimits:
    """Admits requests that hold no money."""

    def __init__(self, ring: KeyFinder, snapshots: CurrentSnapshot, clock: Clock) -> None:
        self._ring = ring
        self._snapshots = snapshots
        self._clock = clock
        self._windows: dict[tuple[LocalClass, Hashable], _LocalWindow] = {}

    async def admit(self, call: Call, kind: LocalClass) -> Caller:
        """Return the caller of a key, and count the request. Raises as `admit`, and RateLimited."""
        caller = await admit(self._ring, call)
        self.count(call, kind, caller)
        return caller

    async def admit_anybody(self, call: Call, kind: LocalClass) -> Caller | None:
        """Admit a request that needs no key. Return its caller, or None without a key. Raises as `admit`."""
        if call.key is not None:
            return await self.admit(call, kind)
        self._count(call, kind, call.exchange.peer, "the address")
        return None

    def count(self, call: Call, kind: LocalClass, caller: Caller) -> None:
        """Count a caller's request. Raises RateLimited."""
        self._count(call, kind, caller.key_id, "the key")

    def _count(self, call: Call, kind: LocalClass, owner: Hashable, shown: str) -> None:
        policy = self._snapshots.current.policy
        limit = _limit(policy, kind)
        if not limit:
            return
        window = self._window((kind, owner))
        window.limit = limit
        call.rates = window
        if window.used >= limit:
            seconds = max(1, ceil(window.ends - self._clock.monotonic()))
            raise RateLimited(
                f"Rate limit: {limit} {kind} a minute for {shown} (limit of edition {policy.name}), {window.used} used."
                f" Try again in {seconds} s.",
                retry_after=seconds,
            )
        window.used += 1

    def _window(self, key: tuple[LocalClass, Hashable]) -> _LocalWindow:
        now = self._clock.monotonic()
        window = self._windows.get(key)
        if window is None or now >= window.ends:
            if len(self._windows) >= _MOST:
                self._forget(now)
            window = self._windows[key] = _LocalWindow(now + _SECONDS, self._clock)
        return window

    def _forget(self, now: float) -> None:
        """Drop windows that have ended, or all if none has."""
        self._windows = {key: window for key, window in self._windows.items() if window.ends > now}
        if len(self._windows) >= _MOST:
            self._windows.clear()


def _limit(policy: Policy, kind: LocalClass) -> int:
    return policy.limits.count_rpm if kind is LocalClass.COUNT else policy.limits.read_rpm
