"""The life of a request, in `Gateway.serve`: admit, read, plan, look up in the cache, hold, ask providers, deliver."""

import asyncio
from collections.abc import Awaitable, Generator

from tokenharbor.billing.meter import Meter, MeterState
from tokenharbor.billing.quote import quote
from tokenharbor.gateway.admit import admit, check_caller, known_caller
from tokenharbor.gateway.answers import rate_lines, route_lines, write_refusal
from tokenharbor.gateway.attempts import try_endpoints
from tokenharbor.gateway.cacheable_request import CacheableRequest
from tokenharbor.gateway.call import MeteredCall, may_be_dry, presented_key
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.dry_run import answer_dry_run
from tokenharbor.gateway.kinds.kind import A, R, RequestKind
from tokenharbor.gateway.large import LARGE
from tokenharbor.gateway.offers import Plan
from tokenharbor.gateway.planning import lane_of, make_plan
from tokenharbor.gateway.pool_plan import hold_for_pool
from tokenharbor.gateway.refused_calls import REPEATED
from tokenharbor.gateway.replay import replay
from tokenharbor.gateway.semantic_hits import serve_similar
from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import Disconnected
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.errors import Overloaded, Refusal
from tokenharbor.routing.plan import no_route_refusal
from tokenharbor.routing.verdict import ended_by_server_refusal
from tokenharbor.wire.neutral.dialect import ModelInPath
from tokenharbor.wire.neutral.request import Request


class _Done:
    """An awaitable that is already done: an exchange that is answered without a task."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


_DONE = _Done()


class Gateway:
    """Serves billed requests of every kind."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    def enter(
        self, exchange: Exchange, kind: RequestKind[R, A], model_in_path: ModelInPath | None = None
    ) -> Awaitable[None]:
        """Serve a request. While its caller is refused for a rate limit, repeat the refusal at once, without reading
        the body or asking the database.
        """
        dependencies = self._dependencies
        refused, now = dependencies.snapshots.refused, dependencies.world.clock.monotonic()
        if now < refused.until and (key := presented_key(exchange.header_map)):
            caller = dependencies.ring.find(key)
            rates = None if caller is None else refused.find(caller, now)
            if caller is not None and rates is not None and not may_be_dry(exchange.query):
                if caller.expires_at is not None or caller.networks:
                    check_caller(caller, exchange.peer, dependencies.world.clock.now())
                exchange.respond(*rates.refusal(kind.dialect, dependencies.world.ids, now))
                dependencies.metrics.note_repeated_refusal()
                dependencies.refusals.note(caller, REPEATED)
                return _DONE
        return self.serve(exchange, kind, model_in_path)

    async def serve(  # noqa: C901, PLR0912  all steps of a request in one place, in order
        self, exchange: Exchange, kind: RequestKind[R, A], model_in_path: ModelInPath | None = None
    ) -> None:
        dependencies = self._dependencies
        call = MeteredCall(exchange, kind.dialect, dependencies.world, model_in_path)
        exchange.work = meter = call.meter
        try:
            call.read_query()
            caller = known_caller(dependencies.ring, call) or await admit(dependencies.ring, call)
            snapshot = dependencies.snapshots.of(caller)
            call.rates = snapshot.rates.get(caller)
            exchange.buffer_owner = caller.payer.account_id
            if exchange.body is None and exchange.body_bound > LARGE:
                await dependencies.large.check_balance(call, caller)
            request = await kind.read(call)
            lane = lane_of(snapshot, caller, kind.name, request)
            call.rates = lane.rates
            meter.bill_to(lane, request)
            names = dependencies.conductor.names
            meter.session = names.of_request(caller.payer.account_id, call.headers, request.members)
            if lane.access is None:
                plan = make_plan(call, lane, request, dependencies.health)
            else:
                plan = await dependencies.conductor.plan(call, lane.access, request, dependencies.health)
            if call.dry_run or not plan.endpoints:
                return await self._end_at_plan(call, caller, request, plan)
            meter.not_asked = plan.not_asked
            cacheable = None if lane.caching is None else dependencies.caching.prepare(call, lane.caching, request)
            if cacheable is not None and await self._serve_from_cache(call, cacheable, kind, request, plan):
                return None
            quoted = quote(request, plan.endpoints, meter.started_at, writes=plan.foreign)
            if not plan.pooled:
                await dependencies.holds.place(meter, request, plan.endpoints, snapshot.policy, quoted)
            else:
                plan = await hold_for_pool(dependencies.holds, meter, request, plan, quoted)
            ready, answer = await try_endpoints(dependencies, kind, call, request, plan)
            await kind.deliver(call, request, ready, answer)
            if call.pool_decision is not None:
                dependencies.conductor.note_served(call, call.pool_decision, ready)
        except Refusal as refusal:
            await self._refuse(call, kind, refusal)
        except Disconnected:
            meter.status = "hung_up"
        except asyncio.CancelledError:
            if not exchange.stopped or meter.state is MeterState.SETTLING:
                raise
            billed = dependencies.snapshots.current.policy.billing.broken_streams
            await self._refuse(call, kind, ended_by_server_refusal(billed=billed))
        finally:
            if not meter.lingers:
                dependencies.settler.end_unsettled(meter)
                if not call.dry_run:
                    dependencies.metrics.note(meter)

    async def _end_at_plan(self, call: MeteredCall, caller: Caller, request: Request, plan: Plan) -> None:
        """Answer a dry run, or raise the refusal of a request that no endpoint may serve."""
        if not call.dry_run:
            raise no_route_refusal(call.meter.model, plan.dropped)
        await answer_dry_run(call, caller, request, plan, self._dependencies)

    async def _serve_from_cache(
        self, call: MeteredCall, cacheable: CacheableRequest, kind: RequestKind[R, A], request: R, plan: Plan
    ) -> bool:
        """Look the request up in each cache, and serve a hit. Return whether it was served."""
        caching, semantic = self._dependencies.caching, cacheable.lane.semantic
        found = caching.find_local(cacheable, plan)
        if found is None and caching.has_shared:
            found = await caching.find_shared(cacheable, plan)
        if found is not None:
            return await replay(self._dependencies, call, request, found)
        if semantic is None or not semantic.is_on_for(request.cache):
            return False
        return await serve_similar(self._dependencies, kind, call, request, plan)

    async def _refuse(self, call: MeteredCall, kind: RequestKind[R, A], refusal: Refusal) -> None:
        """Release the hold, then send the refusal in the caller's dialect."""
        exchange, meter = call.exchange, call.meter
        meter.refusal = refusal.code
        if meter.state is MeterState.OPEN and call.key and not call.dry_run:
            self._note_refused(call.key, refusal)
        await self._dependencies.settler.release_hold(meter)
        if exchange.retract():
            lines = route_lines(meter) + rate_lines(call)
            exchange.respond(*write_refusal(call.dialect, call.request_id, refusal, lines))
        elif kind.streams_errors:
            exchange.end(call.dialect.write_stream_refusal(refusal, call.request_id))
        else:
            exchange.abort()
        if isinstance(refusal, Overloaded):
            self._dependencies.overload.note_refused(exchange)

    def _note_refused(self, key: bytes, refusal: Refusal) -> None:
        """Count the refusal for its key: refused calls have no receipt, only this count."""
        caller = self._dependencies.ring.find(key)
        if caller is not None:
            self._dependencies.refusals.note(caller, refusal.code)


def depends_on_lease(work: object) -> bool:
    """Return whether a request counts as open: from its hold on, until it is settled or released."""
    return isinstance(work, Meter) and work.state in (MeterState.PLACING, MeterState.HELD)
