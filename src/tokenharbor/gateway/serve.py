"""The life of a request: admit, read, plan, hold, open, relay, settle; on one screen, in `Gateway.serve`."""

import asyncio
from collections.abc import Awaitable
from functools import partial

import msgspec

from tokenharbor.billing.alarms import Alarm
from tokenharbor.billing.bounds import most_wire
from tokenharbor.billing.detail import Attempt
from tokenharbor.billing.meter import Meter, State
from tokenharbor.gateway.admit import admit
from tokenharbor.gateway.answers import refusal_head, stream_head, whole_head
from tokenharbor.gateway.call import Call
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.dry_run import answer_dry_run
from tokenharbor.gateway.large import LARGE, LargeBodies
from tokenharbor.gateway.note_cache import NoteCache
from tokenharbor.gateway.planning import Planned, plan
from tokenharbor.gateway.relay import masked, relay
from tokenharbor.gateway.snapshot import ReadyEndpoint, Snapshot
from tokenharbor.gateway.translation import drop_untranslatable, left_out, translation_of, write_for
from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import Disconnected
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.errors import InvalidRequest, Refusal
from tokenharbor.routing.plan import no_route_refusal
from tokenharbor.routing.verdict import (
    VERDICTS,
    FailedAttempt,
    broken_stream_refusal,
    refusal_after_attempts,
    server_stopping_refusal,
)
from tokenharbor.upstream.credential_mask import MaskedFailure
from tokenharbor.upstream.send import (
    MAX_ANSWER_BYTES,
    OpenStream,
    OutgoingRequest,
    WholeAnswer,
    fetch_answer,
    open_stream,
)
from tokenharbor.wire.neutral.dialect import Dialect, ModelInPath
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.request import Edit, Request

_WAITED = frozenset({FailureKind.TIMEOUT, FailureKind.BROKEN})
"""How vendors end what they have waited for too long."""


