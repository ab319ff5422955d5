"""Composition of a worker's caches."""

import contextlib
from collections.abc import AsyncIterator

import asyncpg

from tokenharbor.app.context import WorkerContext
from tokenharbor.app.settings import REFERENCE, Settings
from tokenharbor.cache.exact import ExactCache
from tokenharbor.cache.keys import KeyMaker
from tokenharbor.cache.memory import SealedMemory
from tokenharbor.cache.pace import Pace
from tokenharbor.cache.redis_pipe import RedisPipe
from tokenharbor.cache.redis_url import read_redis_url
from tokenharbor.cache.shared import RedisStore
from tokenharbor.editions.policy import Policy
from tokenharbor.gateway.caching import Caching
from tokenharbor.gateway.semantic_cache import SemanticCache, SemanticCacheHome
from tokenharbor.identity.semantic import StoredTrials
from tokenharbor.kernel.secret import SecretPurpose
from tokenharbor.ledger.comparisons import ComparisonExpense

_MIB = 1 << 20
_LARGEST_SHARED = 1 << 20
"""Largest answer to store in Redis, in bytes: a larger one would block others on the connection."""


@contextlib.asynccontextmanager
async def open_caching(context: WorkerContext, policy: Policy, pool: asyncpg.Pool) -> AsyncIterator[Caching]:
    """Open the caches, with Redis if one is configured. Raises Misconfigured if its URL is invalid; an unreachable
    Redis is treated as an empty one.
    """
    clock, url = context.world.clock, context.settings.redis.url
    pipe = None if url is None else RedisPipe(read_redis_url(stated_url(context.settings)), _LARGEST_SHARED)
    store = None if pipe is None else RedisStore(pipe)
    exact = ExactCache(SealedMemory(clock), context.world.entropy, store)
    keys = KeyMaker(context.root.derive(SecretPurpose.CACHE))
    if pipe is not None:
        pipe.start()
    trials = StoredTrials(pool, context.world)
    home = SemanticCacheHome(context.settings.home / "similar", exact.counts)
    semantic = SemanticCache(keys, SealedMemory(clock), context.world, trials, home=home)
    try:
        yield Caching(keys, exact, Pace(clock, policy.cache.replay_mib_s * _MIB), semantic, ComparisonExpense(pool))
    finally:
        await semantic.close()
        if pipe is not None:
            await pipe.stop()


def stated_url(settings: Settings) -> str:
    """Return the URL of Redis. The setting may be a reference, as the URL may have a password. Raises Misconfigured."""
    url = settings.redis.url or ""
    return (settings.secret(url) or "") if REFERENCE.fullmatch(url) else url
