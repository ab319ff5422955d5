"""Requests that are forms with files: passed on piece by piece if the surface allows it, else buffered."""

from collections.abc import Awaitable

import msgspec

from tokenharbor.billing.bounds import least_usage, recording_usage
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.intake import FormIntake
from tokenharbor.gateway.kinds.kind import LastFailure
from tokenharbor.gateway.kinds.whole import deliver_whole
from tokenharbor.gateway.offers import ReadyEndpoint
from tokenharbor.gateway.variants import demand_of
from tokenharbor.kernel.usage import Usage
from tokenharbor.upstream.send import OutgoingRequest, WholeAnswer, fetch_answer_to_upload
from tokenharbor.upstream.surfaces import SurfaceAnswerReader
from tokenharbor.wire.neutral.dialect import Dialect
from tokenharbor.wire.neutral.failure import Failure
from tokenharbor.wire.neutral.request import Edit, Request
from tokenharbor.wire.surfaces.forms import FormSurface, UploadForm


class FormRequest(Request, frozen=True, kw_only=True):
    """A request with the form that it was read from, and the intake for the rest of the form."""

    form: UploadForm
    intake: FormIntake


class FormKind:
    """Form requests on one surface. `dialect` is that of its errors."""

    streams_errors = False

    def __init__(self, dependencies: Dependencies, dialect: Dialect, surface: FormSurface) -> None:
        self.name = surface.name
        self.dialect = dialect
        self._dependencies = dependencies
        self._surface = surface

    async def read(self, call: MeteredCall) -> FormRequest:
        intake = FormIntake(call.exchange, self._surface)
        form = await intake.begin()
        return FormRequest(**msgspec.structs.asdict(self._surface.read_form(form)), form=form, intake=intake)

    async def ask(
        self, _call: MeteredCall, request: FormRequest, ready: ReadyEndpoint, /
    ) -> WholeAnswer | Failure | LastFailure:
        intake = request.intake
        reads = SurfaceAnswerReader(self._surface, request)
        outgoing = OutgoingRequest(ready.targets[self._surface.name], reads, b"", intake.line)
        edit = Edit(ready.endpoint.upstream_model, variant=ready.variant)
        upload = intake.upload(request.form, request, edit)
        outcome = await fetch_answer_to_upload(self._dependencies.client, outgoing, upload)
        if isinstance(outcome, Failure) and intake.consumed:
            return LastFailure(outcome, sending=not intake.ended)
        return outcome

    def deliver(
        self, call: MeteredCall, request: FormRequest, ready: ReadyEndpoint, answer: WholeAnswer
    ) -> Awaitable[None]:
        call.meter.fallback = self.least_usage(request, ready, answer)
        return deliver_whole(self._dependencies.settler, call, request, ready, answer)

    def least_usage(self, request: FormRequest, ready: ReadyEndpoint, answer: WholeAnswer) -> Usage:
        """Return the usage that is billed if the provider reports none."""
        demand = demand_of(request)
        if not self._surface.passes:
            return least_usage(request, demand, ready.model)
        came, seconds = request.intake.received_sound  # the size is known only now
        demand = msgspec.structs.replace(demand, upload_bytes=min(came, demand.upload_bytes))
        return recording_usage(request, demand, ready.model, seconds=seconds, transcript_bytes=answer.read.text_bytes)
