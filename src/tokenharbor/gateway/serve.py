"""The life of a request: admit, read, plan, hold, open, deliver; on one screen, in `Gateway.serve`."""

import asyncio
from collections.abc import Awaitable, Generator

from tokenharbor.billing.meter import Meter, MeterState
from tokenharbor.billing.quote import quote
from tokenharbor.gateway.admit import admit, check_caller, known_caller
from tokenharbor.gateway.answers import rate_lines, route_lines, write_refusal
from tokenharbor.gateway.attempts import open_first
from tokenharbor.gateway.call import MeteredCall, may_be_dry, presented_key
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.dry_run import answer_dry_run
from tokenharbor.gateway.kinds.kind import A, R, RequestKind
from tokenharbor.gateway.large import LARGE
from tokenharbor.gateway.planning import lane_of, make_plan
from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import Disconnected
from tokenharbor.kernel.errors import Overloaded, Refusal
from tokenharbor.routing.plan import no_route_refusal
from tokenharbor.routing.verdict import ended_by_server_refusal
from tokenharbor.wire.neutral.dialect import ModelInPath


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
                return _DONE
        return self.serve(exchange, kind, place)

    async def serve(self, exchange: Exchange, kind: RequestKind[R, A], place: ModelInPath | None = None) -> None:
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
            plan = make_plan(call, lane, request, dependencies.health)
            if call.dry_run:
                return await answer_dry_run(call, caller, request, plan, dependencies)
            if not plan.endpoints:
                raise no_route_refusal(plan.model.name, plan.dropped)
            quoted = quote(request, plan.endpoints, meter.started_at, writes=plan.foreign)
            await dependencies.holds.place(meter, request, plan.endpoints, snapshot.policy, quoted)
            ready, answer = await open_first(dependencies, kind, call, request, plan)
            await kind.deliver(call, request, ready, answer)
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

    async def _refuse(self, call: MeteredCall, kind: RequestKind[R, A], refusal: Refusal) -> None:
        """Say it in the caller's dialect; what was held is given back first."""
        exchange, meter = call.exchange, call.meter
        meter.refusal = refusal.code
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


def depends_on_lease(work: object) -> bool:
    """Whether a request is open in the limits of its key and account: not before its hold, nor once it is settled."""
    return isinstance(work, Meter) and work.state in (MeterState.ASKED, MeterState.HELD)
