"""The metrics of this process. Label values are canonical names only."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tokenharbor.billing.alarms import Alarm, Alarms
from tokenharbor.billing.meter import Meter
from tokenharbor.cache.exact import ExactCache
from tokenharbor.gateway.metric_families import MetricFamily, counter, state, write_metrics
from tokenharbor.kernel.clock import Clock
from tokenharbor.ledger.tasks import VendorTask
from tokenharbor.routing.health import Health

_NANO = 1_000_000_000


class Metrics:
    """Plain counters for the hot path. Metric families are built when they are read."""

    def __init__(self, clock: Clock, health: Health, alarms: Alarms, cache: ExactCache | None = None) -> None:
        self._cache = cache
        self._clock = clock
        self._health = health
        self._alarms = alarms
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._repeated_refusals = 0
        self._seconds: Counter[str] = Counter()
        self._failures: Counter[tuple[str, str]] = Counter()
        self._counts: Counter[str] = Counter()
        self._overloads = 0

    def note(self, meter: Meter) -> None:
        """Count a request that has ended, in any way."""
        offer = meter.offer
        provider = offer.endpoint.provider.name if offer else ""
        self._requests[meter.model, provider, meter.status] += 1
        if offer is not None:
            self._seconds[meter.model] += self._clock.monotonic() - meter.started  # type: ignore[assignment]  # Counter is typed for whole numbers
        if meter.alarms:
            for alarm, facts in meter.alarms.items():
                blamed = str(facts.get("provider", provider))  # a failed attempt may have been at another provider
                rest = {name: value for name, value in facts.items() if name != "provider"}
                self._alarms.report(alarm, meter.request_id, blamed, meter.model, **rest)
        if meter.status != "complete" or len(meter.attempts) > 1:
            for attempt in meter.attempts:
                if attempt.outcome not in ("ok", "hung_up"):
                    self._failures[attempt.provider, attempt.outcome] += 1

    def note_repeated_refusal(self) -> None:
        """Count a request that was refused unread, because its caller's refusal was still in force."""
        self._repeated_refusals += 1

    def alarm(self, alarm: Alarm, task: VendorTask) -> None:
        """Report an alarm about a task whose request has ended."""
        product = task.settlement.product
        self._alarms.report(alarm, task.id, product.provider, product.model)

    def note_count(self, model: str) -> None:
        """Count a token count, apart from requests."""
        self._counts[model] += 1

    def note_overload(self) -> None:
        """Count a request that was refused for overload."""
        self._overloads += 1

    def text(self) -> bytes:
        return write_metrics(self.families())

    def families(self) -> Sequence[MetricFamily]:
        """Return all metrics with their current values."""
        return (
            counter(
                "tokenharbor_requests",
                "Number of finished requests.",
                ("model", "provider", "status"),
                (self._requests + Counter({("", "", "refused"): self._repeated_refusals})).items(),
            ),
            counter(
                "tokenharbor_request_seconds",
                "Total duration of finished requests, in seconds.",
                ("model",),
                _by_one(self._seconds),
            ),
            counter(
                "tokenharbor_upstream_failures",
                "Number of failed attempts at providers, by kind of failure.",
                ("provider", "kind"),
                self._failures.items(),
            ),
            counter(
                "tokenharbor_token_counts",
                "Number of token count requests answered.",
                ("model",),
                _by_one(self._counts),
            ),
            counter(
                "tokenharbor_overload_refusals",
                "Number of requests refused for overload.",
                (),
                (((), self._overloads),),
            ),
            counter(
                "tokenharbor_alarms",
                "Number of alarms raised.",
                ("kind", "provider", "model"),
                self._alarms.counts.items(),
            ),
            counter(
                "tokenharbor_lost_usd",
                "Provider cost that was not charged to an account, in USD.",
                ("kind", "provider"),
                ((labels, nano / _NANO) for labels, nano in self._alarms.lost_nano.items()),
            ),
            *self._cache_families(),
            state(
                "tokenharbor_endpoint_cooling",
                "1 for each endpoint in cooldown after a failure.",
                ("endpoint",),
                (((endpoint,), 1) for endpoint in sorted(self._health.cooling())),
            ),
        )

    def _cache_families(self) -> Sequence[MetricFamily]:
        return (
            counter(
                "tokenharbor_cache",
                "Number of cache events: lookups by result, and stored answers.",
                ("event",),
                _by_one({} if self._cache is None else self._cache.counts),
            ),
            state(
                "tokenharbor_cache_bytes",
                "Bytes of sealed answers in the memory of the exact cache.",
                (),
                (((), 0 if self._cache is None else self._cache.memory.bytes),),
            ),
        )


def _by_one(counts: Mapping[str, float]) -> Iterator[tuple[tuple[str, ...], float]]:
    return (((label,), count) for label, count in counts.items())
