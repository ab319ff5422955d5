"""What a server sells: the snapshot in force, read from settings, catalogue, edition and stored credentials."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from tokenharbor.app.catalogue import read_catalog
from tokenharbor.app.home import ServerHome
from tokenharbor.app.secrets import credential_seal, secret_of
from tokenharbor.app.settings import Settings, load_settings
from tokenharbor.app.storage import Database
from tokenharbor.catalog.load import relocate
from tokenharbor.editions.load import load_edition
from tokenharbor.gateway.snapshot import CurrentSnapshot, Snapshot, build_snapshot
from tokenharbor.identity.credentials import read_credentials
from tokenharbor.kernel.errors import BooksAway, Misconfigured
from tokenharbor.ledger.history import History
from tokenharbor.simulator.demo import demo_script
from tokenharbor.simulator.serve import start

_log = structlog.get_logger("app")


@dataclass(frozen=True, slots=True)
class SnapshotReader:
    """Reads a snapshot, and writes its prices into the books before anything is sold by it."""

    home: ServerHome
    database: Database
    demo_url: str

    async def read(self, settings: Settings) -> Snapshot:
        """Raises Misconfigured, BooksAway."""
        world, pool = self.home.world, self.database.pool
        stored = await read_credentials(pool, credential_seal(self.home.root, world.entropy))
        catalog = relocate(read_catalog(settings), f"{self.demo_url}/v1")
        policy = load_edition(settings.edition)
        snapshot = build_snapshot(catalog, policy, secret_of(settings, stored), world.clock)
        await History(pool).add_prices(snapshot.prices(), world.clock.now())
        return snapshot


@dataclass(frozen=True, slots=True)
class Offering:
    """What is sold now, and how it is renewed."""

    snapshots: CurrentSnapshot
    reader: SnapshotReader

    async def reload(self) -> None:
        """Read configuration, catalogue, edition and credentials anew; a mistake in any keeps what is there."""
        stated = self.reader.home.settings
        try:
            settings = load_settings(stated.home, stated.file, stated.environ)
            self.snapshots.swap(await self.reader.read(settings))
        except (Misconfigured, BooksAway) as error:
            _log.error("not_reloaded", reason=str(error))
        except Exception as error:  # noqa: BLE001  told to the operator: a file must not end the server
            _log.error("not_reloaded", reason=f"a fault of ours: {type(error).__name__}")
        else:
            _log.info("reloaded")


@contextlib.asynccontextmanager
async def open_offering(home: ServerHome, database: Database) -> AsyncIterator[Offering]:
    """The built-in provider, started, and the first snapshot. Raises Misconfigured, BooksAway."""
    demo = await start(home.world, demo_script(home.demo_models))
    try:
        reader = SnapshotReader(home, database, demo.url)
        yield Offering(CurrentSnapshot(await reader.read(home.settings)), reader)
    finally:
        await demo.stop()
