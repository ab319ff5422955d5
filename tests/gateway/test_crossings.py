"""How many functions and rooms a billed request enters: the house stays shallow."""

import sys
from itertools import pairwise
from types import FrameType

import pytest
from tests.gateway.house import House

pytestmark = pytest.mark.asyncio(loop_scope="session")
_HOUSE = "/src/tokenharbor/"
_MOST_ENTRIES, _MOST_CROSSINGS = 302, 76
"""With resumes of coroutines, with the HTTP of the vendor, which runs in this process, and with the arguments of two
batches (some sixty), which many requests share where there are many."""


async def test_a_billed_request_enters_few_functions_and_changes_rooms_seldom(house: House) -> None:
    for _ in range(5):
        await house.chat("solo")
    entries, crossings = min([await _trace(house) for _ in range(5)])  # other tasks may run during one of them
    assert entries <= _MOST_ENTRIES, f"{entries} functions were entered"
    assert crossings <= _MOST_CROSSINGS, f"the room changed {crossings} times"


async def _trace(house: House) -> tuple[int, int]:
    rooms: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        place = frame.f_code.co_filename.partition(_HOUSE)[2]
        if event == "call" and place and not place.startswith("simulator/"):
            rooms.append(place.partition("/")[0])

    sys.setprofile(note)
    try:
        said = await house.chat("solo")
    finally:
        sys.setprofile(None)
    assert said.status == 200
    return len(rooms), sum(before != after for before, after in pairwise(rooms))
