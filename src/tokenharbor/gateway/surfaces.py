"""The surfaces beside chat: the same life of a request, asked and answered in other media."""

from collections.abc import Awaitable
from functools import partial

import msgspec

from tokenharbor.billing.alarms import Alarm
from tokenharbor.billing.bounds import counted, heard
from tokenharbor.gateway.answers import sound_head
from tokenharbor.gateway.call import Call
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.fitting import fit
from tokenharbor.gateway.intake import Intake
from tokenharbor.gateway.large import LARGE
from tokenharbor.gateway.planning import Planned
from tokenharbor.gateway.relay import masked, relay
from tokenharbor.gateway.serve import Gateway
from tokenharbor.gateway.snapshot import ReadyEndpoint, Snapshot
from tokenharbor.http.exchange import Exchange
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.errors import Refusal
from tokenharbor.kernel.usage import Usage
from tokenharbor.upstream.credential_mask import StreamMask
from tokenharbor.upstream.send import (
    OpenStream,
    OutgoingRequest,
    WholeAnswer,
    fetch_answer,
    fetch_answer_to_upload,
    open_stream,
)
from tokenharbor.upstream.surfaces import SurfaceAnswerReader
from tokenharbor.wire import WIRES
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.request import Edit, Request
from tokenharbor.wire.surfaces.forms import FormSurface
from tokenharbor.wire.surfaces.speech import MediaSplicer
from tokenharbor.wire.surfaces.surface import Surface

_ERRORS = WIRES["openai_chat"]
"""The dialect in which errors are written."""

_SOUNDS = (b"audio/", b"application/octet-stream", b"video/")


class SurfaceGateway(Gateway):
    """What serving any of them adds to chat."""

    def serve_surface(self, exchange: Exchange) -> Awaitable[None]:
        return self.serve(exchange, _ERRORS)

    def _plan(self, call: Call, caller: Caller, request: Request, snapshot: Snapshot) -> Planned:
        planned = super()._plan(call, caller, request, snapshot)
        assert request.demand is not None  # noqa: S101  every surface asks for something
        call.meter.fallback = counted(request, request.demand, planned.offers.model)
        return msgspec.structs.replace(planned, way=fit(planned.way, request.demand))


class FormGateway(SurfaceGateway):
    """Serves a surface whose requests are forms with files."""

    def __init__(self, dependencies: Dependencies, surface: FormSurface) -> None:
        super().__init__(dependencies)
        self._surface = surface

    async def _read(self, call: Call) -> Request:
        call.intake = Intake(call.exchange, self._surface)
        call.form = await call.intake.begin()
        return self._surface.read_form(call.form)

    async def _attempt(self, call: Call, request: Request, sale: ReadyEndpoint) -> WholeAnswer | OpenStream | Failure:
        outcome = await super()._attempt(call, request, sale)
        if self._surface.passes and isinstance(outcome, WholeAnswer) and request.demand is not None:
            came, seconds = call.intake.sound  # only now is known how much it was
            demand = msgspec.structs.replace(request.demand, upload_bytes=min(came, request.demand.upload_bytes))
            call.meter.fallback = heard(request, demand, sale.model, (seconds, outcome.read.text_bytes))
        return outcome

    def _ask(self, call: Call, request: Request, sale: ReadyEndpoint) -> Awaitable[WholeAnswer | OpenStream | Failure]:
        reads = SurfaceAnswerReader(self._surface, request)
        outgoing = OutgoingRequest(sale.targets[self._surface.name], reads, b"", call.intake.line)
        edit = Edit(sale.offer.endpoint.upstream_model, variant=sale.variant)
        return fetch_answer_to_upload(self._dependencies.client, outgoing, call.intake.upload(call.form, request, edit))

    def _is_spent(self, call: Call) -> bool:
        return call.intake.consumed

    def _is_sending(self, call: Call) -> bool:
        return call.intake.consumed and not call.intake.ended


class SoundGateway(SurfaceGateway):
    """Serves a surface whose requests are JSON and whose answers are JSON or a medium."""

    def __init__(self, dependencies: Dependencies, surface: Surface) -> None:
        super().__init__(dependencies)
        self._surface = surface

    async def _read(self, call: Call) -> Request:
        body = await call.exchange.read_body()
        if len(body) > LARGE:
            return await self._large.read(partial(self._surface.read_request, body))
        return self._surface.read_request(body)

    async def _answer(self, call: Call, planned: Planned) -> None:
        if self._surface.sound:
            await self._sound(call, planned)
        else:
            await self._whole(call, planned)

    async def _sound(self, call: Call, planned: Planned) -> None:
        """As a stream of text, but for its ending: there is no event in it that could say how it ended."""
        sale, opened = await self._open_first(call, planned)
        assert isinstance(opened, OpenStream)  # noqa: S101  what sound opens
        call.meter.counted = _spoken(planned.request)
        try:
            media = masked(opened.answer.header(b"content-type") or _SOUNDS[1], opened, call.meter)
            call.exchange.start(200, sound_head(call, sale.lines, media))
            failure = await relay(opened, call)
            if failure is not None:
                raise self._broke_off(call, sale, failure)
            await self._dependencies.settler.settle(call.meter)
            call.exchange.end(masked(opened.splicer.ending(), opened, call.meter))
        finally:
            opened.answer.close()

    def _ask(self, call: Call, request: Request, sale: ReadyEndpoint) -> Awaitable[WholeAnswer | OpenStream | Failure]:
        surface, client = self._surface, self._dependencies.client
        edit = Edit(sale.offer.endpoint.upstream_model, variant=sale.variant)
        reads = SurfaceAnswerReader(surface, request)
        outgoing = OutgoingRequest(sale.targets[surface.name], reads, surface.write_request(request, edit), call.lines)
        if surface.sound:
            cleans = StreamMask(
                sale.targets[surface.name].credential, partial(call.meter.alarm, Alarm.CREDENTIAL_SHOWN)
            )
            return self._open_sound(outgoing, MediaSplicer(_spoken(request), cleans))
        return fetch_answer(client, outgoing)

    async def _open_sound(self, outgoing: OutgoingRequest, splicer: MediaSplicer) -> OpenStream | Failure:
        opened = await open_stream(self._dependencies.client, outgoing, splicer)
        if isinstance(opened, OpenStream) and not (opened.answer.header(b"content-type") or _SOUNDS[0]).startswith(
            _SOUNDS
        ):
            opened.answer.close()
            return Failure(FailureKind.GARBAGE, message="the answer is not audio")
        return opened

    async def _refuse(self, call: Call, refusal: Refusal) -> None:
        """What has begun in another medium can only be cut."""
        if call.exchange.retract():
            await super()._refuse(call, refusal)
            return
        call.meter.refusal = refusal.code
        await self._dependencies.settler.give_back(call.meter)
        call.exchange.abort()


def _spoken(request: Request) -> Usage:
    return Usage(characters=request.demand.characters if request.demand is not None else 0)
