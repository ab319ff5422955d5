"""Videos after their request: polled at their provider, and billed once they are done."""

from datetime import timedelta
from functools import partial

import structlog

from tokenharbor.billing.alarms import Alarm
from tokenharbor.gateway.answers import json_head, media_head
from tokenharbor.gateway.call import Call
from tokenharbor.gateway.dependencies import Dependencies
from tokenharbor.gateway.local_limits import LocalClass
from tokenharbor.gateway.offers import ReadyEndpoint
from tokenharbor.http.answer import HttpAnswer
from tokenharbor.http.message import BrokenAnswer, ConnectFailed, TimedOut
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import BooksError, InvalidRequest, NotFound, Refusal, Unavailable, reason_of
from tokenharbor.ledger.tasks import VendorTask
from tokenharbor.routing.verdict import FailedAttempt, refusal_after_attempts
from tokenharbor.upstream.credential_mask import StreamMask
from tokenharbor.upstream.send import failure_of_error
from tokenharbor.upstream.surfaces import read_failure_of
from tokenharbor.upstream.target import Target
from tokenharbor.wire.neutral.failure import Failure
from tokenharbor.wire.surfaces.videos import VideoState, read_state, rename

_QUIET = timedelta(minutes=5)  # a video that no client polls for this long is polled by us
_LONGEST = timedelta(days=2)  # a video that is not done by then counts as failed
_MOST_STATE_BYTES = 1 << 20
_SURFACE = "videos"
_CONTENT = "/content"
_log = structlog.get_logger("videos")


class VideoTasks:
    """Serves videos that a provider has accepted, for as long as the provider keeps them."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def read(self, call: Call, name: str) -> None:
        """Answer with the state of a video."""
        task = await self._find(call, name)
        body, _ = await self._poll(task)
        call.exchange.respond(200, json_head(call), rename(body, _shown(task)))

    async def _find(self, call: Call, name: str) -> VendorTask:
        caller = await self._dependencies.local_limits.admit(call, LocalClass.READ)
        try:
            found = await self._dependencies.task_billing.tasks.find(ids.parse("video", name), caller.account_id)
        except ValueError as error:
            raise InvalidRequest(str(error), param="id") from None
        except BooksError as error:
            raise Unavailable("Database unavailable: try again shortly.") from error
        if found is None:
            raise NotFound("This account has no video with this id.")
        return found

    async def poll_due(self) -> None:
        """Poll the videos that no client polls, so that no hold stays forever."""
        now = self._dependencies.world.clock.now()
        try:
            due = await self._dependencies.task_billing.tasks.take_due(now - _QUIET, now)
        except BooksError:
            return
        for task in due:
            try:
                await self._poll_one(task)
            except Exception as error:  # noqa: BLE001  one video's failure must not stop the others; it is polled again
                _log.warning("video_not_polled", task=_shown(task), reason=reason_of(error))

    async def _poll_one(self, task: VendorTask) -> None:
        try:
            await self._poll(task)
        except Refusal:
            if self._dependencies.world.clock.now() - task.settlement.at > _LONGEST:
                await self._dependencies.task_billing.failed(task)
            raise

    async def _poll(self, task: VendorTask) -> tuple[bytes, VideoState]:
        """Poll the provider, and settle or release first if the video has ended. Return the answer and the state.
        Raises Refusal.
        """
        dependencies = self._dependencies
        answer = await self._get(task, "", stream=False)
        try:
            body = await answer.read(_MOST_STATE_BYTES)
        except (BrokenAnswer, TimedOut) as error:
            raise _refusal(task, failure_of_error(error)) from None
        finally:
            answer.close()
        state = read_state(body)
        if isinstance(state, Failure):
            raise _refusal(task, state)
        if task.state == "failed" and not state.failed:  # its hold was released, so a late video is not delivered
            raise NotFound("The provider did not complete this video in time. Nothing was billed; create it again.")
        if task.state == "open":
            if state.done:
                await dependencies.task_billing.done(task)
            elif state.failed or dependencies.world.clock.now() - task.settlement.at > _LONGEST:
                await dependencies.task_billing.failed(task)
            else:
                await dependencies.task_billing.tasks.asked(task.id, dependencies.world.clock.now())
        clean = self._ready(task).targets[_SURFACE].credential.mask(body)
        if clean is not body:
            dependencies.metrics.alarm(Alarm.CREDENTIAL_SHOWN, task)
        return clean, state

    async def read_content(self, call: Call, name: str) -> None:
        """Pass on the content of a video that is done."""
        task = await self._find(call, name)
        if task.state != "done":
            _, state = await self._poll(task)
            if not state.done:
                raise InvalidRequest(
                    f"This video is {state.status[:40]}: try again when its status is completed.", param="id"
                )
        answer = await self._get(task, _CONTENT, stream=True)
        exchange = call.exchange
        try:
            length = answer.header(b"content-length") if answer.decoder is None else None
            credential = self._ready(task).targets[_SURFACE].credential
            masking = StreamMask(credential, partial(self._dependencies.metrics.alarm, Alarm.CREDENTIAL_SHOWN, task))
            media = credential.mask(answer.header(b"content-type") or b"video/mp4")
            exchange.start(200, media_head(call, b"", media), length=None if length is None else int(length))
            while piece := await answer.next():
                answer.content_arrived()
                if clean := masking.feed(piece):
                    await exchange.write(clean)
            exchange.end(masking.rest())
        except (BrokenAnswer, TimedOut):
            exchange.abort()
        finally:
            answer.close()

    async def _get(self, task: VendorTask, suffix: str, *, stream: bool) -> HttpAnswer:
        """Send a GET to the provider that has the task. Raises Refusal."""
        target = self._ready(task).targets[_SURFACE]
        head = _get_head(target, f"/{task.vendor_id}{suffix}")
        try:
            answer = await self._dependencies.client.send(target.origin, head, b"", target.deadlines, stream=stream)
            if answer.status // 100 == 2:
                return answer
            failure = await read_failure_of(answer, target)
        except (ConnectFailed, BrokenAnswer, TimedOut) as error:
            failure = failure_of_error(error)
        raise _refusal(task, failure)

    def _ready(self, task: VendorTask) -> ReadyEndpoint:
        ready = self._dependencies.snapshots.find_ready(task.settlement.product.model, task.endpoint)
        if ready is None or _SURFACE not in ready.targets:
            raise Unavailable(
                f"{task.settlement.product.provider}, the provider of this video, is not configured now: contact the"
                " operator."
            )
        return ready


def _shown(task: VendorTask) -> str:
    return ids.show("video", task.id)


def _refusal(task: VendorTask, failure: Failure) -> Refusal:
    return refusal_after_attempts([FailedAttempt(task.settlement.product.provider, failure)])


def _get_head(target: Target, rest: str) -> bytes:
    """Return the head of a GET for `rest` under the surface's path."""
    _, path, others = target.head_stream.split(b" ", 2)
    return b"GET %b%b %b" % (path, rest.encode("ascii"), others) + target.lines(b"")
