"""The semantic cache's work on its own thread: look up questions, store answers, compare answers."""

from collections.abc import Sequence
from typing import Final

import msgspec

from tokenharbor.cache.answers import CachedAnswer
from tokenharbor.cache.keys import CacheKey, KeyMaker
from tokenharbor.cache.memory import SealedMemory
from tokenharbor.cache.seal import seal_bytes, unseal_bytes
from tokenharbor.cache.similar.agreement import agree
from tokenharbor.cache.similar.embedder import Embedder, Vectors
from tokenharbor.cache.similar.guards import form_of
from tokenharbor.cache.similar.reading import Reading, read, unfit_reason
from tokenharbor.cache.similar.verify import Prompt, mismatch
from tokenharbor.kernel.entropy import Entropy

_KIND: Final = "similar"


class SimilarAnswer(msgspec.Struct, frozen=True, array_like=True):
    """An entry: the answer, and what later questions are compared with. The question's text is not stored."""

    answer: CachedAnswer
    reading: Reading
    vectors: tuple[bytes, bytes, bytes]


class SimilarLookup(msgspec.Struct, frozen=True):
    """The result of a lookup: the key under which to store the question's answer, and the answer that was found. It
    lives as long as the request. `vectors` is None if no entry had to be verified.
    """

    key: CacheKey
    question: str
    reading: Reading
    vectors: Vectors | None = None
    found: CachedAnswer | None = None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(SimilarAnswer)


class SimilarSearch:
    """Sealed answers, keyed by the canonical form of their question and all else that must be equal. So memory holds
    nothing readable, and only a question of equal form finds an entry to verify. Used by one thread.
    """

    def __init__(self, embedder: Embedder, memory: SealedMemory, keys: KeyMaker, entropy: Entropy) -> None:
        self._embedder = embedder
        self._memory = memory
        self._keys = keys
        self._entropy = entropy

    def find(self, question: str, scope: bytes, facts: Sequence[object]) -> SimilarLookup | None:
        """Look a question up. Return None if it is unfit for comparison."""
        if unfit_reason(question):
            return None
        reading = read(question)
        key = self._keys.prefix(scope, _KIND, facts).key(form_of(reading))
        sealed = self._memory.get(key.name)
        packed = None if sealed is None else unseal_bytes(key, sealed)
        if packed is None:
            return SimilarLookup(key, question, reading)
        vectors = self._embedder.embed(question)
        if vectors is None:
            return None
        entry = _DECODER.decode(packed)
        stored = Prompt(entry.reading, Vectors.unpack(entry.vectors))
        found = None if mismatch(stored, Prompt(reading, vectors)) else entry.answer
        return SimilarLookup(key, question, reading, vectors, found)

    def store(self, lookup: SimilarLookup, answer: CachedAnswer, seconds: int, most_bytes: int) -> None:
        """Store an answer, unless its question is too long to embed."""
        vectors = lookup.vectors or self._embedder.embed(lookup.question)
        if vectors is None:
            return
        entry = SimilarAnswer(answer, lookup.reading, vectors.pack())
        sealed = seal_bytes(lookup.key, _ENCODER.encode(entry), self._entropy)
        self._memory.set(lookup.key.name, sealed, seconds, most_bytes)

    def agree(self, one: str, other: str) -> bool:
        return agree(self._embedder, one, other)

    def sweep(self) -> None:
        self._memory.sweep()
