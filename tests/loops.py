"""The event loops of the tests: uvloop's, closed whatever is still open in it; and one whose time is virtual."""

import asyncio
import selectors
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


class ClosingLoop(uvloop.Loop):
    """What a test leaves to its peer may still be open at the end. uvloop warns of each such handle while it walks
    them; with warnings as errors that walk stops, the handle stays, and the loop is "busy" or is never left.
    """

    def close(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            super().close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time passes only while nothing else is to be done. What belongs in a thread runs at once."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def run_in_executor(self, _executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except OSError as error:
            done.set_exception(error)
        return done


class _JumpingSelector(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing is left that could happen"
        self.now += max(timeout, 0)
        return super().select(0)
