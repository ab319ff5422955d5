"""One request's part in the cache: its key, what gathers of its answer, and who keeps it."""

from typing import Any, Protocol

from tokenharbor.cache.keys import CacheKey
from tokenharbor.cache.memory import largest
from tokenharbor.gateway.cache_lane import CacheLane
from tokenharbor.gateway.offers import ReadyEndpoint
from tokenharbor.gateway.similar import SimilarTurn
from tokenharbor.wire.neutral.plain import PlainChat
from tokenharbor.wire.neutral.request import Request


class AnswerKeeper(Protocol):
    """Whoever keeps answers."""

    def keep(self, turn: "CacheTurn", call: Any, ready: ReadyEndpoint, request: Request, last: bytes) -> None: ...


class CacheTurn:
    """A request whose answer may be given again. What leaves of a stream gathers in `pieces` as long as it may be kept:
    `None` then. `plain`: the request as a plain conversation, if it is one.
    """

    __slots__ = ("_keeper", "_room", "key", "lane", "pieces", "plain", "rules", "scope", "similar")

    def __init__(self, key: CacheKey, lane: CacheLane, plain: PlainChat | None, keeper: AnswerKeeper) -> None:
        self.key = key
        self.lane = lane
        self.plain = plain
        self.pieces: list[bytes] | None = []
        self.scope = b""  # whose answers it may have, and the rules that it brings: of a question alone
        self.rules: tuple[object, ...] = ()
        self.similar: SimilarTurn | None = None
        self._keeper = keeper
        self._room = largest(lane.most_bytes)

    def add(self, piece: bytes) -> None:
        """A piece of the answer has left."""
        if self.pieces is not None:
            self._room -= len(piece)
            if self._room < 0:
                self.pieces = None
            else:
                self.pieces.append(piece)

    def keep(self, call: Any, ready: ReadyEndpoint, request: Request, last: bytes) -> None:
        """The answer is settled and has left. `last` is the ending of a stream, or the whole of another answer; without
        the cost that was added.
        """
        self._keeper.keep(self, call, ready, request, last)
