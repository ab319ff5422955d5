"""Metric families as plain data: counted per process, summed over processes, written for Prometheus."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Labels = tuple[str, ...]


class MetricKind(StrEnum):
    """How the values of several processes are combined: counters are summed, of states the greatest counts."""

    COUNTER = "counter"
    STATE = "state"  # 0 or 1, or a gauge


class MetricFamily(msgspec.Struct, frozen=True):
    """A metric, and its values by the values of its labels."""

    name: str
    help: str
    kind: MetricKind
    labels: Labels
    values: Sequence[tuple[Labels, float]]


def counter(name: str, text: str, labels: Labels, values: Iterable[tuple[Labels, float]]) -> MetricFamily:
    return MetricFamily(name, text, MetricKind.COUNTER, labels, list(values))


def state(name: str, text: str, labels: Labels, values: Iterable[tuple[Labels, float]]) -> MetricFamily:
    return MetricFamily(name, text, MetricKind.STATE, labels, list(values))


def add_up(processes: Iterable[Sequence[MetricFamily]]) -> Sequence[MetricFamily]:
    """Combine the families of all processes: each name once, in order of first appearance."""
    shapes: dict[str, MetricFamily] = {}
    sums: dict[str, dict[Labels, float]] = {}
    for families in processes:
        for family in families:
            shapes.setdefault(family.name, family)
            known = sums.setdefault(family.name, {})
            for labels, value in family.values:
                before = known.get(labels, 0)
                known[labels] = before + value if family.kind is MetricKind.COUNTER else max(before, value)
    return [msgspec.structs.replace(shape, values=list(sums[name].items())) for name, shape in shapes.items()]


def only_counters(families: Sequence[MetricFamily]) -> Sequence[MetricFamily]:
    """Return the families that stay true after their process ended."""
    return [family for family in families if family.kind is MetricKind.COUNTER]


def write_metrics(families: Sequence[MetricFamily]) -> bytes:
    """Return the families in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Families(families))
    return generate_latest(registry)


class _Families(Collector):
    """Families as a collector of Prometheus' client library."""

    def __init__(self, families: Sequence[MetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        for family in self._families:
            made = CounterMetricFamily if family.kind is MetricKind.COUNTER else GaugeMetricFamily
            metric = made(family.name, family.help, labels=family.labels)
            for labels, value in family.values:
                metric.add_metric(labels, value)
            yield metric
