"""Hits of the semantic cache: served, and at random compared with the provider's answer to the same request.

One in `semantic_compared_in` hits of an account is due for a comparison. Its cost is reserved from the operator's daily
budget before the hit is sent; afterwards the provider is asked too, and the two answers are compared. If the budget has
no room, the hit is not given: the provider answers the caller as usual, and that answer is compared. So every due hit
is measured, and comparisons never cost more than the budget.
"""

import asyncio
import copy
from typing import NamedTuple

from tokenharbor.billing.meter import Meter
from tokenharbor.billing.quote import quote
from tokenharbor.cache.answers import CachedAnswer
from tokenharbor.catalog.pricing import Rates, Terms
from tokenharbor.gateway.caching import FoundAnswer, source_of
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.kinds.kind import AnyKind, LastFailure
from tokenharbor.gateway.offers import Plan, ReadyEndpoint
from tokenharbor.gateway.replay import replay
from tokenharbor.gateway.semantic_cache import SemanticCache, SemanticRequest
from tokenharbor.http.message import BrokenAnswer, TimedOut
from tokenharbor.kernel.errors import DatabaseUnavailable, InvalidRequest
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.usage import Usage
from tokenharbor.ledger.comparisons import ComparedModel, ComparisonExpense, ComparisonHold
from tokenharbor.routing.verdict import VERDICTS
from tokenharbor.upstream.send import OpenStream, WholeAnswer
from tokenharbor.wire.neutral.request import Request

_SECONDS = 120.0
_MOST_BYTES = 4 << 20


async def serve_similar(
    dependencies: Dependencies, kind: AnyKind, call: MeteredCall, request: Request, plan: Plan
) -> bool:
    """Serve a request from the semantic cache. Return whether it was served. Raises as `replay`."""
    caching, cache = dependencies.caching, dependencies.caching.semantic
    found = None if call.cache is None else await caching.find_similar(call.cache, plan)
    semantic = None if call.cache is None else call.cache.semantic
    if found is None or semantic is None or cache is None:
        return False
    if not cache.due.take(semantic.account_id, semantic.policy.semantic_compared_in):
        return await replay(dependencies, call, request, found)
    hold = await _reserve(caching.expense, call, request, found.ready, semantic)
    if hold is None or caching.expense is None:
        semantic.shadowed = found.answer
        cache.counts["semantic_over_cap"] += 1
        return False
    comparison = _Comparison(cache, caching.expense, semantic, found, hold)
    served = False
    try:
        served = await replay(dependencies, call, request, found)
    finally:
        cache.start(comparison.run(kind, _unbilled(call, request), request) if served else comparison.drop())
    return served


async def _reserve(
    expense: ComparisonExpense | None,
    call: MeteredCall,
    request: Request,
    ready: ReadyEndpoint,
    semantic: SemanticRequest,
) -> ComparisonHold | None:
    """Reserve the most that a comparison can cost. Return None if the daily budget has no room for it, or if the
    database is unavailable.
    """
    if expense is None:
        return None
    vendor_rates = Rates(ready.rates.price, Terms())  # the provider's price, without our terms
    most = vendor_rates.upper_bound(quote(request, (ready,), call.started_at).bound, call.started_at)
    try:
        return await expense.reserve(call.started_at, most, semantic.policy.semantic_compared)
    except DatabaseUnavailable:
        return None


def _unbilled(call: MeteredCall, request: Request) -> MeteredCall:
    """Return a copy of the call with a separate meter that is never settled."""
    unbilled = copy.copy(call)
    unbilled.meter = Meter(call.uuid, call.started_at, call.meter.started)
    unbilled.meter.bill_to(call.meter.lane, request)
    return unbilled


class _FreshAnswer(NamedTuple):
    """A provider's answer for a comparison, and its cost. `answer` is None if it cannot be compared. `failed`: the
    provider failed, so that there is nothing to count.
    """

    cost: Usd
    answer: CachedAnswer | None = None
    failed: bool = False


