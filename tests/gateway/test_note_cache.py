"""The note cache: which notes it returns to whom, for how long, and its bounds."""

from datetime import UTC, datetime

import pytest

from tokenharbor.gateway.note_cache import NoteCache
from tokenharbor.kernel.ids import UUID
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.chat import Chat, Message, Role, ToolCall
from tokenharbor.wire.neutral.events import (
    BlockClosed,
    BlockGrew,
    BlockKind,
    BlockOpened,
    Finished,
    FinishReason,
    Note,
    Started,
)

MINE, YOURS = UUID(int=1), UUID(int=2)
NOTE = Note("gemini", "thought_signature", b"sealed")


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds

    def unix_ms(self) -> int:
        return 0


def asking(*calls: ToolCall) -> Chat:
    return Chat((Message(Role.ASSISTANT, calls),))


def notes_of(chat: Chat) -> list[tuple[Note, ...]]:
    return [part.notes for part in chat.messages[0].parts if isinstance(part, ToolCall)]


def test_notes_come_back_to_the_account_that_they_were_given_to() -> None:
    notes = NoteCache(Hand())
    notes.keep(MINE, "call_1", (NOTE,))
    chat = asking(ToolCall("call_1", "bash", "{}"), ToolCall("call_2", "bash", "{}"))
    assert notes_of(notes.restore(MINE, chat)) == [(NOTE,), ()]
    assert notes.restore(YOURS, chat) == chat


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("call_id", ["call_1", "functions.x:0", "c" * 90, "Anruf_ä"])
def test_a_client_finds_the_notes_by_the_id_that_it_was_told(client: str, call_id: str) -> None:
    notes, wire = NoteCache(Hand()), DIALECTS[client]
    notes.keep(MINE, call_id, (NOTE,))
    call = (BlockOpened(0, BlockKind.TOOL_CALL, call_id, "bash"), BlockGrew(0, "{}"), BlockClosed(0))
    body = wire.write_reply([Started("id", "m"), *call, Finished(FinishReason.TOOL_CALLS)])
    told = [event.call_id for event in wire.read_reply(body) if isinstance(event, BlockOpened)]
    assert notes_of(notes.restore(MINE, asking(ToolCall(told[0], "bash", "{}")))) == [(NOTE,)]


def test_a_call_that_has_its_notes_keeps_them() -> None:
    notes, own = NoteCache(Hand()), Note("openai_chat", "extra_content", b"{}")
    notes.keep(MINE, "call_1", (NOTE,))
    assert notes_of(notes.restore(MINE, asking(ToolCall("call_1", "bash", "{}", notes=(own,))))) == [(own,)]


def test_R9_notes_of_two_answers_whose_calls_share_an_id_are_not_mixed() -> None:
    notes, later = NoteCache(Hand()), Note("gemini", "thought_signature", b"another")
    notes.keep(MINE, "call_1", (NOTE,))
    notes.keep(MINE, "call_1", (later,))
    assert notes.find(MINE, "call_1") == (later,)


def test_what_nobody_asks_for_within_the_hour_is_gone() -> None:
    clock = Hand()
    notes = NoteCache(clock)
    notes.keep(MINE, "asked", (NOTE,))
    notes.keep(MINE, "forgotten", (NOTE,))
    clock.seconds = 3_000
    assert notes.find(MINE, "asked")
    clock.seconds = 3_601
    assert notes.find(MINE, "asked"), "asking gives another hour"
    assert not notes.find(MINE, "forgotten")
    clock.seconds = 10_000
    assert not notes.find(MINE, "asked")
    assert (len(notes), notes.bytes) == (0, 0)


def test_it_holds_so_many_and_so_much_and_the_oldest_go_first() -> None:
    few = NoteCache(Hand(), most_entries=3)
    for number in range(10):
        few.keep(MINE, f"call_{number}", (NOTE,))
    assert len(few) == 3
    assert [bool(few.find(MINE, f"call_{number}")) for number in (6, 7, 9)] == [False, True, True]
    small = NoteCache(Hand(), most_bytes=100_000)
    for number in range(100):
        small.keep(MINE, f"call_{number}", (Note("gemini", "s", b"x" * 10_000),))
    assert small.bytes <= 100_000
    small.keep(MINE, "huge", (Note("gemini", "s", b"x" * 90_000),))
    assert not small.find(MINE, "huge")
    assert len(small) > 1, "one that is too large crowds out nobody"
