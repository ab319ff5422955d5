"""Requests for videos: forms whose answer is a task, which is billed once it is done."""

from tokenharbor.gateway.answers import whole_head
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.kinds.form import FormKind, FormRequest
from tokenharbor.gateway.offers import ReadyEndpoint
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import BooksError, Unavailable
from tokenharbor.kernel.money import ZERO
from tokenharbor.kernel.usage import Usage
from tokenharbor.ledger.tasks import VendorTask
from tokenharbor.upstream.send import WholeAnswer
from tokenharbor.wire.neutral.dialect import Dialect
from tokenharbor.wire.surfaces.forms import FormSurface
from tokenharbor.wire.surfaces.videos import VideoState, read_state, rename

_NOT_TAKEN = "The database lost this request. Nothing was charged; try again."


class VideoKind:
    """Video requests. Their hold outlives the request: it ends with the task."""

    streams_errors = False

    def __init__(self, dependencies: Dependencies, dialect: Dialect, surface: FormSurface) -> None:
        self.name = surface.name
        self.dialect = dialect
        self._dependencies = dependencies
        self._form = FormKind(dependencies, dialect, surface)
        self.read, self.ask = self._form.read, self._form.ask

    async def deliver(self, call: MeteredCall, request: FormRequest, ready: ReadyEndpoint, answer: WholeAnswer) -> None:
        state = read_state(answer.body)
        assert isinstance(state, VideoState)  # noqa: S101  otherwise the answer was rejected as garbage
        meter, dependencies = call.meter, self._dependencies
        meter.fallback = self._form.least_usage(request, ready, answer)
        meter.counted = answer.read.counted or Usage()
        task = VendorTask(dependencies.settler.task_settlement(meter), ready.name, state.id)
        try:
            added = await dependencies.task_billing.tasks.add(task)
        except BooksError as error:
            raise Unavailable(
                "The database did not confirm the video. It may still be created and charged: see "
                f"GET /v1/requests/{call.request_id}."
            ) from error
        if not added:
            raise Unavailable(_NOT_TAKEN)
        dependencies.settler.leave_to_task(meter)
        body = rename(answer.body, ids.show("video", task.id))
        call.exchange.respond(200, whole_head(call, ready.lines, ZERO), body)
