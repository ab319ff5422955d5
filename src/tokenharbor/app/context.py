"""The context that a worker is opened with."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tokenharbor.app.descriptors import ConnectionBudget
from tokenharbor.app.settings import Settings
from tokenharbor.gateway.metric_families import MetricFamily
from tokenharbor.gateway.metrics import Metrics
from tokenharbor.kernel.secret import RootSecret
from tokenharbor.kernel.world import World
from tokenharbor.ledger.gateways import GatewaySlot

GatherMetrics = Callable[[Metrics], Awaitable[Sequence[MetricFamily]]]
"""Takes a worker's own metrics, and returns those of all workers added up."""


async def own_metrics(metrics: Metrics) -> Sequence[MetricFamily]:
    """Return the metrics of a server with a single worker."""
    return metrics.families()


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """A worker's slot, settings and resources. `failed` gets the first exception of its background work."""

    settings: Settings
    world: World
    root: RootSecret
    slot: GatewaySlot
    database_url: str
    demo_url: str
    descriptors: ConnectionBudget
    failed: asyncio.Future[None]
    gather_metrics: GatherMetrics
