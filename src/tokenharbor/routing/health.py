"""Health: which endpoints have just failed and for how long they wait behind the others."""

from collections import Counter
from collections.abc import Mapping

from tokenharbor.kernel.clock import Clock

_LONGEST_SECONDS = 300.0
_NEWEST_SHARE = 0.2  # of one observation in the smoothed latency
_NOBODY: frozenset[str] = frozenset()


class Health:
    """What this process has seen of its endpoints, by endpoint name.

    An endpoint that fails cools: it is tried after the others until its time is over, each failure in a row
    doubling the wait, and one success ends it. Cooling is a preference, never a boundary: a lone endpoint is
    always tried.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: dict[str, int] = {}
        self._cooling_until: dict[str, float] = {}
        self._latency_ms: dict[str, float] = {}
        self._answered: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()

    def cooling(self) -> frozenset[str]:
        """The endpoints that wait now."""
        if not self._cooling_until:
            return _NOBODY
        now = self._clock.monotonic()
        return frozenset(name for name, until in self._cooling_until.items() if until > now)

    @property
    def latency_ms(self) -> Mapping[str, float]:
        """The smoothed time to an answer's first content, of those that have answered."""
        return self._latency_ms

    @property
    def failures(self) -> Mapping[str, int]:
        """Failures in a row, of those whose last attempt failed."""
        return self._failures

    def record_failure(self, name: str, seconds: float, *, after_content: bool = False) -> None:
        """The endpoint failed through a fault of its own; `after_content`: in an answer that was taken for one."""
        self._failed[name] += 1
        if after_content:
            self._answered[name] -= 1
        in_a_row = self._failures.get(name, 0)
        wait = min(seconds * 2 ** min(in_a_row, 10), _LONGEST_SECONDS)
        self._failures[name] = in_a_row + 1
        self._cooling_until[name] = self._clock.monotonic() + wait

    def record_success(self, name: str, latency_ms: float) -> None:
        """The endpoint answered."""
        self._answered[name] += 1
        known = self._latency_ms.get(name, latency_ms)
        self._latency_ms[name] = known + (latency_ms - known) * _NEWEST_SHARE
        if self._failures and name in self._failures:
            del self._failures[name], self._cooling_until[name]

    def take_counts(self) -> Mapping[str, tuple[int, int]]:
        """How often each endpoint answered and failed since counts were last taken."""
        answered, failed = self._answered, self._failed
        self._answered, self._failed = Counter(), Counter()
        return {name: (answered[name], failed[name]) for name in answered.keys() | failed.keys()}

    def put_back(self, counts: Mapping[str, tuple[int, int]]) -> None:
        """Counts that were taken in vain."""
        for name, (answered, failed) in counts.items():
            self._answered[name] += answered
            self._failed[name] += failed
