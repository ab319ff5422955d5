"""What the use cases of this room work with: the world, the processors, the policy, connections, and who is told."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import asyncpg

from tokenharbor.editions.policy import Policy
from tokenharbor.funding.types import Capture
from tokenharbor.kernel.errors import Missing, ProcessorUnavailable
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import World
from tokenharbor.payments.processor import Processor
from tokenharbor.payments.types import ProcessorAbility


class FundingAlarm(StrEnum):
    """What an operator must learn of payments on the first day. The values are the `kind` in logs and in the metric."""

    PAYMENT_MISMATCH = "payment_mismatch"  # a payment is not what was asked for: nothing was credited
    AUTO_TOP_UP_STOPPED = "auto_top_up_stopped"  # a brake


class CreditHooks(Protocol):
    """What other rooms do in the transaction of a top-up. Each may raise, which undoes all of it."""

    async def run_due(self, conn: asyncpg.Connection, account_id: UUID) -> None:
        """Before credit moves: what is due on the account. Its wallet is locked."""
        ...

    async def captured(self, conn: asyncpg.Connection, capture: Capture) -> None:
        """After a capture was credited."""
        ...


class NoHooks:
    """Nothing else follows from a top-up."""

    async def run_due(self, conn: asyncpg.Connection, account_id: UUID) -> None: ...

    async def captured(self, conn: asyncpg.Connection, capture: Capture) -> None: ...


Report = Callable[[FundingAlarm, str, str], None]
"""Raises an alarm: its kind, the id of what it is about as it is shown, and the processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Funding:
    """One process's way to payments. `acquire` gives a connection for a step: none is kept while a processor is asked.
    `pretended` names the processors with which no money moves. `policy` is the edition in force. `public_url` is where
    browsers find us.
    """

    world: World
    processors: Mapping[str, Processor]
    pretended: frozenset[str]
    policy: Callable[[], Policy]
    acquire: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]
    public_url: str
    report: Report
    hooks: CreditHooks

    def processor(self, name: str) -> Processor:
        """Raises ProcessorUnavailable for one that is configured no more: what it knows cannot be read."""
        if name not in self.processors:
            raise ProcessorUnavailable(f"the processor {name} is not configured")
        return self.processors[name]

    def offered(self, ability: ProcessorAbility) -> list[Processor]:
        """The processors that the edition names and that can do it, in its order; else the pretended ones."""
        names = [name for name in self.policy().topups.processors if name in self.processors]
        named = [self.processors[name] for name in names or sorted(self.pretended)]
        return [each for each in named if ability in each.abilities]

    def known_processor(self, name: str) -> Processor:
        """The processor whose webhook it is. Raises Missing."""
        if name not in self.processors:
            raise Missing(f"no processor {name[:40]!r}")
        return self.processors[name]
