"""HOME as a server opens it: locked until the server ends, with its ids, secrets and checked files."""

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
    """A server's settings, id and root secret. `demo_models` are the upstream models of the built-in provider; `lock`
    is the descriptor of the lock that only the server's first process holds.
    """

    settings: Settings
    gateway_id: UUID
    root: RootSecret
    demo_models: tuple[str, ...]
    lock: int


@contextlib.contextmanager
def lock_home(settings: Settings, world: World) -> Iterator[LockedHome]:
    """Lock HOME until this server ends, and check its files. Raises Misconfigured.

    There are two locks. Only the first process holds `serve.lock`, which says that a server runs. Its workers inherit
    `workers.lock`, which is free when the last of them is dead: if the first process is killed, its workers die shortly
    after it, and the next server must not read their files before that.
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
        why = "not a folder" if isinstance(error, FileExistsError) else error.strerror
        raise Misconfigured(f"cannot create HOME {home}: {why}") from None


def _lock(file: BinaryIO, ticks: int = 1) -> bool:
    """Try up to `ticks` times to lock a file; return whether it is locked. It is free when all its holders are dead."""
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
