"""Health: which endpoints failed recently, and for how long they are tried after the others."""

from collections import Counter
from collections.abc import Mapping

from tokenharbor.kernel.clock import Clock

_LONGEST_SECONDS = 300.0
_NEWEST_SHARE = 0.2  # the weight of a new observation in the smoothed latency
_NOBODY: frozenset[str] = frozenset()


class Health:
    """The health of endpoints as this process has seen it, by endpoint name.

    An endpoint that fails is cooling: it is tried after the others for some time, which doubles with each failure in a
    row and ends with one success. Cooling is a preference, never a boundary: a single endpoint is always tried.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: dict[str, int] = {}
        self._cooling_until: dict[str, float] = {}
        self._latency_ms: dict[str, float] = {}
        self._answered: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()

    def cooling(self) -> frozenset[str]:
        """Return the names of the endpoints that are cooling now."""
        if not self._cooling_until:
            return _NOBODY
        now = self._clock.monotonic()
        return frozenset(name for name, until in self._cooling_until.items() if until > now)

    @property
    def latency_ms(self) -> Mapping[str, float]:
        """The smoothed time to an answer's first content, in ms, of endpoints that have answered."""
        return self._latency_ms

    @property
    def failures(self) -> Mapping[str, int]:
        """The number of failures in a row of endpoints whose last attempt failed."""
        return self._failures

    def record_failure(self, name: str, seconds: float, *, after_content: bool = False) -> None:
        """Record a failure that is the endpoint's fault. `after_content`: it broke an answer that was counted as a
        success.
        """
        self._failed[name] += 1
        if after_content:
            self._answered[name] -= 1
        in_a_row = self._failures.get(name, 0)
        wait = min(seconds * 2 ** min(in_a_row, 10), _LONGEST_SECONDS)
        self._failures[name] = in_a_row + 1
        self._cooling_until[name] = self._clock.monotonic() + wait

    def record_success(self, name: str, latency_ms: float) -> None:
        """Record an answer."""
        self._answered[name] += 1
        known = self._latency_ms.get(name, latency_ms)
        self._latency_ms[name] = known + (latency_ms - known) * _NEWEST_SHARE
        if self._failures and name in self._failures:
            del self._failures[name], self._cooling_until[name]

    def take_counts(self) -> Mapping[str, tuple[int, int]]:
        """Return, for each endpoint, its answers and failures since the last call."""
        answered, failed = self._answered, self._failed
        self._answered, self._failed = Counter(), Counter()
        return {name: (answered[name], failed[name]) for name in answered.keys() | failed.keys()}

    def put_back(self, counts: Mapping[str, tuple[int, int]]) -> None:
        """Add counts again that were taken but could not be written."""
        for name, (answered, failed) in counts.items():
            self._answered[name] += answered
            self._failed[name] += failed
