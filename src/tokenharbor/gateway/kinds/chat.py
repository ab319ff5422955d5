"""Chat requests: passed on byte for byte within the caller's dialect, and translated between two dialects."""

from collections.abc import Awaitable
from functools import partial

from tokenharbor.billing.bounds import most_answer_bytes
from tokenharbor.billing.meter import Meter
from tokenharbor.gateway.answers import stream_head
from tokenharbor.gateway.attempts import broken_stream_refusal
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.kinds.whole import deliver_whole
from tokenharbor.gateway.large import LARGE
from tokenharbor.gateway.offers import ReadyEndpoint
from tokenharbor.gateway.read_queue import SHORT
from tokenharbor.gateway.relay import mask_piece, relay
from tokenharbor.gateway.translation import left_out_header, stated_effort, translation_of, write_for
from tokenharbor.upstream.send import (
    MAX_ANSWER_BYTES,
    OpenStream,
    OutgoingRequest,
    WholeAnswer,
    fetch_answer,
    open_stream,
)
from tokenharbor.wire.neutral.dialect import Dialect
from tokenharbor.wire.neutral.failure import Failure
from tokenharbor.wire.neutral.request import Edit, Request


class ChatKind:
    """Chat requests in one dialect."""

    streams_errors = True

    def __init__(self, dependencies: Dependencies, dialect: Dialect) -> None:
        self.name = dialect.name
        self.dialect = dialect
        self._dependencies = dependencies

    async def read(self, call: MeteredCall) -> Request:
        body = call.exchange.received_body()
        if body is None:
            body = await call.exchange.read_body()
        if len(body) > SHORT or self._dependencies.reading.crowded:
            await self._dependencies.reading.wait(len(body))
        if len(body) > LARGE:
            return await self._dependencies.large.read(partial(self.dialect.read_request, body, call.model_in_path))
        return self.dialect.read_request(body, call.model_in_path)

    def ask(
        self, call: MeteredCall, request: Request, ready: ReadyEndpoint
    ) -> Awaitable[WholeAnswer | OpenStream | Failure]:
        dialect, client = self.dialect, self._dependencies.client
        if ready.vendor is not dialect:
            return self._ask_across(call, request, ready)
        hide_usage = request.stream and not request.wants_usage
        endpoint = ready.endpoint
        effort = None if call.pool_decision is None else stated_effort(call, request, ready)
        edit = Edit(endpoint.upstream_model, call.meter.capped, hide_usage, endpoint.limit.max_field, effort=effort)
        body = dialect.write_request(request, edit)
        if request.stream:
            outgoing = OutgoingRequest(ready.target, dialect, body, call.forwarded_lines)
            return open_stream(client, outgoing, dialect.splice(request, hide_usage=hide_usage))
        return fetch_answer(
            client, OutgoingRequest(ready.target, dialect, body, call.forwarded_lines, _most_bytes(call.meter, ready))
        )

    def _ask_across(
        self, call: MeteredCall, request: Request, ready: ReadyEndpoint
    ) -> Awaitable[WholeAnswer | OpenStream | Failure]:
        """Ask an endpoint that speaks another dialect."""
        client, notes = self._dependencies.client, self._dependencies.notes
        body = write_for(call, request, ready, notes)
        translation = translation_of(call, request, ready, notes)
        outgoing = OutgoingRequest(ready.target, translation, body, max_bytes=_most_bytes(call.meter, ready))
        if request.stream:
            return open_stream(client, outgoing, translation.splicer())
        return fetch_answer(client, outgoing)

    def deliver(
        self, call: MeteredCall, request: Request, ready: ReadyEndpoint, answer: WholeAnswer | OpenStream
    ) -> Awaitable[None]:
        if ready.vendor is not self.dialect:
            call.meter.left_out = left_out_header(call, request, ready)
        if isinstance(answer, OpenStream):
            return self._deliver_stream(call, request, ready, answer)
        return deliver_whole(self._dependencies.settler, call, request, ready, answer)

    async def _deliver_stream(
        self, call: MeteredCall, request: Request, ready: ReadyEndpoint, opened: OpenStream
    ) -> None:
        dependencies, exchange = self._dependencies, call.exchange
        try:
            exchange.start(200, stream_head(call, ready.lines))
            failure = await relay(opened, call)
            if failure is not None:
                raise broken_stream_refusal(dependencies, call, ready, failure)
            charge = await dependencies.settler.settle(call.meter)
            cost = str(charge) if request.include_cost else None
            ending = mask_piece(opened.splicer.ending(cost), opened, call.meter)
            exchange.end(ending)
            if call.cache is not None:
                uncosted = ending if cost is None else mask_piece(opened.splicer.ending(None), opened, call.meter)
                call.cache.store(call, ready, request, uncosted)
        finally:
            if not (exchange.disconnected and dependencies.lingering.take(opened, call.meter)):
                opened.answer.close()


def _most_bytes(meter: Meter, ready: ReadyEndpoint) -> int:
    """Return the most bytes that a whole answer within the quote's bound can have."""
    assert meter.quote is not None, "no provider is called before the hold is placed"  # noqa: S101  for mypy
    quote = meter.quote.of(ready) if meter.quote.by_model else meter.quote
    return min(2 * most_answer_bytes(meter.request, quote.bound), MAX_ANSWER_BYTES)