class _Comparison:
    """The comparison of one hit, with the amount that is reserved for it."""

    __slots__ = ("_cache", "_expense", "_found", "_hold", "_request")

    def __init__(
        self,
        cache: SemanticCache,
        expense: ComparisonExpense,
        semantic: SemanticRequest,
        found: FoundAnswer,
        hold: ComparisonHold,
    ) -> None:
        self._cache = cache
        self._expense = expense
        self._request = semantic
        self._found = found
        self._hold = hold

    async def run(self, kind: AnyKind, call: MeteredCall, request: Request) -> None:
        """Ask the provider, and compare. If the provider fails, the account's next hit is due."""
        try:
            fresh = await self._ask(kind, call, request)
            if fresh.failed:
                self._cache.counts["semantic_failed"] += 1
            else:
                await self._cache.compare(self._request, self._found.answer, fresh.answer)
        finally:
            self._cache.due.end(self._request.account_id)

    async def drop(self) -> None:
        """Release the reservation of a hit that was not given. The account's next hit is due."""
        self._cache.due.end(self._request.account_id)
        await self._settle(ZERO)

    async def _ask(self, kind: AnyKind, call: MeteredCall, request: Request) -> _FreshAnswer:
        call.meter.quote = quote(request, (self._found.ready,), call.started_at)
        cost = self._hold.amount  # if asking fails, the cost is unknown
        try:
            async with asyncio.timeout(_SECONDS):
                fresh = await _ask_provider(kind, call, request, self._found.ready, cost)
            cost = fresh.cost
        finally:
            await self._settle(cost)
        return fresh

    async def _settle(self, cost: Usd) -> None:
        served = self._found.ready.served
        model = ComparedModel(served.provider, served.upstream_model)
        await self._expense.settle(self._hold, model, min(cost, self._hold.amount))


async def _ask_provider(
    kind: AnyKind, call: MeteredCall, request: Request, ready: ReadyEndpoint, most: Usd
) -> _FreshAnswer:
    try:
        outcome = await kind.ask(call, request, ready)
    except InvalidRequest:  # it cannot be written in this endpoint's dialect: the provider was not asked
        return _FreshAnswer(ZERO)
    if isinstance(outcome, WholeAnswer):
        fresh = _as_cached(call, ready, outcome.read.usage, (outcome.body, b""))
        return _FreshAnswer(_cost(ready, call, outcome.read.usage, most), fresh)
    if not isinstance(outcome, OpenStream):
        failure = outcome.failure if isinstance(outcome, LastFailure) else outcome
        return _FreshAnswer(
            ZERO, failed=VERDICTS[failure.kind].try_next
        )  # else the provider refuses the request itself
    parts, failed = None, False
    try:
        parts = await _read_through(outcome)
    except (BrokenAnswer, TimedOut):
        failed = True
    finally:
        outcome.answer.close()
    usage = outcome.splicer.usage
    answer = None if parts is None else _as_cached(call, ready, usage, parts)
    return _FreshAnswer(_cost(ready, call, usage, most), answer, failed)


async def _read_through(opened: OpenStream) -> tuple[bytes, bytes] | None:
    """Return a stream's content and ending, or None if it is too long to compare. Raises BrokenAnswer, TimedOut."""
    splicer, pieces, received = opened.splicer, [opened.first], len(opened.first)
    while not splicer.complete and received <= _MOST_BYTES:
        data = await opened.answer.next()
        received += len(data)
        pieces.append(splicer.feed(data) if data else splicer.close(whole=opened.answer.framed))
        if splicer.failure is not None or not (data or splicer.complete):
            raise BrokenAnswer
    return None if received > _MOST_BYTES else (b"".join(pieces), splicer.ending(None))


def _as_cached(
    call: MeteredCall, ready: ReadyEndpoint, usage: Usage | None, parts: tuple[bytes, bytes]
) -> CachedAnswer:
    stream, name = call.meter.request.stream, call.dialect.name
    return CachedAnswer(name, stream, not stream, source_of(ready), usage or Usage(), *parts)


def _cost(ready: ReadyEndpoint, call: MeteredCall, usage: Usage | None, most: Usd) -> Usd:
    """Return the cost by the provider's usage; if it reported none, the whole reservation."""
    return most if usage is None else ready.rates.rate(usage, call.started_at).vendor_cost
