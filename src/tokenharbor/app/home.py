"""HOME, as a server opens it: nobody else's until the server ends; its ids and secrets, and correct files."""

import contextlib
import fcntl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

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

_TICK_SECONDS = 0.02
_FADING_TICKS = 500


@dataclass(frozen=True, slots=True)
class LockedHome:
    """What all parts of a server are opened with. `demo_models` are what the built-in provider is asked for; `lock` is
    the descriptor of the lock that the server's first process has alone.
    """

    settings: Settings
    gateway_id: UUID
    root: RootSecret
    demo_models: tuple[str, ...]
    lock: int


@contextlib.contextmanager
def lock_home(settings: Settings, world: World) -> Iterator[LockedHome]:
    """HOME, until this server ends. Raises Misconfigured.

    Two files are locked. `serve.lock` is the first process's alone: it says that a server runs. `workers.lock` is
    inherited by its workers and goes with the last of them: when the first process is killed, they die at once, but
    not before it, and what they have written must be whole when the next server reads it.
    """
    home = settings.home
    _make(home)
    with (home / "serve.lock").open("wb") as own, (home / "workers.lock").open("wb") as inherited:
        if not _lock(own):
            raise Misconfigured(f"another server runs in {home}: stop it, or give this one its own --home")
        if not _lock(inherited, _FADING_TICKS):
            raise Misconfigured(f"workers of an earlier server still run in {home}: stop them")
        root = root_secret(settings, world.entropy)
        load_edition(settings.edition)
        demo_models = _demo_models(read_catalog(settings))
        yield LockedHome(settings, gateway_id(home, world), root, demo_models, own.fileno())


def _make(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "it is not a folder" if isinstance(error, FileExistsError) else error.strerror
        raise Misconfigured(f"cannot create HOME {home}: {why}") from None


def _lock(file: BinaryIO, ticks: int = 1) -> bool:
    """Whether the lock is ours, at the latest after so many ticks. It goes with the processes that have it."""
    for tick in range(ticks):
        if tick:
            threading.Event().wait(_TICK_SECONDS)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        return True
    return False


def _demo_models(catalog: Catalog) -> tuple[str, ...]:
    endpoints = [endpoint for model in catalog.models.values() for endpoint in model.endpoints]
    return tuple(endpoint.upstream_model for endpoint in endpoints if endpoint.provider.builtin)
