"""The exact cache: answers by key, sealed, in this process's memory and, where there is one, in a shared store."""

import asyncio
from collections import Counter
from typing import Protocol

from tokenharbor.cache.answers import KeptAnswer
from tokenharbor.cache.keys import CacheKey
from tokenharbor.cache.memory import SealedMemory
from tokenharbor.cache.seal import seal, unseal
from tokenharbor.kernel.entropy import Entropy

_SWEEP_SECONDS = 5.0


class SharedStore(Protocol):
    """Sealed values that all gateways see. It never fails and never makes anybody wait long: what it cannot do in time,
    it does not do.
    """

    async def find(self, name: bytes) -> bytes | None: ...

    def keep(self, name: bytes, sealed: bytes, seconds: int) -> None: ...


class ExactCache:
    """Answers that are given again to the same question. `counts` are by what became of a look-up or an answer."""

    def __init__(self, memory: SealedMemory, entropy: Entropy, shared: SharedStore | None = None) -> None:
        self.memory = memory
        self.shared = shared
        self.counts: Counter[str] = Counter()
        self._entropy = entropy

    def find(self, key: CacheKey) -> KeptAnswer | None:
        """What this process has."""
        sealed = self.memory.find(key.name)
        return None if sealed is None else unseal(key, sealed)

    async def find_shared(self, key: CacheKey) -> KeptAnswer | None:
        """What another gateway may have kept. It stays there: kept here too, it would outlive its time."""
        if self.shared is None:
            return None
        sealed = await self.shared.find(key.name)
        return None if sealed is None else unseal(key, sealed)

    async def forget_expired(self) -> None:
        """For as long as a process runs: what has expired is in its memory no more, though nobody asks for it."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.memory.sweep()

    def keep(self, key: CacheKey, answer: KeptAnswer, seconds: int, most_bytes: int) -> None:
        sealed = seal(key, answer, self._entropy)
        self.memory.keep(key.name, sealed, seconds, most_bytes)
        self.counts["kept"] += 1
        if self.shared is not None:
            self.shared.keep(key.name, sealed, seconds)
