"""What an account says of answers that are given again: whose requests may have them."""

from datetime import datetime
from typing import Self

import asyncpg

from tokenharbor.cache.similar.model import installed
from tokenharbor.editions.policy import CachePolicy
from tokenharbor.identity import changes, store
from tokenharbor.identity.caller import SemanticState
from tokenharbor.identity.semantic import let_requests_ask, turn_semantic_cache
from tokenharbor.identity.store import Account
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.errors import Misconfigured, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason


class CachingDocument(Document, frozen=True):
    """`exact`: whether an identical request has the same answer, for `seconds`. `shared`: to all keys and end users of
    the account, not only to those that it was given to. `semantic`: the account's choice of answers to questions in
    other words, where the edition has it.
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
    """`state`: off, on, or stopped: by two disagreements in the last 50 comparisons, at `stopped_at`. `compared` of
    `trial` hits were compared with the provider's answer since it was turned on: before all were, none is given.
    `by_request`: where it is off, a request may ask for it.
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
    """Raises Missing."""
    return CachingDocument.of(policy, await store.get_account(conn, account_id))


async def share_cache(conn: asyncpg.Connection, account_id: UUID, *, shared: bool) -> None:
    """In force within a second; the audit log has it. Raises Missing."""
    async with conn.transaction():
        account = await changes.lock_account(conn, account_id)
        if account.shared_cache != shared:
            await changes.share_cache(conn, account_id, shared=shared)


async def choose_semantic_cache(conn: asyncpg.Connection, policy: CachePolicy, account_id: UUID, *, on: bool) -> None:
    """Turned on, a trial begins anew. Raises Missing; Rejected where the edition has it not, or it is not installed."""
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
        await turn_semantic_cache(conn, account_id, on=on)


async def let_requests_opt_in(conn: asyncpg.Connection, account_id: UUID, *, allowed: bool) -> None:
    """Whether single requests may turn it on for themselves; in force within a second. Raises Missing."""
    async with conn.transaction():
        await changes.lock_account(conn, account_id)
        await let_requests_ask(conn, account_id, allowed=allowed)
