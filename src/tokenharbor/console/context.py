"""The context of routes: made once per process, and passed to handlers by parameter name."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import asyncpg
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from tokenharbor.alerts.context import Alerting
from tokenharbor.billing.proofs import Prover
from tokenharbor.catalog.describe import ModelsOnSale
from tokenharbor.catalog.types import Catalog
from tokenharbor.console.exports import Exports
from tokenharbor.console.live import LiveFeed
from tokenharbor.console.principal import Authenticator, Principal
from tokenharbor.editions.policy import Policy
from tokenharbor.funding.context import Funding
from tokenharbor.funding.printed import Issuer
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.secret import DerivedSecret
from tokenharbor.kernel.world import World
from tokenharbor.rewards.idle import run_due_again
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.records import Actor

AnyConnection = ASGIConnection[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleContext:
    """The process's shared parts. `pool` is for short statements; `heavy_pool` for long reads, maybe from a replica.
    `key_hashes` hashes API keys, `prover` proves and signs receipts, `issuer` is named on printed documents.
    """

    world: World
    pool: asyncpg.Pool
    heavy_pool: asyncpg.Pool
    policy: Callable[[], Policy]  # the edition in force
    catalog: Callable[[], Catalog]
    authenticator: Authenticator
    sign_in: SignIn
    funding: Funding
    alerting: Alerting
    live: LiveFeed
    key_hashes: DerivedSecret
    prover: Prover
    issuer: Issuer
    models: Callable[[], ModelsOnSale]
    exports: Exports = field(default_factory=Exports)

    async def run_due_again(self, conn: asyncpg.Connection, account_id: UUID) -> None:
        """Run what is due on an account (such as expiries) before it is shown, at most once a minute."""
        await run_due_again(conn, self.world, self.policy(), account_id)


CONTEXT: Final = "console"
"""Key of the context in the application's state."""


def context_of(connection: AnyConnection) -> ConsoleContext:
    context: ConsoleContext = connection.app.state[CONTEXT]
    return context


_Type = TypeVar("_Type")
_Given = SkipValidation[NamedDependency[_Type]]

Context = _Given[ConsoleContext]
Conn = _Given[asyncpg.Connection]
"""A connection of `pool`. Except for GET, it is in a transaction, which commits if the handler returns."""

Heavy = _Given[asyncpg.Connection]
"""A connection of `heavy_pool`, for reads that may lag behind."""

Caller = _Given[Principal]
"""The authenticated caller of a route that requires a sign-in."""

CallerFunding = _Given[Funding]
"""Payments in the caller's name: the audit log records changes under the caller's id."""

AccountId = _Given[UUID]
"""The account in the path, on which the caller has the route's right."""

AccountActor = _Given[Actor]
"""The author of a change to that account: a member or its management key. Operators who are not members may not."""
