"""What the use cases of this room work with: the world, the processors, the policy, connections, and who is told."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import asyncpg

from tokenharbor.editions.policy import Policy
from tokenharbor.funding.types import Capture
from tokenharbor.identity.changes import set_actor
from tokenharbor.kernel.errors import Missing, ProcessorUnavailable
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.world import World
from tokenharbor.ledger.posting import Posting
from tokenharbor.payments.processor import Processor
from tokenharbor.payments.types import ProcessorAbility


class FundingAlarm(StrEnum):
    """What an operator must learn of payments on the first day. The values are the `kind` in logs and in the metric."""

    PAYMENT_MISMATCH = "payment_mismatch"  # a payment is not what was asked for: nothing was credited
    DISPUTE_OPENED = "dispute_opened"  # a payer disputes a payment
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"
    WITHDRAWAL_WAITS = "withdrawal_waits"  # for an approval
    WITHDRAWAL_FAILED = "withdrawal_failed"
    AUTO_TOP_UP_STOPPED = "auto_top_up_stopped"  # a brake


class RewardReturn(Protocol):
    """What of the rewards that a top-up brought goes with it: `locked` and `cashback` are taken back; `reduced` is
    cashback that was spent, and is taken from the top-up's own lot.
    """

    @property
    def locked(self) -> Usd: ...

    @property
    def cashback(self) -> Usd: ...

    @property
    def reduced(self) -> Usd: ...


class PlannedReturn(RewardReturn, Protocol):
    """Likewise, before it is done; `postings` say from which lots."""

    @property
    def postings(self) -> Sequence[Posting]: ...


@dataclass(frozen=True, slots=True)
class NothingReturned:
    """A top-up that brought no rewards."""

    locked: Usd = ZERO
    cashback: Usd = ZERO
    reduced: Usd = ZERO
    postings: Sequence[Posting] = ()


class CreditHooks(Protocol):
    """What other rooms do in the transaction of a payment or a refund. Each may raise, which undoes all of it. Each
    locks the wallet, and may post entries: what was read of the wallet before is out of date then.
    """

    async def run_due(self, conn: asyncpg.Connection, account_id: UUID) -> None:
        """Before credit moves, and after it has: what is due on the account."""
        ...

    async def captured(self, conn: asyncpg.Connection, capture: Capture) -> None:
        """After a capture was credited."""
        ...

    async def preview_return(
        self, conn: asyncpg.Connection, account_id: UUID, lot_id: UUID, amount: Usd
    ) -> PlannedReturn:
        """What `take_back` would take; nothing is changed."""
        ...

    async def take_back(
        self, conn: asyncpg.Connection, account_id: UUID, lot_id: UUID, amount: Usd, *, return_id: UUID, disputed: bool
    ) -> RewardReturn:
        """So much of a top-up's lot is about to leave, or, disputed, has left. Once for each `return_id`."""
        ...

    async def give_back(self, conn: asyncpg.Connection, account_id: UUID, *, return_id: UUID) -> None:
        """It has not left after all, or has come back: what `take_back` took returns, as far as possible."""
        ...

    async def held_back(self, conn: asyncpg.Connection, account_id: UUID) -> frozenset[UUID]:
        """Lots that may not be withdrawn yet, whatever their own terms say."""
        ...


class NoHooks:
    """Nothing else follows from payments and refunds."""

    async def run_due(self, conn: asyncpg.Connection, account_id: UUID) -> None: ...

    async def captured(self, conn: asyncpg.Connection, capture: Capture) -> None: ...

    async def preview_return(
        self, conn: asyncpg.Connection, account_id: UUID, lot_id: UUID, amount: Usd
    ) -> PlannedReturn:
        del conn, account_id, lot_id, amount
        return NothingReturned()

    async def take_back(
        self, conn: asyncpg.Connection, account_id: UUID, lot_id: UUID, amount: Usd, *, return_id: UUID, disputed: bool
    ) -> RewardReturn:
        del conn, account_id, lot_id, amount, return_id, disputed
        return NothingReturned()

    async def give_back(self, conn: asyncpg.Connection, account_id: UUID, *, return_id: UUID) -> None: ...

    async def held_back(self, conn: asyncpg.Connection, account_id: UUID) -> frozenset[UUID]:
        del conn, account_id
        return frozenset()


Report = Callable[[FundingAlarm, str, str], None]
"""Raises an alarm: its kind, the id of what it is about as it is shown, and the processor."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, by their shown id, and from where: for the audit log. "": not known."""

    actor: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Funding:
    """One process's way to payments. `acquire` gives a connection for a step: none is kept while a processor is asked.
    `pretended` names the processors with which no money moves; they are used only while `may_pretend` says so. `policy`
    is the edition in force. `public_url` is where browsers find us. `asker` is whose request it serves, if it is one's.
    """

    world: World
    processors: Mapping[str, Processor]
    pretended: frozenset[str]
    may_pretend: Callable[[], bool]
    policy: Callable[[], Policy]
    acquire: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]
    public_url: str
    report: Report
    hooks: CreditHooks
    asker: Asker = Asker()

    @contextlib.asynccontextmanager
    async def change(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection in a transaction, of whose changes the audit log says who asks for them, and our time."""
        async with self.acquire() as conn, conn.transaction():
            await set_actor(conn, self.asker.actor, self.asker.address, self.world.clock.now())
            yield conn

    def processor(self, name: str) -> Processor:
        """Raises ProcessorUnavailable for one that is configured no more: what it knows cannot be read."""
        if name not in self.processors:
            raise ProcessorUnavailable(f"the processor {name} is not configured")
        if name in self.pretended and not self.may_pretend():
            raise ProcessorUnavailable("payments are not pretended where providers charge us: configure a processor")
        return self.processors[name]

    def offered(self, ability: ProcessorAbility) -> list[Processor]:
        """The processors that the edition names and that can do it, in its order; else the pretended ones."""
        names = [name for name in self.policy().topups.processors if name in self.processors]
        pretended = sorted(self.pretended) if self.may_pretend() else []
        named = [self.processors[name] for name in names or pretended]
        return [each for each in named if ability in each.abilities]

    def known_processor(self, name: str) -> Processor:
        """The processor whose webhook it is. Raises Missing."""
        if name not in self.processors:
            raise Missing(f"no processor {name[:40]!r}")
        return self.processors[name]
