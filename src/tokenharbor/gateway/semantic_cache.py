"""The semantic cache of one worker: lookups on their own thread, an account's trial, and the count that ends it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import structlog

from tokenharbor.cache.answers import CachedAnswer, UnreadableAnswer
from tokenharbor.cache.keys import KeyMaker
from tokenharbor.cache.memory import SealedMemory
from tokenharbor.cache.similar.model import installed, opened
from tokenharbor.editions.policy import CachePolicy
from tokenharbor.gateway.due_comparisons import DueComparisons
from tokenharbor.gateway.rewriting import text_of
from tokenharbor.kernel.entropy import Entropy
from tokenharbor.kernel.errors import HarborError
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import World

if TYPE_CHECKING:
    from tokenharbor.cache.similar.search import SimilarLookup, SimilarSearch

_MIB: Final = 1 << 20
_MOST_QUEUED: Final = 8  # answers that wait to be stored
_SWEEP_SECONDS: Final = 60.0
_RETRY_SECONDS: Final = 60.0
_log = structlog.get_logger("gateway")
T = TypeVar("T")


class SemanticTrials(Protocol):
    """Stores the results of an account's comparisons."""

    async def note(self, account_id: UUID, *, agreed: bool, trial: int) -> bool:
        """Count a comparison. Return whether it stopped the account's semantic cache. Raises DatabaseUnavailable."""

    async def report(self, account_id: UUID, request_id: UUID, trial: int) -> bool:
        """Count a wrong answer as a disagreement. Return False if it was reported before. Raises
        DatabaseUnavailable.
        """


@dataclass(frozen=True, slots=True)
class SemanticCacheHome:
    """The folder of the embedding model's files, and the counters of cache events."""

    folder: Path
    counts: Counter[str]


class SemanticRequest:
    """A request's semantic lookup. `shadowed` is a hit that was not given: the provider's answer is compared
    with it.
    """

    __slots__ = ("account_id", "lookup", "policy", "shadowed")

    def __init__(
        self, account_id: UUID, policy: CachePolicy, lookup: "SimilarLookup", shadowed: CachedAnswer | None
    ) -> None:
        self.account_id = account_id
        self.policy = policy
        self.lookup = lookup
        self.shadowed = shadowed


class SemanticCache:
    """The semantic cache of one worker. The model is loaded on the first request that uses the cache."""

    def __init__(
        self, keys: KeyMaker, memory: SealedMemory, world: World, trials: SemanticTrials, *, home: SemanticCacheHome
    ) -> None:
        self._keys = keys
        self._memory = memory
        self._clock = world.clock
        self._entropy = world.entropy
        self.trials = trials
        self.due = DueComparisons(world)
        self._thread = ThreadPoolExecutor(1, "semantic")
        self._search: SimilarSearch | None = None
        self._loading: asyncio.Task[None] | None = None
        self._load_at = 0.0  # of the monotonic clock; after a failure a minute later
        self._tasks: set[asyncio.Task[None]] = set()
        self._at_work = 0
        self.counts = home.counts
        self._folder = home.folder

    async def find(self, question: str, scope: bytes, facts: Sequence[object]) -> "SimilarLookup | None":
        """Look a question up. Return None if it cannot be compared, or if the thread is busy or still loading the
        model: no request waits for it. Raises Misconfigured if the model is not installed.
        """
        search = self._search
        if search is None:
            if self._loading is None and self._clock.monotonic() >= self._load_at:
                installed()
                self._loading = asyncio.ensure_future(self._open(self._folder))
                self._loading.add_done_callback(self._loaded)
            return None
        if self._at_work:
            self.counts["semantic_busy"] += 1
            return None
        return await self._run(search.find, question, scope, facts)

    def store(self, request: SemanticRequest, answer: CachedAnswer) -> None:
        """Compare an answer with the shadowed hit, if there is one, and store it, in the background. An answer that
        disagrees is not stored. If too many wait, do neither.
        """
        if self._search is None or self._at_work >= _MOST_QUEUED:
            self.due.end(request.account_id)
            return
        self.start(self._store(self._search, request, answer))

    async def _store(self, search: "SimilarSearch", request: SemanticRequest, answer: CachedAnswer) -> None:
        if request.shadowed is not None:
            try:
                agreed = await self.compare(request, request.shadowed, answer)
            finally:
                self.due.end(request.account_id)
            if not agreed:
                return
        policy = request.policy
        await self._run(
            search.store, request.lookup, answer, 60 * policy.semantic_minutes, policy.semantic_memory_mib * _MIB
        )
        self.counts["semantic_kept"] += 1

    async def compare(self, request: SemanticRequest, cached: CachedAnswer, fresh: CachedAnswer | None) -> bool:
        """Return whether two answers agree, and count the comparison, which may stop the account's semantic cache. No
        fresh answer counts as a disagreement.
        """
        search = self._search
        agreed = fresh is not None and search is not None and await self._run(search.agree, _text(cached), _text(fresh))
        await self.note(request.account_id, request.policy, agreed=agreed)
        self.due.compared(request.account_id)
        return agreed

    async def note(self, account_id: UUID, policy: CachePolicy, *, agreed: bool) -> None:
        """Count a comparison."""
        self.counts["semantic_agreed" if agreed else "semantic_disagreed"] += 1
        if await self.trials.note(account_id, agreed=agreed, trial=policy.semantic_trial):
            self.counts["semantic_stopped"] += 1

    async def close(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._thread.shutdown(wait=True, cancel_futures=True)

    def start(self, work: Awaitable[None]) -> None:
        """Run work in the background, and count a failure."""
        task = asyncio.ensure_future(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except (HarborError, TimeoutError):
            self.counts["semantic_failed"] += 1

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        self._at_work += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
        finally:
            self._at_work -= 1

    async def _open(self, folder: Path) -> None:
        self._search = await self._run(_opened, folder, self._memory, self._keys, self._entropy)
        self.counts["semantic_loaded"] += 1
        self.start(self._sweep(self._search))

    def _loaded(self, task: asyncio.Task[None]) -> None:
        """Log a failure to load the model, such as a full disk, and let a request try again after a minute."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._loading, self._load_at = None, self._clock.monotonic() + _RETRY_SECONDS
            self.counts["semantic_failed"] += 1
            _log.error("semantic_model_not_loaded", reason=f"{type(error).__name__}: {error}")

    async def _sweep(self, search: "SimilarSearch") -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            await self._run(search.sweep)


def _text(answer: CachedAnswer) -> str:
    """Return an answer's text, or "" if it cannot be read: that agrees with nothing."""
    try:
        return text_of(answer)
    except UnreadableAnswer:
        return ""


def _opened(folder: Path, memory: SealedMemory, keys: KeyMaker, entropy: Entropy) -> "SimilarSearch":
    from tokenharbor.cache.similar.search import SimilarSearch  # noqa: PLC0415  it imports numpy and onnxruntime

    return SimilarSearch(opened(installed(), folder), memory, keys, entropy)
