"""The context of funding: the world, processors, policy, connections, alarms and hooks for rewards."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
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
    """Alarms about payments that an operator must see the same day. The values are the `kind` in logs and in the
    metric.
    """

    PAYMENT_MISMATCH = "payment_mismatch"  # a payment does not match its order: nothing was credited
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"
    WITHDRAWAL_WAITS = "withdrawal_waits"  # for an approval
    WITHDRAWAL_FAILED = "withdrawal_failed"
    AUTO_TOP_UP_STOPPED = "auto_top_up_stopped"


class RewardReturn(Protocol):
    """The rewards that are taken back with a part of a top-up. `locked` is match, `cashback` is cashback that is still
    there; `reduced` is cashback that was already spent, and is taken from the top-up's own lot instead.
    """

    @property
    def locked(self) -> Usd: ...

    @property
    def cashback(self) -> Usd: ...

    @property
    def reduced(self) -> Usd: ...


class PlannedReturn(RewardReturn, Protocol):
    """The same amounts before anything is taken; `postings` say from which lots."""

    @property
    def postings(self) -> Sequence[Posting]: ...


@dataclass(frozen=True, slots=True)
class NothingReturned:
    """The result for a top-up that brought no rewards."""

    locked: Usd = ZERO
    cashback: Usd = ZERO
    reduced: Usd = ZERO
    postings: Sequence[Posting] = ()


class CreditHooks(Protocol):
    """The hooks of rewards in the transaction of a payment or a return of money. Each hook may raise, which rolls back
    that transaction. Each locks the wallet and may post entries, so a wallet that was read before is stale afterwards.
    """

    async def run_due(self, conn: asyncpg.Connection, account_id: UUID) -> None:
        """Run the rewards that are due on the account; called before credit moves, and after it has moved."""
        ...

    async def captured(self, conn: asyncpg.Connection, capture: Capture) -> None:
        """Called after a capture was credited."""
        ...

    async def preview_return(
        self, conn: asyncpg.Connection, account_id: UUID, lot_id: UUID, amount: Usd
    ) -> PlannedReturn:
        """Return what `take_back` would take, without changing anything."""
        ...

    async def take_back(
        self, conn: asyncpg.Connection, account_id: UUID, lot_id: UUID, amount: Usd, *, return_id: UUID, disputed: bool
    ) -> RewardReturn:
        """Take back the rewards for `amount` of a top-up's lot that is about to leave, or has left if `disputed`.

        Does so once for each `return_id`.
        """
        ...

    async def give_back(self, conn: asyncpg.Connection, account_id: UUID, *, return_id: UUID) -> None:
        """Give back what `take_back` took for `return_id`, as far as possible: the money did not leave, or came
        back.
        """
        ...

    async def held_back(self, conn: asyncpg.Connection, account_id: UUID) -> frozenset[UUID]:
        """Return the lots that may not be withdrawn yet, whatever their own terms say."""
        ...


class NoHooks:
    """Hooks that do nothing."""

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
"""Raises an alarm: its kind, the shown id of its subject, and the processor."""


@dataclass(frozen=True, slots=True)
class Requester:
    """The author of a request (a shown id) and their address, for the audit log; "" if unknown. `check` raises in a
    transaction if they no longer may make it, and locks the account until the transaction ends.
    """

    actor: str = ""
    address: str = ""
    check: Callable[[asyncpg.Connection], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Funding:
    """The parts of payments in a process. `acquire` gives a connection for one step: none is held while a
    processor is called. `pretended` names the processors that move no money; they are used only while `may_pretend()`
    is true. `policy()` is the edition in force. `public_url` is where browsers find this server. `requester` is the
    author of the current request, if any.
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
    requester: Requester = Requester()

    @contextlib.asynccontextmanager
    async def change(self) -> AsyncIterator[asyncpg.Connection]:
        """Open a transaction whose changes the audit log attributes to `requester`, at our clock's time. Raises as
        their `check` does.
        """
        async with self.acquire() as conn, conn.transaction():
            await set_actor(conn, self.requester.actor, self.requester.address, self.world.clock.now())
            if self.requester.check is not None:
                await self.requester.check(conn)
            yield conn

    def processor(self, name: str) -> Processor:
        """Return a processor by name. Raises ProcessorUnavailable if it is no longer configured, or may not pretend."""
        if name not in self.processors:
            raise ProcessorUnavailable(f"the processor {name} is not configured")
        if name in self.pretended and not self.may_pretend():
            raise ProcessorUnavailable(
                "pretended payments are off because a provider charges for requests: configure a processor"
            )
        return self.processors[name]

    def offered(self, ability: ProcessorAbility) -> list[Processor]:
        """Return the edition's processors with an ability, in its order; if it names none, the pretended ones."""
        names = [name for name in self.policy().topups.processors if name in self.processors]
        pretended = sorted(self.pretended) if self.may_pretend() else []
        named = [self.processors[name] for name in names or pretended]
        return [each for each in named if ability in each.abilities]

    def known_processor(self, name: str) -> Processor:
        """Return the processor that a webhook is for. Raises Missing."""
        if name not in self.processors:
            raise Missing(f"no processor {name[:40]!r}")
        return self.processors[name]
