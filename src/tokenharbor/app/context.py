"""What a worker is opened with: which worker of how many it is, and what the host part has for all of them."""

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
"""From a worker's own metrics to those of all workers together."""


async def own_metrics(metrics: Metrics) -> Sequence[MetricFamily]:
    """Of a worker that is alone."""
    return metrics.families()


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What everything of a worker is opened with. `failed` gets the first fault of the work beside its server."""

    settings: Settings
    world: World
    root: RootSecret
    slot: GatewaySlot
    database_url: str
    demo_url: str
    descriptors: ConnectionBudget
    failed: asyncio.Future[None]
    gather_metrics: GatherMetrics
