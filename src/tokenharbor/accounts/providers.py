"""Providers: our credentials at them, and their health as recorded by requests."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from tokenharbor.accounts.usage import lowest_request_id
from tokenharbor.catalog.types import Catalog, Provider
from tokenharbor.db.queries import read_queries
from tokenharbor.identity.credentials import set_credential
from tokenharbor.kernel.errors import Misconfigured, Missing, Rejected
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.secret import SecretBox
from tokenharbor.kernel.tables import did_you_mean
from tokenharbor.kernel.world import World
from tokenharbor.upstream.signers import make_signer

LONGEST_CREDENTIAL = 16 << 10

_NOT_FAILED = frozenset({"ok", "hung_up"})  # an attempt whose caller hung up before an answer counts as neither


@dataclass(frozen=True, slots=True)
class ProviderHealthQueries:
    """The SQL of health.sql."""

    health: str
    alarms: str
    losses: str


SQL = read_queries(ProviderHealthQueries, "tokenharbor.accounts", "health.sql")


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    """The attempts at a provider, their alarms, and our losses. `failures` and `alarms` are counts by kind; `overrun`
    is the part of costs that charges did not cover, `unbilled` what we owe for requests that were not billed.
    """

    provider: str
    attempts: int
    ok: int
    median_ms: int | None
    last_ok_at: datetime | None
    last_failed_at: datetime | None
    failures: Mapping[str, int]
    alarms: Mapping[str, int]
    overrun: Usd
    unbilled: Usd

    @property
    def failed(self) -> int:
        return sum(self.failures.values())


def get_provider(catalog: Catalog, name: str) -> Provider:
    """Return a provider by name. Raises Missing, with the nearest name."""
    if name not in catalog.providers:
        raise Missing(f"no provider {name!r}{did_you_mean(name, catalog.providers)}")
    return catalog.providers[name]


async def store_credential(
    conn: asyncpg.Connection, world: World, seal: SecretBox, *, provider: Provider, credential: str
) -> datetime:
    """Store a provider's credential, encrypted, in place of the one before; return the time of the change.

    Raises Rejected for a credential that does not fit the provider's authentication. No message holds the credential.
    """
    _check_credential(credential)
    try:
        make_signer(provider, credential, world.clock)
    except Misconfigured as error:
        raise Rejected(str(error), param="credential") from None
    now = world.clock.now()
    await set_credential(conn, seal, provider.name, credential, now)
    return now


def _check_credential(credential: str) -> None:
    """Check that a header can carry the credential. Raises Rejected."""
    if not credential:
        raise Rejected("the credential is empty", param="credential")
    fits = len(credential) <= LONGEST_CREDENTIAL and credential.isascii() and credential.isprintable()
    if not fits or " " in credential:
        raise Rejected(
            f"a credential is at most {LONGEST_CREDENTIAL} printable ASCII characters without spaces, on one line",
            param="credential",
        )


async def read_provider_health(
    conn: asyncpg.Connection, known: Collection[str], *, since: datetime
) -> Sequence[ProviderHealth]:
    """Return the health of all known providers, and of all others called by requests that ended since; by name."""
    times = (lowest_request_id(since), since)
    attempts = await conn.fetch(SQL.health, *times)
    alarms = await conn.fetch(SQL.alarms, *times)
    losses = await conn.fetch(SQL.losses, *times)
    names = sorted({*known, *(row["provider"] for row in (*attempts, *alarms, *losses))})
    return [_health(name, _of(name, attempts), _of(name, alarms), _of(name, losses)) for name in names]


def _of(provider: str, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    return [row for row in rows if row["provider"] == provider]


def _health(
    provider: str,
    attempts: Sequence[Mapping[str, Any]],
    alarms: Sequence[Mapping[str, Any]],
    losses: Sequence[Mapping[str, Any]],
) -> ProviderHealth:
    served = next((row for row in attempts if row["outcome"] == "ok"), None)
    failed = sorted((row for row in attempts if row["outcome"] not in _NOT_FAILED), key=lambda row: row["outcome"])
    return ProviderHealth(
        provider=provider,
        attempts=sum(row["attempts"] for row in attempts),
        ok=served["attempts"] if served else 0,
        median_ms=served["median_ms"] if served else None,
        last_ok_at=served["latest"] if served else None,
        last_failed_at=max((row["latest"] for row in failed), default=None),
        failures={row["outcome"]: row["attempts"] for row in failed},
        alarms={row["kind"]: row["alarms"] for row in alarms},
        overrun=Usd(sum(row["overrun"] for row in losses)),
        unbilled=Usd(sum(row["unbilled"] for row in losses)),
    )
