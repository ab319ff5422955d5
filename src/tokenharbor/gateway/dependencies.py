"""The parts that the gateway is built from; the app assembles them once."""

from dataclasses import dataclass

from tokenharbor.accounts.key_state import KeyStateReader
from tokenharbor.billing.charges import Settler
from tokenharbor.billing.holds import Holds
from tokenharbor.billing.tasks import TaskBilling
from tokenharbor.gateway.account_reads import AccountReads
from tokenharbor.gateway.admit import KeyFinder
from tokenharbor.gateway.caching import Caching
from tokenharbor.gateway.conductor import Conductor
from tokenharbor.gateway.large import LargeBodies
from tokenharbor.gateway.lingering import LingeringStreams
from tokenharbor.gateway.local_limits import LocalLimits
from tokenharbor.gateway.metrics import Metrics
from tokenharbor.gateway.note_cache import NoteCache
from tokenharbor.gateway.overload import OverloadGuard
from tokenharbor.gateway.read_queue import ReadQueue
from tokenharbor.gateway.refused_calls import RefusalCounts
from tokenharbor.gateway.snapshot import CurrentSnapshot
from tokenharbor.http.client import Client
from tokenharbor.kernel.world import World
from tokenharbor.routing.health import Health


@dataclass(frozen=True, slots=True)
class Dependencies:
    """All parts of one process's gateway."""

    world: World
    snapshots: CurrentSnapshot
    ring: KeyFinder
    holds: Holds
    settler: Settler
    reads: AccountReads
    client: Client
    health: Health
    metrics: Metrics
    task_billing: TaskBilling
    lingering: LingeringStreams
    notes: NoteCache
    large: LargeBodies
    local_limits: LocalLimits
    reading: ReadQueue
    overload: OverloadGuard
    keys: KeyStateReader
    caching: Caching
    conductor: Conductor
    refusals: RefusalCounts
