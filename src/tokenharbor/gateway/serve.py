"""The life of a request: admit, read, plan, hold, open, deliver; on one screen, in `Gateway.serve`."""

import asyncio
from collections.abc import Awaitable, Generator

from tokenharbor.billing.meter import Meter, MeterState
from tokenharbor.billing.quote import quote
from tokenharbor.gateway.admit import admit, check_caller, known_caller
from tokenharbor.gateway.answers import rate_lines, route_lines, write_refusal
from tokenharbor.gateway.attempts import open_first
from tokenharbor.gateway.cache_turn import CacheTurn
from tokenharbor.gateway.call import MeteredCall, may_be_dry, presented_key
from tokenharbor.gateway.comparing import serve_alike
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.dry_run import answer_dry_run
from tokenharbor.gateway.kinds.kind import A, R, RequestKind
from tokenharbor.gateway.large import LARGE
from tokenharbor.gateway.offers import Plan
from tokenharbor.gateway.planning import lane_of, make_plan
from tokenharbor.gateway.pool_plan import hold_for_pool
from tokenharbor.gateway.refused_calls import REPEATED
from tokenharbor.gateway.replay import replay
from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import Disconnected
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.errors import Overloaded, Refusal
from tokenharbor.routing.plan import no_route_refusal
from tokenharbor.routing.verdict import ended_by_server_refusal
from tokenharbor.wire.neutral.dialect import ModelInPath
from tokenharbor.wire.neutral.request import Request


class _Done:
    """An answer that needs no task's turn."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


_DONE = _Done()


class Gateway:
    """Serves requests for answers, whatever their kind."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    def enter(self, exchange: Exchange, kind: RequestKind[R, A], place: ModelInPath | None = None) -> Awaitable[None]:
        """The life of a request, unless a refusal is in force: that is repeated at once, without body and database."""
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
        return self.serve(exchange, kind, place)

    async def serve(  # noqa: C901, PLR0912  a request's whole life, on one screen
        self, exchange: Exchange, kind: RequestKind[R, A], place: ModelInPath | None = None
    ) -> None:
        dependencies = self._dependencies
        call = MeteredCall(exchange, kind.dialect, dependencies.world, place)
        exchange.work = meter = call.meter
        try:
            call.read_query()
            caller = known_caller(dependencies.ring, call) or await admit(dependencies.ring, call)
            snapshot = dependencies.snapshots.of(caller)
            call.rates = snapshot.rates.get(caller)
            exchange.buffer_owner = caller.payer.account_id
            if exchange.body is None and exchange.body_bound > LARGE:
                await dependencies.large.expect(call, caller)
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
            turn = None if lane.caching is None else dependencies.caching.take_turn(call, lane.caching, request)
            if turn is not None and await self._serve_kept(call, turn, kind, request, plan):
                return None
            quoted = quote(request, plan.endpoints, meter.started_at, writes=plan.foreign)
            if not plan.pooled:
                await dependencies.holds.place(meter, request, plan.endpoints, snapshot.policy, quoted)
            else:
                plan = await hold_for_pool(dependencies.holds, meter, request, plan, quoted)
            ready, answer = await open_first(dependencies, kind, call, request, plan)
            await kind.deliver(call, request, ready, answer)
            if call.staged is not None:
                dependencies.conductor.note_served(call, call.staged, ready)
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
        """Of a dry run; or the refusal of a request that no endpoint may serve."""
        if not call.dry_run:
            raise no_route_refusal(call.meter.model, plan.dropped)
        await answer_dry_run(call, caller, request, plan, self._dependencies)

    async def _serve_kept(
        self, call: MeteredCall, turn: CacheTurn, kind: RequestKind[R, A], request: R, plan: Plan
    ) -> bool:
        """Whether an answer that was kept has served the request."""
        caching, semantic = self._dependencies.caching, turn.lane.semantic
        found = caching.look_up(turn, plan)
        if found is None and caching.looks_further:
            found = await caching.look_further(turn, plan)
        if found is not None:
            return await replay(self._dependencies, call, request, found)
        if semantic is None or not semantic.is_asked(request.cache):
            return False
        return await serve_alike(self._dependencies, kind, call, request, plan)

    async def _refuse(self, call: MeteredCall, kind: RequestKind[R, A], refusal: Refusal) -> None:
        """Say it in the caller's dialect; what was held is given back first."""
        exchange, meter = call.exchange, call.meter
        meter.refusal = refusal.code
        if meter.state is MeterState.OPEN and call.key and not call.dry_run:
            self._note_refused(call.key, refusal)
        await self._dependencies.settler.give_back(meter)
        if exchange.retract():
            lines = route_lines(meter) + rate_lines(call)
            exchange.respond(*write_refusal(call.dialect, call.request_id, refusal, lines))
        elif kind.says_errors:
            exchange.end(call.dialect.write_stream_refusal(refusal, call.request_id))
        else:
            exchange.abort()
        if isinstance(refusal, Overloaded):
            self._dependencies.overload.note_refused(exchange)

    def _note_refused(self, key: bytes, refusal: Refusal) -> None:
        """There is no receipt of it: who has the key sees by this why calls fail."""
        caller = self._dependencies.ring.find(key)
        if caller is not None:
            self._dependencies.refusals.note(caller, refusal.code)


def depends_on_lease(work: object) -> bool:
    """Whether a request is open in the limits of its key and account: not before its hold, nor once it is settled."""
    return isinstance(work, Meter) and work.state in (MeterState.ASKED, MeterState.HELD)
