"""What a worker is opened with: which worker of how many it is, and what the host part has for all of them."""

import asyncio
from dataclasses import dataclass

from tokenharbor.app.descriptors import ConnectionBudget
from tokenharbor.app.settings import Settings
from tokenharbor.kernel.secret import RootSecret
from tokenharbor.kernel.world import World
from tokenharbor.ledger.gateways import GatewaySlot


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
