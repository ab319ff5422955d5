"""What is sold, as the console's process knows it: the catalogue in force, with the credentials that are stored."""

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
    """What there is in the console's process. `policy` and `catalog` are those in force; `public_url` is where browsers
    find us.
    """

    settings: Settings
    world: World
    root: RootSecret
    pool: asyncpg.Pool
    policy: Callable[[], Policy]
    catalog: Callable[[], Catalog]
    public_url: str


class ConsoleSale:
    """What is on sale. Credentials are read again when one changes, models are described again when anything does."""

    def __init__(self, parts: ConsoleParts) -> None:
        self._parts = parts
        self._stored: Mapping[str, str] = {}
        self._described: tuple[Catalog, Policy, Mapping[str, str]] | None = None
        self._models: ModelsOnSale

    async def open(self) -> None:
        """Before anything else. Raises DatabaseUnavailable."""
        await self._read()
        await asyncio.to_thread(self.models)

    async def reload(self) -> bool:
        """False where the database did not answer."""
        try:
            await self._read()
        except DatabaseUnavailable:
            return False
        return True

    def is_charged(self) -> bool:
        """Whether a provider is ready that sends us a bill."""
        secret_of = credential_lookup(self._parts.settings, self._stored)
        known = self._parts.catalog().providers.values()
        return any(charges(each) and secret_of(each) is not None for each in known)

    def models(self) -> ModelsOnSale:
        """The models that somebody can serve here."""
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
