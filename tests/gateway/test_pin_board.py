"""Pins of sessions: bounded in number and memory, and dropped after a time."""

import tracemalloc

from tokenharbor.gateway.pin_board import PinBoard
from tokenharbor.orchestra.outline import outline_of
from tokenharbor.orchestra.pins import LastUsage, Pin
from tokenharbor.orchestra.stage import Stage
from tokenharbor.wire.neutral.chat import Chat, Message, Role, Text, Tool


def pin(at: float, session: int = 0) -> Pin:
    words = "\n".join(f"rule {number} of session {session}" for number in range(100))
    tools = tuple(Tool(f"tool {number}") for number in range(30))
    outline = outline_of(Chat((Message(Role.SYSTEM, (Text(words),)),), tools=tools))
    usage = LastUsage(50_000 + session, 40_000, 700)
    return Pin(Stage.CODE, "m", "a/m", "a/m", "", plan_ended=False, outline=outline, at=at, usage=usage)


def test_a_pin_is_forgotten_some_time_after_the_last_request() -> None:
    board = PinBoard()
    board.keep("one", pin(10.0), since=0.0)
    assert board.find("one", since=10.0) is not None
    assert board.find("one", since=10.5) is None
    board.keep("two", pin(20.0), since=15.0)
    assert len(board) == 1, "what nobody will find is gone"


def test_what_is_full_loses_the_session_that_was_quiet_longest() -> None:
    board = PinBoard(most=2)
    for name, at in (("one", 1.0), ("two", 2.0), ("one", 3.0), ("three", 4.0)):
        board.keep(name, pin(at), since=0.0)
    assert [board.find(name, 0.0) is not None for name in ("one", "two", "three")] == [True, False, True]


def test_all_pins_of_a_worker_fit_into_twenty_megabytes() -> None:
    board, few = PinBoard(), 1_000
    tracemalloc.start()
    try:
        for number in range(few):
            kept = pin(1.0, number)
            for name in (f"conv_{number:026}", f"conv_{number:026}/{number}"):
                board.keep(name, kept, since=0.0)
        each = tracemalloc.get_traced_memory()[0] / len(board)
    finally:
        tracemalloc.stop()
    assert each * board._most < 20 << 20
