"""A cacheable request: its cache key, the pieces of its answer as they are sent, and where the answer is stored."""

from typing import Any, Protocol

from tokenharbor.cache.keys import CacheKey
from tokenharbor.cache.memory import largest
from tokenharbor.gateway.cache_lane import CacheLane
from tokenharbor.gateway.offers import ReadyEndpoint
from tokenharbor.gateway.semantic_cache import SemanticRequest
from tokenharbor.wire.neutral.plain import PlainChat
from tokenharbor.wire.neutral.request import Request


class AnswerStore(Protocol):
    """Stores answers for later requests."""

    def store(
        self, cacheable: "CacheableRequest", call: Any, ready: ReadyEndpoint, request: Request, last: bytes
    ) -> None: ...


class CacheableRequest:
    """A request whose answer may come from the cache and be stored in it. `pieces` collects a stream as it is sent,
    and becomes None once the stream is too large to store. `plain` is the request as a plain conversation, or None
    if it is not one. `semantic` is set by a semantic lookup.
    """

    __slots__ = ("_answers", "_room", "key", "lane", "pieces", "plain", "rules", "scope", "semantic")

    def __init__(self, key: CacheKey, lane: CacheLane, plain: PlainChat | None, answers: AnswerStore) -> None:
        self.key = key
        self.lane = lane
        self.plain = plain
        self.pieces: list[bytes] | None = []
        self.scope = b""  # scope and rules of the semantic lookup; empty if there is none
        self.rules: tuple[object, ...] = ()
        self.semantic: SemanticRequest | None = None
        self._answers = answers
        self._room = largest(lane.most_bytes)

    def add(self, piece: bytes) -> None:
        """Collect a piece of the stream that was sent."""
        if self.pieces is not None:
            self._room -= len(piece)
            if self._room < 0:
                self.pieces = None
            else:
                self.pieces.append(piece)

    def store(self, call: Any, ready: ReadyEndpoint, request: Request, last: bytes) -> None:
        """Store the answer, after it was settled and sent. `last` is the ending of a stream, or the body of a whole
        answer, without the cost that was added for the caller.
        """
        self._answers.store(self, call, ready, request, last)
