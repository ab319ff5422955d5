"""The models on sale, for the console's process: the catalogue in force, limited to providers with a credential."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import asyncpg

from tokenharbor.app.funding import charges
from tokenharbor.app.secrets import credential_lookup, credential_seal
from tokenharbor.app.settings import Settings
from tokenharbor.catalog.describe import ModelsOnSale
from tokenharbor.catalog.types import Catalog
from tokenharbor.editions.policy import Policy
from tokenharbor.gateway.snapshot import build_snapshot
from tokenharbor.identity.credentials import read_credentials
from tokenharbor.kernel.errors import DatabaseUnavailable
from tokenharbor.kernel.secret import RootSecret
from tokenharbor.kernel.world import World


@dataclass(frozen=True, slots=True)
class ConsoleParts:
    """The parts of the console's process. `policy` and `catalog` return those in force; `public_url` is the server's
    URL for browsers.
    """

    settings: Settings
    world: World
    root: RootSecret
    pool: asyncpg.Pool
    policy: Callable[[], Policy]
    catalog: Callable[[], Catalog]
    public_url: str


class ConsoleSale:
    """The models on sale. `models` describes them again when the catalogue, the policy or a credential has changed."""

    def __init__(self, parts: ConsoleParts) -> None:
        self._parts = parts
        self._stored: Mapping[str, str] = {}
        self._described: tuple[Catalog, Policy, Mapping[str, str]] | None = None
        self._models: ModelsOnSale

    async def open(self) -> None:
        """Load credentials and models; call this first. Raises DatabaseUnavailable."""
        await self._read()
        await asyncio.to_thread(self.models)

    async def reload(self) -> bool:
        """Load stored credentials again. Return False if the database is unavailable."""
        try:
            await self._read()
        except DatabaseUnavailable:
            return False
        return True

    def is_charged(self) -> bool:
        """Return whether any provider with a credential charges us."""
        secret_of = credential_lookup(self._parts.settings, self._stored)
        known = self._parts.catalog().providers.values()
        return any(charges(each) and secret_of(each) is not None for each in known)

    def models(self) -> ModelsOnSale:
        """Return the models for which a provider has a credential."""
        parts = self._parts
        now = (parts.catalog(), parts.policy(), self._stored)
        if self._described is None or any(one is not other for one, other in zip(now, self._described, strict=True)):
            secret_of = credential_lookup(parts.settings, self._stored)
            sold = build_snapshot(parts.catalog(), parts.policy(), secret_of, parts.world.clock)
            self._models, self._described = ModelsOnSale(sold.documents, tuple(sorted(sold.on_sale()))), now
        return self._models

    async def _read(self) -> None:
        seal = credential_seal(self._parts.root, self._parts.world.entropy)
        async with self._parts.pool.acquire() as conn:
            self._stored = await read_credentials(conn, seal)
