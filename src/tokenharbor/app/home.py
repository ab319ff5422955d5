"""HOME, as a server opens it: nobody else's until the server ends; its ids and secrets, and correct files."""

import contextlib
import fcntl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tokenharbor.app.catalogue import read_catalog
from tokenharbor.app.gateway_id import gateway_id
from tokenharbor.app.secrets import root_secret
from tokenharbor.app.settings import Settings
from tokenharbor.catalog.types import Catalog
from tokenharbor.editions.load import load_edition
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.secret import RootSecret
from tokenharbor.kernel.world import World


@dataclass(frozen=True, slots=True)
class LockedHome:
    """What all parts of a server are opened with. `demo_models` are what the built-in provider is asked for."""

    settings: Settings
    gateway_id: UUID
    root: RootSecret
    demo_models: tuple[str, ...]


@contextlib.contextmanager
def lock_home(settings: Settings, world: World) -> Iterator[LockedHome]:
    """HOME, until this server ends. Raises Misconfigured."""
    _make(settings.home)
    with _locked(settings.home):
        root = root_secret(settings, world.entropy)
        load_edition(settings.edition)
        yield LockedHome(settings, gateway_id(settings.home, world), root, _demo_models(read_catalog(settings)))


def _make(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "it is not a folder" if isinstance(error, FileExistsError) else error.strerror
        raise Misconfigured(f"cannot create HOME {home}: {why}") from None


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One server for a HOME: the lock goes with its processes, however they end."""
    with (home / "serve.lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Misconfigured(f"another server runs in {home}: stop it, or give this one its own --home") from None
        yield


def _demo_models(catalog: Catalog) -> tuple[str, ...]:
    endpoints = [endpoint for model in catalog.models.values() for endpoint in model.endpoints]
    return tuple(endpoint.upstream_model for endpoint in endpoints if endpoint.provider.builtin)
