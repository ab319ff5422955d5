"""The number of functions and rooms that a billed request enters stays within a limit."""

import asyncio
import sys
from itertools import pairwise
from types import FrameType

import pytest
from tests.gateway.house import House

from tokenharbor.http.server_connection import ServerConnection

pytestmark = pytest.mark.asyncio(loop_scope="session")
_HOUSE = "/src/tokenharbor/"
_MOST_ENTRIES, _MOST_CROSSINGS = 194, 60
"""With resumes of coroutines, with the HTTP of the vendor, which runs in this process. What runs for all requests
together is not counted: batches of the ledger, and tasks that watch for changes; both enter more functions while other
tests are busy."""


async def test_a_billed_request_enters_few_functions_and_changes_rooms_seldom(house: House) -> None:
    for _ in range(5):
        await house.chat("solo")
    entries, crossings = min([await _trace(house) for _ in range(5)])
    assert entries <= _MOST_ENTRIES, f"{entries} functions were entered"
    assert crossings <= _MOST_CROSSINGS, f"the room changed {crossings} times"


async def _trace(house: House) -> tuple[int, int]:
    rooms: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        place = frame.f_code.co_filename.partition(_HOUSE)[2]
        if event == "call" and place and not place.startswith("simulator/") and _serves_a_connection():
            rooms.append(place.partition("/")[0])

    sys.setprofile(note)
    try:
        said = await house.chat("solo")
    finally:
        sys.setprofile(None)
    assert said.status == 200
    return len(rooms), sum(before != after for before, after in pairwise(rooms))


def _serves_a_connection() -> bool:
    """Whether the running task serves one, or no task runs, as in the callbacks of sockets."""
    task = asyncio.current_task()
    coroutine = task and task.get_coro()
    return coroutine is None or getattr(coroutine, "cr_code", None) is ServerConnection._serve.__code__
