"""Hits of the semantic cache, given or compared with the answer that the provider would have given.

One hit of so many is due. It is asked of the provider, too, after it was given: at the operator's expense, held before
the hit leaves. Where the day's most leaves no room for it, the hit is not given: the provider answers its caller as any
other, and the two answers are compared. So no hit that is due goes unmeasured, and nothing is spent beyond the most.
"""

import asyncio
import copy
from typing import NamedTuple

from tokenharbor.billing.meter import Meter
from tokenharbor.billing.quote import quote
from tokenharbor.cache.answers import KeptAnswer
from tokenharbor.catalog.pricing import Rates, Terms
from tokenharbor.gateway.caching import FoundAnswer, source_of
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.kinds.kind import AnyKind, LastFailure
from tokenharbor.gateway.offers import Plan, ReadyEndpoint
from tokenharbor.gateway.replay import replay
from tokenharbor.gateway.similar import SimilarCaching, SimilarTurn
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


async def serve_alike(
    dependencies: Dependencies, kind: AnyKind, call: MeteredCall, request: Request, plan: Plan
) -> bool:
    """Whether an answer to the same question in other words has served the request. Raises what `replay` raises."""
    caching, similar = dependencies.caching, dependencies.caching.similar
    found = None if call.cache is None else await caching.look_alike(call.cache, plan)
    turn = None if call.cache is None else call.cache.similar
    if found is None or turn is None or similar is None:
        return False
    if not similar.due.take(turn.account_id, turn.policy.semantic_compared_in):
        return await replay(dependencies, call, request, found)
    hold = await _reserve(caching.expense, call, request, found.ready, turn)
    if hold is None or caching.expense is None:
        turn.shadowed = found.answer
        similar.counts["semantic_over_cap"] += 1
        return False
    comparison = _Comparison(similar, caching.expense, turn, found, hold)
    given = False
    try:
        given = await replay(dependencies, call, request, found)
    finally:
        similar.start(comparison.make(kind, _apart(call, request), request) if given else comparison.drop())
    return given


async def _reserve(
    expense: ComparisonExpense | None, call: MeteredCall, request: Request, ready: ReadyEndpoint, turn: SimilarTurn
) -> ComparisonHold | None:
    """None where the day's most leaves no room, or nobody can say whether it does."""
    if expense is None:
        return None
    plain = Rates(ready.rates.price, Terms())  # what it costs us
    most = plain.upper_bound(quote(request, (ready,), call.started_at).bound, call.started_at)
    try:
        return await expense.reserve(call.started_at, most, turn.policy.semantic_compared)
    except DatabaseUnavailable:
        return None


def _apart(call: MeteredCall, request: Request) -> MeteredCall:
    """The call, with a meter of its own that no book ever sees."""
    apart = copy.copy(call)
    apart.meter = Meter(call.uuid, call.started_at, call.meter.started)
    apart.meter.bill_to(call.meter.lane, request)
    return apart


class _Asked(NamedTuple):
    """What asking a provider cost, and its answer. None: what came cannot be judged or, where it `failed`, nothing."""

    cost: Usd
    answer: KeptAnswer | None = None
    failed: bool = False


class _Comparison:
    """Of one hit, with what is held for it."""

    __slots__ = ("_expense", "_found", "_hold", "_similar", "_turn")

    def __init__(
        self,
        similar: SimilarCaching,
        expense: ComparisonExpense,
        turn: SimilarTurn,
        found: FoundAnswer,
        hold: ComparisonHold,
    ) -> None:
        self._similar = similar
        self._expense = expense
        self._turn = turn
        self._found = found
        self._hold = hold

    async def make(self, kind: AnyKind, call: MeteredCall, request: Request) -> None:
        """Where the provider fails, the account's next hit is due."""
        try:
            asked = await self._ask(kind, call, request)
            if asked.failed:
                self._similar.counts["semantic_failed"] += 1
            else:
                await self._similar.compare(self._turn, self._found.answer, asked.answer)
        finally:
            self._similar.due.end(self._turn.account_id)

    async def drop(self) -> None:
        """The hit was not given, so the next one is due."""
        self._similar.due.end(self._turn.account_id)
        await self._settle(ZERO)

    async def _ask(self, kind: AnyKind, call: MeteredCall, request: Request) -> _Asked:
        call.meter.quote = quote(request, (self._found.ready,), call.started_at)
        cost = self._hold.amount  # unless we know better
        try:
            async with asyncio.timeout(_SECONDS):
                asked = await _asked(kind, call, request, self._found.ready, cost)
            cost = asked.cost
        finally:
            await self._settle(cost)
        return asked

    async def _settle(self, cost: Usd) -> None:
        served = self._found.ready.served
        model = ComparedModel(served.provider, served.upstream_model)
        await self._expense.settle(self._hold, model, min(cost, self._hold.amount))


async def _asked(kind: AnyKind, call: MeteredCall, request: Request, ready: ReadyEndpoint, most: Usd) -> _Asked:
    try:
        outcome = await kind.ask(call, request, ready)
    except InvalidRequest:  # nobody was asked: it has no form in this endpoint's dialect
        return _Asked(ZERO)
    if isinstance(outcome, WholeAnswer):
        fresh = _kept(call, ready, outcome.read.usage, (outcome.body, b""))
        return _Asked(_cost(ready, call, outcome.read.usage, most), fresh)
    if not isinstance(outcome, OpenStream):
        failure = outcome.failure if isinstance(outcome, LastFailure) else outcome
        return _Asked(ZERO, failed=VERDICTS[failure.kind].try_next)  # else it refuses the question itself
    parts, failed = None, False
    try:
        parts = await _read_through(outcome)
    except (BrokenAnswer, TimedOut):
        failed = True
    finally:
        outcome.answer.close()
    usage = outcome.splicer.usage
    answer = None if parts is None else _kept(call, ready, usage, parts)
    return _Asked(_cost(ready, call, usage, most), answer, failed)


async def _read_through(opened: OpenStream) -> tuple[bytes, bytes] | None:
    """None where it is longer than what is compared. Raises BrokenAnswer and TimedOut."""
    splicer, pieces, came = opened.splicer, [opened.first], len(opened.first)
    while not splicer.complete and came <= _MOST_BYTES:
        data = await opened.answer.next()
        came += len(data)
        pieces.append(splicer.feed(data) if data else splicer.close(whole=opened.answer.framed))
        if splicer.failure is not None or not (data or splicer.complete):
            raise BrokenAnswer
    return None if came > _MOST_BYTES else (b"".join(pieces), splicer.ending(None))


def _kept(call: MeteredCall, ready: ReadyEndpoint, usage: Usage | None, parts: tuple[bytes, bytes]) -> KeptAnswer:
    stream, name = call.meter.request.stream, call.dialect.name
    return KeptAnswer(name, stream, not stream, source_of(ready), usage or Usage(), *parts)


def _cost(ready: ReadyEndpoint, call: MeteredCall, usage: Usage | None, most: Usd) -> Usd:
    """By the provider's count; where it gave none, all that was held."""
    return most if usage is None else ready.rates.rate(usage, call.started_at).vendor_cost
