"""What a server is opened with: a HOME that no other server holds, its secret, and files that were found right."""

import asyncio
import contextlib
import fcntl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from tokenharbor.app.catalogue import read_catalog
from tokenharbor.app.descriptors import ConnectionBudget, claim_descriptors
from tokenharbor.app.secrets import root_secret
from tokenharbor.app.settings import Settings
from tokenharbor.catalog.types import Catalog
from tokenharbor.editions.load import load_edition
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.secret import RootSecret
from tokenharbor.kernel.world import World, real_world


@dataclass(frozen=True, slots=True)
class ServerContext:
    """What everything is opened with. `failed` gets the first fault of the work beside the server."""

    settings: Settings
    world: World
    root: RootSecret
    descriptors: ConnectionBudget
    demo_models: tuple[str, ...]
    failed: asyncio.Future[None]


@contextlib.asynccontextmanager
async def open_context(settings: Settings) -> AsyncIterator[ServerContext]:
    """HOME, until this server ends. Raises Misconfigured."""
    world, descriptors = real_world(), claim_descriptors()
    _make_home(settings.home)
    with _locked(settings.home):
        root = root_secret(settings, world.entropy)
        load_edition(settings.edition)
        demo_models = _demo_models(read_catalog(settings))
        failed = asyncio.get_running_loop().create_future()
        try:
            yield ServerContext(settings, world, root, descriptors, demo_models, failed)
        finally:
            failed.cancel()


def _make_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "it is not a folder" if isinstance(error, FileExistsError) else error.strerror
        raise Misconfigured(f"cannot create HOME {home}: {why}") from None


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One server for a HOME: the lock goes with the process, however it ends."""
    with (home / "serve.lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Misconfigured(f"another server runs in {home}: stop it, or give this one its own --home") from None
        yield


def _demo_models(catalog: Catalog) -> tuple[str, ...]:
    endpoints = [endpoint for model in catalog.models.values() for endpoint in model.endpoints]
    return tuple(endpoint.upstream_model for endpoint in endpoints if endpoint.provider.builtin)
