"""The semantic cache in the gateway: a look-up off the loop, the trial of an account, and what stops it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from tokenharbor.cache.answers import KeptAnswer, UnreadableAnswer
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
    from tokenharbor.cache.similar.search import SimilarLook, SimilarSearch

_MIB: Final = 1 << 20
_MOST_KEPT_WAITING: Final = 8
_SWEEP_SECONDS: Final = 60.0
T = TypeVar("T")


class SemanticTrials(Protocol):
    """Where it is kept how answers compared."""

    async def note(self, account_id: UUID, *, agreed: bool, trial: int) -> bool:
        """Count a comparison; whether it has stopped the account. Raises DatabaseUnavailable."""

    async def report(self, account_id: UUID, request_id: UUID, trial: int) -> bool:
        """Count a wrong answer as a disagreement; False where it was reported before. Raises DatabaseUnavailable."""


@dataclass(frozen=True, slots=True)
class SimilarHome:
    """Where the model's files are, and where it is counted what happens."""

    folder: Path
    counts: Counter[str]


class SimilarTurn:
    """One request's part: what was looked for, and an answer that would have served, to be compared with its own."""

    __slots__ = ("account_id", "look", "policy", "shadowed")

    def __init__(self, account_id: UUID, policy: CachePolicy, look: "SimilarLook", shadowed: KeptAnswer | None) -> None:
        self.account_id = account_id
        self.policy = policy
        self.look = look
        self.shadowed = shadowed


class SimilarCaching:
    """The semantic cache of one worker. Nothing is loaded before the first request of somebody who opted in."""

    def __init__(
        self, keys: KeyMaker, memory: SealedMemory, world: World, trials: SemanticTrials, *, home: SimilarHome
    ) -> None:
        self._keys = keys
        self._memory = memory
        self._entropy = world.entropy
        self.trials = trials
        self.due = DueComparisons(world)
        self._thread = ThreadPoolExecutor(1, "similar")
        self._search: SimilarSearch | None = None
        self._loading: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._at_work = 0
        self.counts = home.counts
        self._folder = home.folder

    async def find(self, question: str, scope: bytes, facts: Sequence[object]) -> "SimilarLook | None":
        """None where the thread is busy, or not ready: then nobody waits for it. Raises Misconfigured where it is not
        installed.
        """
        search = self._search
        if search is None:
            if self._loading is None:
                installed()
                self._loading = asyncio.ensure_future(self._guarded(self._open(self._folder)))
            return None
        if self._at_work:
            self.counts["semantic_busy"] += 1
            return None
        return await self._run(search.find, question, scope, facts)

    def keep(self, turn: SimilarTurn, answer: KeptAnswer) -> None:
        """Compare an answer with the one that would have served, if there is one, and keep it."""
        if self._search is None or self._at_work >= _MOST_KEPT_WAITING:
            self.due.end(turn.account_id)
            return
        self.start(self._keep(self._search, turn, answer))

    async def _keep(self, search: "SimilarSearch", turn: SimilarTurn, answer: KeptAnswer) -> None:
        if turn.shadowed is not None:
            try:
                agreed = await self.compare(turn, turn.shadowed, answer)
            finally:
                self.due.end(turn.account_id)
            if not agreed:
                return
        policy = turn.policy
        await self._run(search.keep, turn.look, answer, 60 * policy.semantic_minutes, policy.semantic_memory_mib * _MIB)
        self.counts["semantic_kept"] += 1

    async def compare(self, turn: SimilarTurn, kept: KeptAnswer, fresh: KeptAnswer | None) -> bool:
        """Whether two answers agree: not where there is none that can be judged. It is counted, and may stop the
        account.
        """
        search = self._search
        agreed = fresh is not None and search is not None and await self._run(search.agree, _said(kept), _said(fresh))
        await self.note(turn.account_id, turn.policy, agreed=agreed)
        self.due.compared(turn.account_id)
        return agreed

    async def note(self, account_id: UUID, policy: CachePolicy, *, agreed: bool) -> None:
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
        """Do what no caller waits for; what fails is counted."""
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

    async def _sweep(self, search: "SimilarSearch") -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            await self._run(search.sweep)


def _said(answer: KeptAnswer) -> str:
    """Its text: nothing, which agrees with nothing, where it cannot be read."""
    try:
        return text_of(answer)
    except UnreadableAnswer:
        return ""


def _opened(folder: Path, memory: SealedMemory, keys: KeyMaker, entropy: Entropy) -> "SimilarSearch":
    from tokenharbor.cache.similar.search import SimilarSearch  # noqa: PLC0415  it imports numpy and onnxruntime

    return SimilarSearch(opened(installed(), folder), memory, keys, entropy)
