"""Loading of snapshots from settings, catalogue, edition and stored credentials."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

import structlog

from tokenharbor.accounts.changes import check_plans
from tokenharbor.app.catalogue import read_catalog
from tokenharbor.app.context import WorkerContext
from tokenharbor.app.pools import check_pools
from tokenharbor.app.secrets import credential_lookup, credential_seal
from tokenharbor.app.settings import Settings, load_settings
from tokenharbor.app.storage import Database
from tokenharbor.catalog.load import relocate
from tokenharbor.catalog.types import Catalog
from tokenharbor.editions.load import load_edition
from tokenharbor.editions.policy import Policy
from tokenharbor.gateway.snapshot import CurrentSnapshot, SaleKey, Snapshot, build_snapshots
from tokenharbor.identity.changes import count_plans
from tokenharbor.identity.credentials import read_credentials
from tokenharbor.kernel.errors import DatabaseUnavailable, Misconfigured
from tokenharbor.ledger.history import RequestHistory
from tokenharbor.ledger.offered_prices import add_offers

_log = structlog.get_logger("app")


@dataclass(frozen=True, slots=True)
class SnapshotLoader:
    """Loads snapshots. The prices of a snapshot are stored in the database before it is used."""

    context: WorkerContext
    database: Database

    async def load(self, settings: Settings) -> Mapping[SaleKey, Snapshot]:
        """Return the snapshots by plan and volume tier. A thread builds them, while the event loop serves.

        Raises Misconfigured, DatabaseUnavailable.
        """
        world, pool = self.context.world, self.database.pool
        stored = await read_credentials(pool, credential_seal(self.context.root, world.entropy))
        catalog = relocate(read_catalog(settings), f"{self.context.demo_url}/v1")
        policy = load_edition(settings.edition)
        check_plans(policy, await count_plans(pool), catalog)
        check_pools(settings.edition, policy, catalog)
        secret_of = credential_lookup(settings, stored)
        sales = await asyncio.to_thread(build_snapshots, catalog, policy, secret_of, world.clock)
        prices = {version: price for each in sales.values() for version, price in each.prices().items()}
        await RequestHistory(pool).add_prices(prices, world.clock.now())
        offered = {name: version for each in sales.values() for name, version in each.offered().items()}
        await add_offers(pool, offered, world.clock.now())
        return sales

    async def reload(self, snapshots: CurrentSnapshot) -> bool:
        """Reload configuration, catalogue, edition and credentials. On a mistake in any, keep the current snapshots.

        Return False if the database is unavailable.
        """
        stated = self.context.settings
        try:
            snapshots.swap(await self.load(load_settings(stated.home, stated.file, stated.environ)))
        except (Misconfigured, DatabaseUnavailable) as error:
            _log.error("not_reloaded", reason=str(error))
            return not isinstance(error, DatabaseUnavailable)
        except Exception as error:  # noqa: BLE001  logged: a file must not end the server
            _log.error("not_reloaded", reason=f"internal error: {type(error).__name__}")
        else:
            _log.info("reloaded")
        return True


@dataclass(frozen=True, slots=True)
class Snapshots:
    """The snapshots in force, and the function that reloads them."""

    current: CurrentSnapshot
    reload: Callable[[], Awaitable[bool]]

    def policy(self) -> Policy:
        """Return the policy in force."""
        return self.current.current.policy

    def catalog(self) -> Catalog:
        """Return the catalogue in force."""
        return self.current.current.catalog


async def open_snapshots(context: WorkerContext, database: Database) -> Snapshots:
    """Load the first snapshots. Raises Misconfigured, DatabaseUnavailable."""
    loader = SnapshotLoader(context, database)
    current = CurrentSnapshot(await loader.load(context.settings))
    return Snapshots(current, partial(loader.reload, current))
