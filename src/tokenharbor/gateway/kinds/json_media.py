"""JSON requests for other media: embeddings, images and rankings, answered in JSON; and speech, answered as sound."""

from collections.abc import Awaitable
from functools import partial

from tokenharbor.billing.alarms import Alarm
from tokenharbor.billing.bounds import least_usage
from tokenharbor.gateway.answers import media_head
from tokenharbor.gateway.attempts import broken_stream_refusal
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.kinds.whole import deliver_whole
from tokenharbor.gateway.large import LARGE
from tokenharbor.gateway.offers import ReadyEndpoint
from tokenharbor.gateway.read_queue import SHORT
from tokenharbor.gateway.relay import mask_piece, relay
from tokenharbor.gateway.variants import demand_of
from tokenharbor.kernel.usage import Usage
from tokenharbor.upstream.credential_mask import StreamMask
from tokenharbor.upstream.send import OpenStream, OutgoingRequest, WholeAnswer, fetch_answer, open_stream
from tokenharbor.upstream.surfaces import SurfaceAnswerReader
from tokenharbor.wire.neutral.dialect import Dialect
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.request import Edit, Request
from tokenharbor.wire.surfaces.speech import MediaSplicer
from tokenharbor.wire.surfaces.surface import Surface

_SOUNDS = (b"audio/", b"application/octet-stream", b"video/")


class JsonMediaKind:
    """JSON requests on one surface. `dialect` is that of its errors."""

    streams_errors = False

    def __init__(self, dependencies: Dependencies, dialect: Dialect, surface: Surface) -> None:
        self.name = surface.name
        self.dialect = dialect
        self._dependencies = dependencies
        self._surface = surface

    async def read(self, call: MeteredCall) -> Request:
        body = await call.exchange.read_body()
        if len(body) > SHORT or self._dependencies.reading.crowded:
            await self._dependencies.reading.wait(len(body))
        if len(body) > LARGE:
            return await self._dependencies.large.read(partial(self._surface.read_request, body))
        return self._surface.read_request(body)

    def ask(
        self, call: MeteredCall, request: Request, ready: ReadyEndpoint
    ) -> Awaitable[WholeAnswer | OpenStream | Failure]:
        surface, target = self._surface, ready.targets[self._surface.name]
        body = surface.write_request(request, Edit(ready.endpoint.upstream_model, variant=ready.variant))
        outgoing = OutgoingRequest(target, SurfaceAnswerReader(surface, request), body, call.forwarded_lines)
        if surface.answers_audio:
            cleans = StreamMask(target.credential, partial(call.meter.alarm, Alarm.CREDENTIAL_SHOWN))
            return self._open_sound(outgoing, MediaSplicer(_spoken(request), cleans))
        return fetch_answer(self._dependencies.client, outgoing)

    def deliver(
        self, call: MeteredCall, request: Request, ready: ReadyEndpoint, answer: WholeAnswer | OpenStream
    ) -> Awaitable[None]:
        call.meter.fallback = least_usage(request, demand_of(request), ready.model)
        if isinstance(answer, OpenStream):
            return self._deliver_sound(call, request, ready, answer)
        return deliver_whole(self._dependencies.settler, call, request, ready, answer)

    async def _open_sound(self, outgoing: OutgoingRequest, splicer: MediaSplicer) -> OpenStream | Failure:
        opened = await open_stream(self._dependencies.client, outgoing, splicer)
        if isinstance(opened, OpenStream) and not _media(opened).startswith(_SOUNDS):
            opened.answer.close()
            return Failure(FailureKind.GARBAGE, message="the answer is not audio")
        return opened

    async def _deliver_sound(
        self, call: MeteredCall, request: Request, ready: ReadyEndpoint, opened: OpenStream
    ) -> None:
        """Deliver sound as it comes. Unlike a stream of events, it cannot carry an error at its end."""
        meter, exchange = call.meter, call.exchange
        meter.counted = _spoken(request)
        try:
            media = mask_piece(opened.answer.header(b"content-type") or _SOUNDS[1], opened, meter)
            exchange.start(200, media_head(call, ready.lines, media, len(meter.attempts)))
            failure = await relay(opened, call)
            if failure is not None:
                raise broken_stream_refusal(self._dependencies, call, ready, failure)
            await self._dependencies.settler.settle(meter)
            exchange.end(mask_piece(opened.splicer.ending(), opened, meter))
        finally:
            opened.answer.close()


def _media(opened: OpenStream) -> bytes:
    return opened.answer.header(b"content-type") or _SOUNDS[0]


def _spoken(request: Request) -> Usage:
    return Usage(characters=demand_of(request).characters)
