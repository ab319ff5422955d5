"""What the gateway is built of, put together once by the app."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from tokenharbor.billing.charges import Settler
from tokenharbor.billing.holds import Holds
from tokenharbor.billing.tasks import TaskDesk
from tokenharbor.gateway.admit import Ring
from tokenharbor.gateway.lingering import Lingering
from tokenharbor.gateway.metrics import Metrics
from tokenharbor.gateway.snapshot import CurrentSnapshot
from tokenharbor.http.client import Client
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import World
from tokenharbor.ledger.types import Balance
from tokenharbor.routing.health import Health


class AccountReads(Protocol):
    """What the gateway reads of the books. Each raises BooksError when they are away."""

    def balance(self, account_id: UUID, at: datetime) -> Awaitable[Balance]: ...

    def receipt(self, account_id: UUID, request_id: UUID) -> Awaitable[Mapping[str, Any] | None]: ...

    def receipts(self, account_id: UUID, limit: int) -> Awaitable[Sequence[Mapping[str, Any]]]: ...


@dataclass(frozen=True, slots=True)
class Dependencies:
    """One process's gateway."""

    world: World
    snapshots: CurrentSnapshot
    ring: Ring
    holds: Holds
    settler: Settler
    reads: AccountReads
    client: Client
    health: Health
    metrics: Metrics
    desk: TaskDesk
    lingering: Lingering
