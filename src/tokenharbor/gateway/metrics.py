"""What this process has done, counted; written out for Prometheus. Labels are only canonical names."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tokenharbor.billing.alarms import Alarm, Alarms
from tokenharbor.billing.meter import Meter
from tokenharbor.kernel.clock import Clock
from tokenharbor.ledger.tasks import VendorTask
from tokenharbor.routing.health import Health

_NANO = 1_000_000_000


class Metrics(Collector):
    """Plain counters on the hot path; families are built when they are read."""

    def __init__(self, clock: Clock, health: Health, alarms: Alarms) -> None:
        self._clock = clock
        self._health = health
        self._alarms = alarms
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._seconds: Counter[str] = Counter()
        self._failures: Counter[tuple[str, str]] = Counter()
        self._counts: Counter[str] = Counter()

    def note(self, meter: Meter) -> None:
        """A request has ended, whatever its end."""
        offer = meter.offer
        provider = offer.endpoint.provider.name if offer else ""
        self._requests[meter.model, provider, meter.status] += 1
        if offer is not None:
            self._seconds[meter.model] += self._clock.monotonic() - meter.started  # type: ignore[assignment]  # Counter is typed for whole numbers
        if meter.alarms:
            for alarm, facts in meter.alarms.items():
                blamed = str(facts.get("provider", provider))  # of an attempt that another one followed
                rest = {name: value for name, value in facts.items() if name != "provider"}
                self._alarms.report(alarm, meter.request_id, blamed, meter.model, **rest)
        if meter.status != "complete" or len(meter.attempts) > 1:
            for attempt in meter.attempts:
                if attempt.outcome not in ("ok", "hung_up"):
                    self._failures[attempt.provider, attempt.outcome] += 1

    def alarm(self, alarm: Alarm, task: VendorTask) -> None:
        """What is found out about a task after its request has ended."""
        product = task.settlement.product
        self._alarms.report(alarm, task.id, product.provider, product.model)

    def note_count(self, model: str) -> None:
        """Tokens were counted: no request, and in no sum of requests."""
        self._counts[model] += 1

    def text(self) -> bytes:
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "tokenharbor_requests", "Number of finished requests.", labels=("model", "provider", "status")
        )
        for labels, count in self._requests.items():
            requests.add_metric(labels, count)
        yield requests
        seconds = CounterMetricFamily(
            "tokenharbor_request_seconds", "Total duration of finished requests, in seconds.", labels=("model",)
        )
        for model, total in self._seconds.items():
            seconds.add_metric((model,), total)
        yield seconds
        failures = CounterMetricFamily(
            "tokenharbor_upstream_failures",
            "Number of failed attempts at providers, by kind of failure.",
            labels=("provider", "kind"),
        )
        for kinds, count in self._failures.items():
            failures.add_metric(kinds, count)
        yield failures
        counts = CounterMetricFamily(
            "tokenharbor_token_counts", "Number of token count requests answered.", labels=("model",)
        )
        for model, count in self._counts.items():
            counts.add_metric((model,), count)
        yield counts
        alarms = CounterMetricFamily(
            "tokenharbor_alarms", "Number of alarms raised.", labels=("kind", "provider", "model")
        )
        for (kind, provider, model), count in self._alarms.counts.items():
            alarms.add_metric((kind, provider, model), count)
        yield alarms
        lost = CounterMetricFamily(
            "tokenharbor_lost_usd",
            "Provider cost that was not charged to an account, in USD.",
            labels=("kind", "provider"),
        )
        for (kind, provider), nano in self._alarms.lost_nano.items():
            lost.add_metric((kind, provider), nano / _NANO)
        yield lost
        cooling = GaugeMetricFamily(
            "tokenharbor_endpoint_cooling", "1 for each endpoint in cooldown after a failure.", labels=("endpoint",)
        )
        for endpoint in sorted(self._health.cooling()):
            cooling.add_metric((endpoint,), 1)
        yield cooling
