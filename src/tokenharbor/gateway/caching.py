"""The cache in the gateway: an answer looked for before anything is held, and kept once it is settled."""

from tokenharbor.billing.detail import Status
from tokenharbor.billing.meter import Meter, MeterState
from tokenharbor.cache.answers import SEMANTIC, AnswerSource, CacheHit, CacheLayer, KeptAnswer
from tokenharbor.cache.exact import ExactCache
from tokenharbor.cache.keys import KeyMaker
from tokenharbor.cache.pace import Pace
from tokenharbor.gateway.cache_lane import CacheLane
from tokenharbor.gateway.cache_turn import CacheTurn
from tokenharbor.gateway.cacheable import take_turn
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.offers import Plan, ReadyEndpoint
from tokenharbor.gateway.similar import SimilarCaching, SimilarTurn
from tokenharbor.kernel.errors import InvalidRequest, Misconfigured
from tokenharbor.kernel.usage import Usage
from tokenharbor.ledger.comparisons import ComparisonExpense
from tokenharbor.wire.neutral.request import Request

_MIB = 1 << 20
_COMPLETE: Status = "complete"


class FoundAnswer:
    """An answer that was kept, and the endpoint that gave it, which the plan of this request still allows."""

    __slots__ = ("answer", "hit", "ready")

    def __init__(self, hit: CacheHit, ready: ReadyEndpoint) -> None:
        self.hit = hit
        self.answer = hit.answer
        self.ready = ready


class Caching:
    """What of one process gives answers again."""

    def __init__(
        self,
        keys: KeyMaker,
        exact: ExactCache,
        pace: Pace,
        similar: SimilarCaching | None = None,
        expense: ComparisonExpense | None = None,
    ) -> None:
        self._keys = keys
        self.exact = exact
        self.pace = pace
        self.similar = similar
        self.expense = expense

    @property
    def looks_further(self) -> bool:
        """Whether there is anywhere to look beside this process's memory."""
        return self.exact.shared is not None

    def take_turn(self, call: MeteredCall, lane: CacheLane, request: Request) -> CacheTurn | None:
        """Of a request whose answer may be kept, found or not: `call.cache` from now on."""
        turn = call.cache = take_turn(self._keys, self, call, lane, request)
        return turn

    def look_up(self, turn: CacheTurn, plan: Plan) -> FoundAnswer | None:
        """What is at hand."""
        return self._allowed(self.exact.find(turn.key), plan, "exact")

    async def look_further(self, turn: CacheTurn, plan: Plan) -> FoundAnswer | None:
        """What is elsewhere."""
        return self._allowed(await self.exact.find_shared(turn.key), plan, "exact")

    async def look_alike(self, turn: CacheTurn, plan: Plan) -> FoundAnswer | None:
        """An answer to the same question in other words. While the account is on trial it is not given, but compared
        with the provider's. Raises InvalidRequest where it was asked for and is not installed.
        """
        similar, semantic = self.similar, turn.lane.semantic
        if semantic is None or similar is None:
            return None
        question = None if turn.plain is None else turn.plain.question
        if question is None:
            return None
        try:
            look = await similar.find(question, turn.scope, (turn.lane.facts, turn.rules, semantic.epoch))
        except Misconfigured as missing:
            if semantic.state == "on":
                return None
            raise InvalidRequest(f"`cache.semantic`: {missing}", param="cache.semantic") from None
        if look is None:
            return None
        found = None if look.found is None else self._allowed(look.found, plan, SEMANTIC)
        on_trial = found is not None and semantic.trial > 0
        shadowed = found.answer if found is not None and on_trial else None
        turn.similar = SimilarTurn(semantic.account_id, turn.lane.policy, look, shadowed)
        return None if on_trial else found

    def keep(self, turn: CacheTurn, call: MeteredCall, ready: ReadyEndpoint, request: Request, last: bytes) -> None:
        """Of a settled answer: unless it is one that is not to be given again. See `CacheTurn.keep`."""
        meter, usage = call.meter, call.meter.usage
        if turn.pieces is None or usage is None or call.exchange.disconnected:
            return
        if not _is_sound(meter) or _ran_tools(usage) or not call.dialect.caching.is_finished(last):
            return
        stream = request.stream
        body = b"".join(turn.pieces) if stream else last
        if call.dialect.caching.is_refusal(body):
            return
        answer = KeptAnswer(
            call.dialect.name,
            stream,
            request.wants_usage or request.include_cost or not stream,
            source_of(ready),
            usage,
            body,
            last if stream else b"",
            meter.left_out,
        )
        self.exact.keep(turn.key, answer, turn.lane.policy.seconds, turn.lane.most_bytes)
        if turn.similar is not None and self.similar is not None:
            self.similar.keep(turn.similar, answer)

    def note_hit(self, call: MeteredCall, found: FoundAnswer) -> None:
        assert call.cache is not None  # noqa: S101  for mypy: what was looked for has a turn
        self.pace.bytes_a_second = call.cache.lane.policy.replay_mib_s * _MIB
        self.exact.counts[found.hit.layer] += 1

    def _allowed(self, answer: KeptAnswer | None, plan: Plan, layer: CacheLayer) -> FoundAnswer | None:
        """Only what an endpoint of the plan gave, in whichever dialect it was asked."""
        if answer is not None:
            for ready in plan.endpoints:
                if source_of(ready) == answer.source:
                    return FoundAnswer(CacheHit(answer, layer), ready)
        self.exact.counts["missed"] += 1
        return None


def source_of(ready: ReadyEndpoint) -> AnswerSource:
    return AnswerSource(ready.served.provider, ready.served.upstream_model, ready.served.region)


def _is_sound(meter: Meter) -> bool:
    """Whether an answer was settled as complete, with the vendor's own usage, and nothing about it was odd."""
    settled = meter.state is MeterState.CLOSED and meter.status == _COMPLETE and not meter.refusal
    odd = meter.cut or meter.quarantined or meter.capped is not None or bool(meter.alarms)
    return settled and meter.ended and not odd


def _ran_tools(usage: Usage) -> bool:
    """Whether the vendor did what may come out otherwise the next time, or made media."""
    return bool(usage.web_searches or usage.tool_uses or usage.images_out or usage.audio_out or usage.seconds)
