"""An account's settings of the exact and the semantic cache."""

from datetime import datetime
from typing import Self

import asyncpg

from tokenharbor.cache.similar.model import installed
from tokenharbor.editions.policy import CachePolicy
from tokenharbor.identity import changes, store
from tokenharbor.identity.caller import SemanticState
from tokenharbor.identity.semantic import set_semantic_by_request, set_semantic_cache
from tokenharbor.identity.store import Account
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.errors import Misconfigured, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason


class CachingDocument(Document, frozen=True):
    """An account's settings of caches. `exact`: whether identical requests get the same answer for `seconds`. `shared`:
    whether all keys and end users of the account share cached answers, or each has its own. `semantic`: the setting of
    the semantic cache; null if the edition has none.
    """

    exact: bool
    seconds: int
    shared: bool
    semantic: "SemanticDocument | None"

    @classmethod
    def of(cls, policy: CachePolicy, account: Account) -> Self:
        return cls(
            exact=policy.exact,
            seconds=policy.seconds,
            shared=account.shared_cache,
            semantic=SemanticDocument.of(policy, account) if policy.semantic else None,
        )


class SemanticDocument(Document, frozen=True):
    """The semantic cache of an account. `state`: off, on, or stopped, at `stopped_at`, by two disagreements in the last
    50 comparisons. Since it was turned on, `compared` of the first `trial` hits were compared with the provider's
    answer; no hit is served before all were. `by_request`: requests may ask for it while it is off.
    """

    state: SemanticState
    minutes: int
    compared: int
    trial: int
    stopped_at: datetime | None
    by_request: bool

    @classmethod
    def of(cls, policy: CachePolicy, account: Account) -> Self:
        return cls(
            state=account.semantic,
            minutes=policy.semantic_minutes,
            compared=account.semantic_compared,
            trial=policy.semantic_trial,
            stopped_at=account.semantic_stopped_at,
            by_request=account.semantic_requests,
        )


async def read_caching(conn: asyncpg.Connection, policy: CachePolicy, account_id: UUID) -> CachingDocument:
    """Return an account's settings of caches. Raises Missing."""
    return CachingDocument.of(policy, await store.get_account(conn, account_id))


async def share_cache(conn: asyncpg.Connection, account_id: UUID, *, shared: bool) -> None:
    """Share cached answers within an account, or stop sharing them. In force within a second; the audit log records it.
    Raises Missing.
    """
    async with conn.transaction():
        account = await changes.lock_account(conn, account_id)
        if account.shared_cache != shared:
            await changes.share_cache(conn, account_id, shared=shared)


async def switch_semantic_cache(conn: asyncpg.Connection, policy: CachePolicy, account_id: UUID, *, on: bool) -> None:
    """Turn the semantic cache on or off; turning it on begins a new trial. Raises Missing, and Rejected if the edition
    has no semantic cache or it is not installed.
    """
    if on and not policy.semantic:
        why = Rejected("this edition has no semantic cache", param="semantic")
        raise why.because(ErrorReason.SEMANTIC_CACHE_NOT_OFFERED)
    try:
        if on:
            installed()
    except Misconfigured as missing:
        why = Rejected(str(missing), param="semantic")
        raise why.because(ErrorReason.SEMANTIC_CACHE_NOT_INSTALLED) from None
    async with conn.transaction():
        await changes.lock_account(conn, account_id)
        await set_semantic_cache(conn, account_id, on=on)


async def allow_semantic_by_request(conn: asyncpg.Connection, account_id: UUID, *, allowed: bool) -> None:
    """Let single requests ask for the semantic cache, or not; in force within a second. Raises Missing."""
    async with conn.transaction():
        await changes.lock_account(conn, account_id)
        await set_semantic_by_request(conn, account_id, allowed=allowed)
