"""Streams whose caller has left: read for a moment longer, to get the provider's own usage."""

import asyncio
import contextlib
from functools import partial

from tokenharbor.billing.charges import Settler
from tokenharbor.billing.meter import Meter, MeterState
from tokenharbor.gateway.metrics import Metrics
from tokenharbor.gateway.relay import note_usage
from tokenharbor.http.message import BrokenAnswer, TimedOut
from tokenharbor.upstream.send import OpenStream

SECONDS = 0.8  # so that the request stops counting as open within a second of the hang-up
_MOST_AT_ONCE = 64
_MOST_BYTES = 4 << 20  # an ending may repeat the whole answer


class LingeringStreams:
    """Reads streams on, for at most `seconds`. More content closes the stream at once: nobody would read it, but the
    provider would charge for it. What comes without content (the finish, the usage) costs nothing.
    """

    def __init__(self, settler: Settler, metrics: Metrics, seconds: float = SECONDS) -> None:
        self._settler = settler
        self._metrics = metrics
        self.seconds = seconds
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, opened: OpenStream, meter: Meter) -> bool:
        """Take a stream over if it is worth reading on. Return whether it was: then it is closed, billed and counted
        here.
        """
        splicer = opened.splicer
        if splicer.complete or splicer.failure is not None or len(self._tasks) >= _MOST_AT_ONCE:
            return False
        if meter.state is not MeterState.HELD or not meter.delivered_bytes:
            return False
        meter.lingers = True
        task = asyncio.ensure_future(self._wait(opened))
        self._tasks.add(task)
        task.add_done_callback(partial(self._end, opened, meter))
        return True

    async def drain(self) -> None:
        """End all streams now, and bill what is known."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self, opened: OpenStream) -> None:
        with contextlib.suppress(TimeoutError, BrokenAnswer, TimedOut):  # what arrived until now counts
            async with asyncio.timeout(self.seconds):
                await _read_on(opened)

    def _end(self, opened: OpenStream, meter: Meter, task: asyncio.Task[None]) -> None:
        """Close and bill a stream. This is a callback because a task cancelled before its first step runs no
        `finally`.
        """
        self._tasks.discard(task)
        opened.answer.close()
        note_usage(meter, opened.splicer)
        self._settler.end_unsettled(meter)
        self._metrics.note(meter)


async def _read_on(opened: OpenStream) -> None:
    splicer, answer = opened.splicer, opened.answer
    had, came = splicer.text_bytes + splicer.ending_text_bytes, 0
    while not splicer.complete and splicer.failure is None and came <= _MOST_BYTES:
        data = await answer.next()
        if not data:
            splicer.close(whole=answer.framed)
            return
        splicer.feed(data)
        came += len(data)
        if splicer.text_bytes + splicer.ending_text_bytes != had and not splicer.ending_begun:
            return
