"""The cache of one process: looks an answer up before anything is held, and stores it once it is settled."""

from tokenharbor.billing.detail import Status
from tokenharbor.billing.meter import Meter, MeterState
from tokenharbor.cache.answers import SEMANTIC, AnswerSource, CachedAnswer, CacheHit, CacheLayer
from tokenharbor.cache.exact import ExactCache
from tokenharbor.cache.keys import KeyMaker
from tokenharbor.cache.pace import Pace
from tokenharbor.gateway.cache_lane import CacheLane
from tokenharbor.gateway.cacheable import prepare
from tokenharbor.gateway.cacheable_request import CacheableRequest
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.offers import Plan, ReadyEndpoint
from tokenharbor.gateway.semantic_cache import SemanticCache, SemanticRequest
from tokenharbor.kernel.errors import InvalidRequest, Misconfigured
from tokenharbor.kernel.usage import Usage
from tokenharbor.ledger.comparisons import ComparisonExpense
from tokenharbor.wire.neutral.request import Request

_MIB = 1 << 20
_COMPLETE: Status = "complete"


class FoundAnswer:
    """A cached answer, and the endpoint that gave it, which is in the plan of this request."""

    __slots__ = ("answer", "hit", "ready")

    def __init__(self, hit: CacheHit, ready: ReadyEndpoint) -> None:
        self.hit = hit
        self.answer = hit.answer
        self.ready = ready


class Caching:
    """The exact cache, the semantic cache, and the pace at which hits are sent."""

    def __init__(
        self,
        keys: KeyMaker,
        exact: ExactCache,
        pace: Pace,
        semantic: SemanticCache | None = None,
        expense: ComparisonExpense | None = None,
    ) -> None:
        self._keys = keys
        self.exact = exact
        self.pace = pace
        self.semantic = semantic
        self.expense = expense

    @property
    def has_shared(self) -> bool:
        """Whether a store shared with other gateways is configured."""
        return self.exact.shared is not None

    def prepare(self, call: MeteredCall, lane: CacheLane, request: Request) -> CacheableRequest | None:
        """Set `call.cache`, and return it: the request with its cache key, or None if it is not cacheable."""
        cacheable = call.cache = prepare(self._keys, self, call, lane, request)
        return cacheable

    def find_local(self, cacheable: CacheableRequest, plan: Plan) -> FoundAnswer | None:
        """Look the key up in this process's memory."""
        return self._allowed(self.exact.find(cacheable.key), plan, "exact")

    async def find_shared(self, cacheable: CacheableRequest, plan: Plan) -> FoundAnswer | None:
        """Look the key up in the shared store."""
        return self._allowed(await self.exact.find_shared(cacheable.key), plan, "exact")

    async def find_similar(self, cacheable: CacheableRequest, plan: Plan) -> FoundAnswer | None:
        """Look up an answer to the same question in other words. While the account is on trial, return None for a hit:
        its answer is compared with the provider's later. Raises InvalidRequest if the request turned the semantic
        cache on and it is not installed.
        """
        cache, lane = self.semantic, cacheable.lane.semantic
        if lane is None or cache is None:
            return None
        question = None if cacheable.plain is None else cacheable.plain.question
        if question is None:
            return None
        try:
            lookup = await cache.find(question, cacheable.scope, (cacheable.lane.facts, cacheable.rules, lane.epoch))
        except Misconfigured as missing:
            if lane.state == "on":
                return None
            raise InvalidRequest(f"`cache.semantic`: {missing}", param="cache.semantic") from None
        if lookup is None:
            return None
        found = None if lookup.found is None else self._allowed(lookup.found, plan, SEMANTIC)
        on_trial = found is not None and lane.trial > 0
        shadowed = found.answer if found is not None and on_trial else None
        cacheable.semantic = SemanticRequest(lane.account_id, cacheable.lane.policy, lookup, shadowed)
        return None if on_trial else found

    def store(
        self, cacheable: CacheableRequest, call: MeteredCall, ready: ReadyEndpoint, request: Request, last: bytes
    ) -> None:
        """Store a settled answer, unless it is unfit for later requests. See `CacheableRequest.store`."""
        meter, usage = call.meter, call.meter.usage
        if cacheable.pieces is None or usage is None or call.exchange.disconnected:
            return
        if not _is_complete(meter) or _ran_tools(usage) or not call.dialect.caching.is_finished(last):
            return
        stream = request.stream
        body = b"".join(cacheable.pieces) if stream else last
        if call.dialect.caching.is_refusal(body):
            return
        answer = CachedAnswer(
            call.dialect.name,
            stream,
            request.wants_usage or request.include_cost or not stream,
            source_of(ready),
            usage,
            body,
            last if stream else b"",
            meter.left_out,
        )
        self.exact.store(cacheable.key, answer, cacheable.lane.policy.seconds, cacheable.lane.most_bytes)
        if cacheable.semantic is not None and self.semantic is not None:
            self.semantic.store(cacheable.semantic, answer)

    def note_hit(self, call: MeteredCall, found: FoundAnswer) -> None:
        assert call.cache is not None  # noqa: S101  for mypy: only cacheable requests have hits
        self.pace.bytes_a_second = call.cache.lane.policy.replay_mib_s * _MIB
        self.exact.counts[found.hit.layer] += 1

    def _allowed(self, answer: CachedAnswer | None, plan: Plan, layer: CacheLayer) -> FoundAnswer | None:
        """Return an answer only if an endpoint of the plan gave it, in any dialect; else count a miss."""
        if answer is not None:
            for ready in plan.endpoints:
                if source_of(ready) == answer.source:
                    return FoundAnswer(CacheHit(answer, layer), ready)
        self.exact.counts["missed"] += 1
        return None


def source_of(ready: ReadyEndpoint) -> AnswerSource:
    return AnswerSource(ready.served.provider, ready.served.upstream_model, ready.served.region)


def _is_complete(meter: Meter) -> bool:
    """Return whether an answer was settled as complete, with the provider's own usage, and without any alarm."""
    settled = meter.state is MeterState.CLOSED and meter.status == _COMPLETE and not meter.refusal
    odd = meter.cut or meter.quarantined or meter.capped is not None or bool(meter.alarms)
    return settled and meter.ended and not odd


def _ran_tools(usage: Usage) -> bool:
    """Return whether the provider ran tools, whose results may differ next time, or made media."""
    return bool(usage.web_searches or usage.tool_uses or usage.images_out or usage.audio_out or usage.seconds)