class Gateway:
    """Serves requests for answers, in any dialect."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._notes = NoteCache(dependencies.world.clock)
        self._large = LargeBodies(dependencies.reads)

    async def serve(self, exchange: Exchange, dialect: Dialect, place: ModelInPath | None = None) -> None:
        dependencies = self._dependencies
        snapshot = dependencies.snapshots.current
        call = Call(exchange, dialect, dependencies.world)
        call.place = place
        meter = call.meter
        try:
            call.read_query()
            caller = await self._admit(call)
            request = await self._read(call)
            planned = self._plan(call, caller, request, snapshot)
            if call.dry_run:
                planned = msgspec.structs.replace(planned, way=drop_untranslatable(call, planned.request, planned.way))
                return await answer_dry_run(call, caller, planned, dependencies.reads)
            if not planned.way.ready:
                raise no_route_refusal(planned.offers.model.name, planned.way.route.dropped)
            meter.bill_to(caller.account_id, caller.key_id, snapshot.policy)
            await dependencies.holds.place(
                meter, request, planned.way.offers, snapshot.policy, planned.quote(meter.started_at)
            )
            await self._answer(call, planned)
        except Refusal as refusal:
            await self._refuse(call, refusal)
        except Disconnected:
            meter.status = "hung_up"
        except asyncio.CancelledError:
            if not exchange.stopped or meter.state is State.SETTLING:
                raise
            await self._refuse(call, server_stopping_refusal(billed=snapshot.policy.billing.broken_streams))
        finally:
            if not meter.lingers:
                dependencies.settler.abandon(meter)
                if not call.dry_run:
                    dependencies.metrics.note(meter)

    async def _admit(self, call: Call) -> Caller:
        """The caller; one without any balance is refused before a large body."""
        exchange = call.exchange
        caller = await admit(self._dependencies.ring, call.key, exchange.peer, call.meter.started_at)
        exchange.buffer_owner = caller.account_id
        if exchange.body is None and exchange.body_bound > LARGE:
            await self._large.expect(call, caller)
        return caller

    async def _read(self, call: Call) -> Request:
        body = await call.exchange.read_body()
        if len(body) > LARGE:
            return await self._large.read(partial(call.dialect.read_request, body, call.place))
        return call.dialect.read_request(body, call.place)

    def _plan(self, call: Call, caller: Caller, request: Request, snapshot: Snapshot) -> Planned:
        return plan(call, caller, request, snapshot, self._dependencies.health)

    async def _answer(self, call: Call, planned: Planned) -> None:
        if planned.request.stream:
            await self._stream(call, planned)
        else:
            await self._whole(call, planned)

    async def _whole(self, call: Call, planned: Planned) -> None:
        meter = call.meter
        sale, whole = await self._open_first(call, planned)
        assert isinstance(whole, WholeAnswer)  # noqa: S101  what a request that is no stream opens
        meter.ended = True
        meter.usage = whole.read.usage
        meter.counted = whole.read.counted
        meter.quarantined = whole.read.quarantined
        meter.delivered_bytes = whole.read.text_bytes
        if whole.read.finish_unknown:
            meter.alarm(Alarm.FINISH_UNKNOWN, word=whole.read.finish_unknown)
        meter.measure = partial(call.dialect.measure, whole.body)
        charge = await self._dependencies.settler.settle(meter)
        body = whole.body
        if planned.request.include_cost:
            body = call.dialect.price_answer(body, str(charge))
        call.exchange.respond(200, whole_head(call, sale.lines, charge), body)

    async def _stream(self, call: Call, planned: Planned) -> None:
        sale, opened = await self._open_first(call, planned)
        assert isinstance(opened, OpenStream)  # noqa: S101  what a stream opens
        try:
            call.exchange.start(200, stream_head(call, sale.lines))
            failure = await relay(opened, call)
            if failure is not None:
                raise self._broke_off(call, sale, failure)
            charge = await self._dependencies.settler.settle(call.meter)
            cost = str(charge) if planned.request.include_cost else None
            call.exchange.end(masked(opened.splicer.ending(cost), opened, call.meter))
        finally:
            if not (call.exchange.disconnected and self._dependencies.lingering.take(opened, call.meter)):
                opened.answer.close()

    async def _open_first(self, call: Call, planned: Planned) -> tuple[ReadyEndpoint, WholeAnswer | OpenStream]:
        """Try the route's endpoints in order until one gives an answer (a stream: its first content)."""
        faults: list[FailedAttempt] = []
        unsaid: InvalidRequest | None = None
        for sale in planned.way.ready:
            try:
                outcome = await self._attempt(call, planned.request, sale)
            except InvalidRequest as refusal:
                if sale.vendor is call.dialect:
                    raise
                unsaid = refusal  # a value that has no form in this one's dialect: it may in the next one's
                continue
            if not isinstance(outcome, Failure):
                return sale, outcome
            faults.append(FailedAttempt(sale.offer.endpoint.provider.name, outcome))
            if not VERDICTS[outcome.kind].try_next or self._is_spent(call):
                break
        raise unsaid if unsaid is not None and not faults else refusal_after_attempts(faults)

    def _is_spent(self, call: Call) -> bool:  # noqa: ARG002  for requests that do not stay
        """Whether the request body is consumed, so that no other endpoint can be tried."""
        return False

    def _is_sending(self, call: Call) -> bool:  # noqa: ARG002  likewise
        """Whether the vendor still waited for the caller, so that the fault may be the caller's."""
        return False

    async def _attempt(self, call: Call, request: Request, sale: ReadyEndpoint) -> WholeAnswer | OpenStream | Failure:
        meter, clock = call.meter, self._dependencies.world.clock
        endpoint = sale.offer.endpoint
        name, upstream_model = endpoint.provider.name, endpoint.upstream_model
        began = clock.monotonic()
        try:
            outcome = await self._ask(call, request, sale)
        except asyncio.CancelledError:
            meter.attempts.append(Attempt(name, upstream_model, "hung_up", int((clock.monotonic() - began) * 1000)))
            raise
        now = clock.monotonic()
        took_ms = int((now - began) * 1000)
        if isinstance(outcome, Failure):
            if outcome.kind is FailureKind.OVERLONG:
                meter.alarm(Alarm.OUTPUT_OVER_BOUND, provider_asked=name)
            meter.attempts.append(Attempt(name, upstream_model, outcome.kind.value, took_ms, outcome.status))
            if isinstance(outcome, MaskedFailure):
                meter.alarm(Alarm.CREDENTIAL_SHOWN, provider=name)
            if outcome.kind not in _WAITED or not self._is_sending(call):
                self._blame(endpoint.name, outcome)
            return outcome
        meter.attempts.append(Attempt(name, upstream_model, "ok", took_ms))
        meter.served_by(sale.offer, outcome.upstream_id, now)
        meter.left_out = () if sale.vendor is call.dialect else left_out(call, request, sale)
        if outcome.exposed:
            meter.alarm(Alarm.CREDENTIAL_SHOWN)
        self._dependencies.health.record_success(endpoint.name, took_ms)
        return outcome

    def _broke_off(self, call: Call, sale: ReadyEndpoint, failure: Failure) -> Refusal:
        """The endpoint failed after its first content: no other endpoint may be tried."""
        meter, endpoint = call.meter, sale.offer.endpoint
        if isinstance(failure, MaskedFailure):
            meter.alarm(Alarm.CREDENTIAL_SHOWN)
        attempt = meter.attempts[-1]
        since = self._dependencies.world.clock.monotonic() - (meter.first_at or 0.0)
        meter.attempts[-1] = msgspec.structs.replace(
            attempt, outcome=failure.kind.value, ms=attempt.ms + int(since * 1000), status=failure.status
        )
        self._blame(endpoint.name, failure)
        return broken_stream_refusal(
            FailedAttempt(endpoint.provider.name, failure), billed=meter.cut or meter.policy.billing.broken_streams
        )

    def _ask(self, call: Call, request: Request, sale: ReadyEndpoint) -> Awaitable[WholeAnswer | OpenStream | Failure]:
        dialect, client = call.dialect, self._dependencies.client
        if sale.vendor is not dialect:
            return self._ask_across(call, request, sale)
        hide_usage = request.stream and not request.wants_usage
        edit = Edit(
            sale.offer.endpoint.upstream_model, call.meter.capped, hide_usage, sale.offer.endpoint.limit.max_field
        )
        body = dialect.write_request(request, edit)
        if request.stream:
            outgoing = OutgoingRequest(sale.target, dialect, body, call.lines)
            return open_stream(client, outgoing, dialect.splice(request, hide_usage=hide_usage))
        return fetch_answer(client, OutgoingRequest(sale.target, dialect, body, call.lines, _most_bytes(call.meter)))

    def _ask_across(
        self, call: Call, request: Request, sale: ReadyEndpoint
    ) -> Awaitable[WholeAnswer | OpenStream | Failure]:
        """Ask an endpoint that speaks another dialect. Raises InvalidRequest for a value that has no form there."""
        body = write_for(call, request, sale, self._notes)
        translation = translation_of(call, request, sale, self._notes)
        outgoing = OutgoingRequest(sale.target, translation, body, max_bytes=_most_bytes(call.meter))
        if request.stream:
            return open_stream(self._dependencies.client, outgoing, translation.splicer())
        return fetch_answer(self._dependencies.client, outgoing)

    def _blame(self, name: str, failure: Failure) -> None:
        seconds = VERDICTS[failure.kind].cool_seconds
        if seconds:
            self._dependencies.health.record_failure(name, max(seconds, failure.retry_after or 0))

    async def _refuse(self, call: Call, refusal: Refusal) -> None:
        """Say it in the caller's dialect; what was held is given back first."""
        exchange, dialect = call.exchange, call.dialect
        call.meter.refusal = refusal.code
        await self._dependencies.settler.give_back(call.meter)
        if exchange.retract():
            body = dialect.write_refusal(refusal, call.request_id)
            exchange.respond(dialect.status_of(refusal), refusal_head(call, refusal), body)
        else:
            exchange.end(dialect.write_stream_refusal(refusal, call.request_id))


def _most_bytes(meter: Meter) -> int:
    """That a whole answer within the quote's bound can have."""
    assert meter.quote is not None, "no provider is called before the hold is placed"  # noqa: S101  for mypy
    return min(2 * most_wire(meter.request, meter.quote.bound), MAX_ANSWER_BYTES)
