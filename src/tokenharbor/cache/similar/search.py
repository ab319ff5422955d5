"""The semantic cache of one process: finding, keeping and comparing, all on one thread of its own."""

from collections.abc import Sequence
from typing import Final

import msgspec

from tokenharbor.cache.answers import KeptAnswer
from tokenharbor.cache.keys import CacheKey, KeyMaker
from tokenharbor.cache.memory import SealedMemory
from tokenharbor.cache.seal import seal_bytes, unseal_bytes
from tokenharbor.cache.similar.agreement import agree
from tokenharbor.cache.similar.embedder import Embedder, Vectors
from tokenharbor.cache.similar.guards import form_of
from tokenharbor.cache.similar.reading import Reading, read, unfit
from tokenharbor.cache.similar.verify import Prompt, refusal
from tokenharbor.kernel.entropy import Entropy

_KIND: Final = "similar"


class SimilarAnswer(msgspec.Struct, frozen=True, array_like=True):
    """What is kept: the answer, and of its question what is compared. The question's text is not kept."""

    answer: KeptAnswer
    reading: Reading
    vectors: tuple[bytes, bytes, bytes]


class SimilarLook(msgspec.Struct, frozen=True):
    """A question that was looked for: where its answer is kept, and the one that was found. It lives as long as the
    request; `vectors` are there if they were needed.
    """

    key: CacheKey
    question: str
    reading: Reading
    vectors: Vectors | None = None
    found: KeptAnswer | None = None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(SimilarAnswer)


class SimilarSearch:
    """Used by one thread. Answers are named, and sealed, by the canonical form of their question and all else that
    must be equal: so memory holds nothing readable, and only an equal form finds an answer to verify.
    """

    def __init__(self, embedder: Embedder, memory: SealedMemory, keys: KeyMaker, entropy: Entropy) -> None:
        self._embedder = embedder
        self._memory = memory
        self._keys = keys
        self._entropy = entropy

    def find(self, question: str, scope: bytes, facts: Sequence[object]) -> SimilarLook | None:
        """None for a question that is not compared with others."""
        if unfit(question):
            return None
        reading = read(question)
        key = self._keys.begin(scope, _KIND, facts).key(form_of(reading))
        sealed = self._memory.find(key.name)
        packed = None if sealed is None else unseal_bytes(key, sealed)
        if packed is None:
            return SimilarLook(key, question, reading)
        vectors = self._embedder.embed(question)
        if vectors is None:
            return None
        kept = _DECODER.decode(packed)
        stored = Prompt(kept.reading, Vectors.unpack(kept.vectors))
        found = None if refusal(stored, Prompt(reading, vectors)) else kept.answer
        return SimilarLook(key, question, reading, vectors, found)

    def keep(self, look: SimilarLook, answer: KeptAnswer, seconds: int, most_bytes: int) -> None:
        """Unless its question has more pieces than are embedded."""
        vectors = look.vectors or self._embedder.embed(look.question)
        if vectors is None:
            return
        kept = SimilarAnswer(answer, look.reading, vectors.pack())
        sealed = seal_bytes(look.key, _ENCODER.encode(kept), self._entropy)
        self._memory.keep(look.key.name, sealed, seconds, most_bytes)

    def agree(self, one: str, other: str) -> bool:
        return agree(self._embedder, one, other)

    def sweep(self) -> None:
        self._memory.sweep()
