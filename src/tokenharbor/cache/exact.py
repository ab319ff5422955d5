"""The exact cache: sealed answers by key, in this process's memory and in a shared store if one is configured."""

import asyncio
from collections import Counter
from typing import Protocol

from tokenharbor.cache.answers import CachedAnswer
from tokenharbor.cache.keys import CacheKey
from tokenharbor.cache.memory import SealedMemory
from tokenharbor.cache.seal import seal, unseal
from tokenharbor.kernel.entropy import Entropy

_SWEEP_SECONDS = 5.0


class SharedStore(Protocol):
    """Sealed values that all gateways share. Calls never raise and return within milliseconds: a value that cannot be
    read in time is a miss, and one that cannot be written is dropped.
    """

    async def get(self, name: bytes) -> bytes | None: ...

    def set(self, name: bytes, sealed: bytes, seconds: int) -> None: ...


class ExactCache:
    """Answers to identical requests. `counts` counts hits, misses and stored answers, by event."""

    def __init__(self, memory: SealedMemory, entropy: Entropy, shared: SharedStore | None = None) -> None:
        self.memory = memory
        self.shared = shared
        self.counts: Counter[str] = Counter()
        self._entropy = entropy

    def find(self, key: CacheKey) -> CachedAnswer | None:
        """Look the key up in this process's memory."""
        sealed = self.memory.get(key.name)
        return None if sealed is None else unseal(key, sealed)

    async def find_shared(self, key: CacheKey) -> CachedAnswer | None:
        """Look the key up in the shared store. A hit is not copied into memory, where it would outlive its expiry."""
        if self.shared is None:
            return None
        sealed = await self.shared.get(key.name)
        return None if sealed is None else unseal(key, sealed)

    async def drop_expired(self) -> None:
        """Drop expired entries periodically, until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.memory.sweep()

    def store(self, key: CacheKey, answer: CachedAnswer, seconds: int, most_bytes: int) -> None:
        """Seal an answer and store it for `seconds`; memory holds at most `most_bytes` of sealed answers."""
        sealed = seal(key, answer, self._entropy)
        self.memory.set(key.name, sealed, seconds, most_bytes)
        self.counts["kept"] += 1
        if self.shared is not None:
            self.shared.set(key.name, sealed, seconds)
