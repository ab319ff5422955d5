"""The key ring: every API key in force, in memory, replaced as a whole and never older than a second."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from tokenharbor.db.errors import as_unavailable_refusal
from tokenharbor.identity.caller import (
    NO_SEMANTIC_CACHE,
    PLAIN_ACCOUNT,
    UNSTATED,
    AccountRules,
    Caller,
    SemanticChoice,
    StatedRates,
)
from tokenharbor.identity.keys import LENGTH, KeyHash, is_well_formed
from tokenharbor.identity.store import SQL
from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import InvalidApiKey, Unavailable
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import Payer

_PAGE = 5_000
_POLL_SECONDS = 0.4  # the delay of a change whose NOTIFY is lost; a revoked key is refused within a second
_ASK_SECONDS = 2.0  # how long a caller with an unknown key waits for the database
_REST_SECONDS = 0.01  # between two readings: a flood of unknown keys costs at most 100 queries a second
_UNKNOWN_SECONDS = 1.0
_MOST_UNKNOWN = 10_000
_MESSAGE = "This API key is not valid: unknown or revoked. Check that it was copied whole."


class Queryable(Protocol):
    """A pool or a connection, as asyncpg makes them."""

    async def fetch(self, query: str, *args: object) -> Sequence[Any]: ...


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The keys in force by hash, and the number of the last change included."""

    callers: Mapping[bytes, Caller]
    change: int


class KeyRing:
    """The API keys in force, by hash; keys themselves are never kept.

    The database numbers each change of a key, so that one short query brings the ring up to date. It runs every 0.4 s,
    after each `refresh_soon`, and for keys that the ring does not know; requests that wait for it share one query.
    """

    def __init__(self, reader: Queryable, hash_key: KeyHash, clock: Clock) -> None:
        self._reader = reader
        self._hash = hash_key
        self._clock = clock
        self._snapshot = _Snapshot({}, 0)
        self._unknown: dict[bytes, float] = {}  # hash → until when it counts as unknown, soonest first
        self._nudged = asyncio.Event()
        self._reading = asyncio.Lock()
        self._next: asyncio.Task[bool] | None = None
        self._rest_until = 0.0
        self._log = structlog.get_logger()

    def __len__(self) -> int:
        return len(self._snapshot.callers)

    def find(self, presented: bytes) -> Caller | None:
        """Return the caller if the ring knows the key. The gateway checks expiry and networks."""
        if len(presented) != LENGTH:
            return None
        return self._snapshot.callers.get(self._hash(presented))

    async def look_up(self, presented: bytes) -> Caller:
        """Return the caller, asking the database for an unknown key. Raises InvalidApiKey, or Unavailable if the
        database does not answer.
        """
        if not is_well_formed(presented):
            raise InvalidApiKey("Malformed API key: a key begins with thk_live_ and has 41 characters.")
        hashed = self._hash(presented)
        caller = self._snapshot.callers.get(hashed)
        if caller is None and self._unknown.get(hashed, 0.0) <= self._clock.monotonic():
            await self._read_soon()
            caller = self._snapshot.callers.get(hashed)
            if caller is None:
                self._remember_unknown(hashed)
        if caller is None:
            raise InvalidApiKey(_MESSAGE)
        return caller

    def refresh_soon(self) -> None:
        """Refresh now, as a key may have changed."""
        self._nudged.set()

    async def refresh(self) -> None:
        """Bring the ring up to date. Raises Unavailable."""
        async with self._reading:
            await self._read()

    async def run(self) -> None:
        """Keep the ring up to date, until cancelled."""
        reason = ""
        while True:
            reason = await self._refresh_or_log(reason)
            try:
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._nudged.wait()
            except TimeoutError:
                pass
            self._nudged.clear()

    async def _refresh_or_log(self, before: str) -> str:
        """Refresh; return why it failed, or "". Changes of the reason are logged."""
        try:
            await self.refresh()
        except Unavailable as refusal:
            reason = str(refusal.__cause__ or refusal)
            if reason != before:
                self._log.warning("keys_not_refreshed", reason=reason)
            return reason
        if before:
            self._log.info("keys_refreshed_again")
        return ""

    async def _read_soon(self) -> None:
        """Wait for a reading that begins from now on; all callers in the meantime share it."""
        if self._next is None:
            self._next = asyncio.create_task(self._next_reading())
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                was_read = await asyncio.shield(self._next)
        except TimeoutError:
            was_read = False
        if not was_read:
            raise Unavailable("Database unavailable. Try again shortly.", retry_after=1)

    async def _next_reading(self) -> bool:
        async with self._reading:
            await asyncio.sleep(max(0.0, self._rest_until - self._clock.monotonic()))
            self._next = None  # later callers may be too late for this reading
            try:
                await self._read()
            except Unavailable:
                return False
            self._rest_until = self._clock.monotonic() + _REST_SECONDS
            return True

    async def _read(self) -> None:
        callers: dict[bytes, Caller] | None = None
        change = self._snapshot.change
        while True:
            with as_unavailable_refusal():
                rows = await self._reader.fetch(SQL.changed_keys, change, _PAGE)
            if not rows:
                break
            if callers is None:
                callers = dict(self._snapshot.callers)
            for row in rows:
                self._apply(row, callers)
            change = rows[-1]["change"]
        if callers is not None:
            self._snapshot = _Snapshot(callers, change)

    def _apply(self, row: Any, callers: dict[bytes, Caller]) -> None:
        hashed = row["hash"]
        self._unknown.pop(hashed, None)
        if row["revoked_at"] is not None:
            callers.pop(hashed, None)
            return
        callers[hashed] = Caller(
            payer=Payer(row["account_id"], row["id"]),
            models=frozenset(row["models"]),
            providers=frozenset(row["providers"]),
            denied_providers=frozenset(row["denied_providers"]),
            networks=tuple(row["networks"]),
            expires_at=row["expires_at"],
            rates=_rates(row["rpm"], row["tpm"], row["concurrency"]),
            account=_account_rules(row),
        )

    def _remember_unknown(self, hashed: bytes) -> None:
        now = self._clock.monotonic()
        while self._unknown:
            oldest, until = next(iter(self._unknown.items()))
            if until > now and len(self._unknown) < _MOST_UNKNOWN:
                break
            del self._unknown[oldest]
        self._unknown[hashed] = now + _UNKNOWN_SECONDS


def _account_rules(row: Any) -> AccountRules:
    """Return the rules of a key's account; accounts that state nothing share one object, to save memory."""
    rules = AccountRules(
        plan=row["plan"],
        rates=_rates(row["account_rpm"], row["account_tpm"], row["account_concurrency"]),
        key_rates=_rates(row["key_rpm"], row["key_tpm"], row["key_concurrency"]),
        free_models=row["free_models"],
        topped_up=Usd(row["topped_up"]),
        volume=Usd(row["volume"]),
        shared_cache=row["shared_cache"],
        semantic=_semantic_choice(row),
    )
    return PLAIN_ACCOUNT if rules == PLAIN_ACCOUNT else rules


def _semantic_choice(row: Any) -> SemanticChoice:
    counted = row["semantic_compared"], row["semantic_epoch"]
    choice = SemanticChoice(row["semantic_cache"], *counted, row["semantic_requests"])
    return NO_SEMANTIC_CACHE if choice == NO_SEMANTIC_CACHE else choice


def _rates(rpm: int | None, tpm: int | None, concurrency: int | None) -> StatedRates:
    return UNSTATED if rpm is tpm is concurrency is None else StatedRates(rpm, tpm, concurrency)
