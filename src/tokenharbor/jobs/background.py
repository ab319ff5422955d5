"""Background work of a server, none of which may end unnoticed."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import structlog

_PAUSES_SECONDS = (0.2, 1.0, 5.0, 15.0)
_STEADY_SECONDS = 60.0  # work that ran for this long counts as recovered
_log = structlog.get_logger("jobs")


class Background:
    """Work that runs while the `async with` lasts, and is cancelled at its end.

    An `OSError` is a transient fault of the machine (no file descriptor left, no memory, a full disk): the work starts
    again after a pause, and the reason is logged when it changes. `failed` gets the first error of another kind: a
    server that no longer refreshes its keys, for example, must not go on.
    """

    def __init__(self, failed: asyncio.Future[None]) -> None:
        self._failed = failed
        self._tasks: list[asyncio.Task[None]] = []

    def run(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.ensure_future(_keep(name, work))
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._failed.done():
            return
        error = task.exception()
        if error is not None:
            self._failed.set_exception(error)


async def _keep(name: str, work: Callable[[], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    failures, reason = 0, ""
    while True:
        began = loop.time()
        try:
            return await work()
        except OSError as error:
            if loop.time() - began > _STEADY_SECONDS:
                failures, reason = 0, ""
            if str(error) != reason:
                reason = str(error)
                _log.error("background_work_failed", work=name, reason=reason)
        await asyncio.sleep(_PAUSES_SECONDS[min(failures, len(_PAUSES_SECONDS) - 1)])
        failures += 1
