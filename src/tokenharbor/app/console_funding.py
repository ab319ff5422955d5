"""The console's way to payments: as a server's, with its own look at whether providers charge us."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import asyncpg

from tokenharbor.app.funding import FundingParts, charges, open_funding
from tokenharbor.app.secrets import credential_lookup, credential_seal
from tokenharbor.app.settings import Settings
from tokenharbor.billing.alarms import Alarm, Alarms
from tokenharbor.catalog.types import Catalog
from tokenharbor.editions.policy import Policy
from tokenharbor.funding.context import Funding, FundingAlarm
from tokenharbor.identity.credentials import CredentialWatch, read_credentials
from tokenharbor.kernel.errors import DatabaseUnavailable
from tokenharbor.kernel.secret import RootSecret
from tokenharbor.kernel.world import World
from tokenharbor.rewards.hooks import RewardHooks


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


@contextlib.asynccontextmanager
async def open_console_funding(parts: ConsoleParts) -> AsyncIterator[Funding]:
    """Raises Misconfigured, DatabaseUnavailable."""
    watch, stored = CredentialWatch(parts.pool), _StoredCredentials(parts)
    await watch.start()
    await stored.read()
    watching = asyncio.ensure_future(watch.run(stored.reload))
    alarms = Alarms()

    def report(alarm: FundingAlarm, about: str, processor: str) -> None:
        alarms.report_payment(Alarm(alarm.value), about, processor)

    funding = FundingParts(
        acquire=parts.pool.acquire,
        policy=parts.policy,
        report=report,
        hooks=RewardHooks(parts.world, parts.policy),
        is_charged=stored.is_charged,
        public_url=parts.public_url,
    )
    try:
        async with open_funding(parts.settings, parts.world, parts.root, funding) as opened:
            yield opened
    finally:
        watching.cancel()


class _StoredCredentials:
    """Whose credentials are stored, by name; they are read again when one changes."""

    def __init__(self, parts: ConsoleParts) -> None:
        self._parts = parts
        self._ready: frozenset[str] = frozenset()

    def is_charged(self) -> bool:
        """Whether a provider is ready that sends us a bill."""
        return any(charges(each) and each.name in self._ready for each in self._parts.catalog().providers.values())

    async def reload(self) -> bool:
        try:
            await self.read()
        except DatabaseUnavailable:
            return False
        return True

    async def read(self) -> None:
        parts = self._parts
        async with parts.pool.acquire() as conn:
            stored = await read_credentials(conn, credential_seal(parts.root, parts.world.entropy))
        secret_of = credential_lookup(parts.settings, stored)
        known = parts.catalog().providers.values()
        self._ready = frozenset(each.name for each in known if secret_of(each) is not None)
