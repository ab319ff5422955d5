"""The splicer of OpenAI's streams: the turn of each chunk."""

from tokenharbor.wire.dialects.openai_chat.answer_schema import (
    PINGS,
    ChatChoice,
    ChatChunk,
    decode_chunk,
    delta_size,
    is_idle,
    try_usage,
    usage_of,
)
from tokenharbor.wire.dialects.openai_chat.ends import ENDS, failure_of
from tokenharbor.wire.dialects.openai_chat.failures import read_status, read_stream_failure
from tokenharbor.wire.framing import sse
from tokenharbor.wire.framing.choices import ChoiceTracker
from tokenharbor.wire.framing.cost import add_cost
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.framing.splice import CONTENT, ENDING, HIDDEN, IDLE, KEPT, EventSplicer
from tokenharbor.wire.neutral.failure import GARBAGE_EVENT, Failure, FailureKind

DONE = b"[DONE]"


class OpenAISplicer(EventSplicer):
    """A splicer of a stream with `choices` requested answers. The ending begins where the last of them finishes, where
    the usage comes after a finish, or with the terminator.
    """

    __slots__ = ("_choices", "_hide_usage")

    def __init__(self, choices: int, *, hide_usage: bool) -> None:
        super().__init__()
        self._choices = ChoiceTracker(choices)
        self._hide_usage = hide_usage

    def _judge(self, name: bytes, data: bytes | None) -> int:
        if not data:
            return IDLE
        if data.startswith(DONE):
            return self._end()
        try:
            chunk = decode_chunk(data)
        except UNREADABLE:
            return IDLE if is_idle(data) else self._fail(GARBAGE_EVENT)
        choices = chunk.choices
        if choices is None or (chunk.error is not NULL and len(chunk.error) > 4):
            return self._judge_other(name, data, chunk)
        turn = IDLE
        for choice in choices:
            turn = max(turn, self._judge_choice(choice))
        if turn != CONTENT:
            turn = self._judge_silent(turn, chunk, choices)
        counts = chunk.usage is not NULL and len(chunk.usage) > 4
        if counts or (self._choices.any_finished and not self.ending_begun):
            self._note_usage(chunk)
        if counts and not choices and self._choices.any_finished:
            return self._judge_usage()
        return turn

    def _judge_silent(self, turn: int, chunk: ChatChunk, choices: list[ChatChoice]) -> int:
        """Return the turn of a chunk that is not only content: it may report a failure, or finish choices."""
        if not self.started and self.failure is None and (failure := read_status(chunk)) is not None:
            return self._fail(failure)
        if turn == KEPT:
            for choice in choices:
                self._choices.keep(choice.index)
        return turn

    def _judge_usage(self) -> int:
        """Return the turn of usage alone after a finish: nothing more comes, unless a choice is still open."""
        turn = ENDING if self._choices.all_finished else KEPT
        if not self._hide_usage:
            return turn
        if turn == ENDING:
            self._end_all()
        return HIDDEN

    def _judge_choice(self, choice: ChatChoice) -> int:
        turn = IDLE
        words = choice.delta
        if words is None and choice.message is not None:
            return self._fail(
                Failure(FailureKind.GARBAGE, message="the stream has a whole answer in place of its pieces")
            )
        if words is not None:
            if size := delta_size(words):
                self._grown += size
                turn = CONTENT
            elif words.tool_calls or words.function_call:
                turn = CONTENT
        choices = self._choices
        if turn == CONTENT and choice.index not in choices.growing and not choices.grow(choice.index):
            turn = KEPT
        if choice.error is not NULL or (choice.finish_reason and choice.finish_reason not in ENDS.usual):
            failure = failure_of(choice, empty=not self.started and turn == IDLE)
            if failure is not None:
                return self._fail(failure)
            self.finish_unknown = ENDS.unknown(choice.finish_reason or "")
        if not choice.finish_reason:
            return turn
        return ENDING if choices.finish(choice.index) else KEPT

    def _note_usage(self, chunk: ChatChunk) -> None:
        raw = usage_of(chunk)
        if raw is not None:
            self.usage = try_usage(raw)
            self.quarantined = self.usage is None
            self.usage_so_far = self.usage or self.usage_so_far

    def _terminator(self) -> bytes:
        return sse.write(DONE) if self._choices.all_finished else b""

    def _end(self) -> int:
        if not self.started:
            return self._fail(Failure(FailureKind.BROKEN, message="the stream ended before any content"))
        self.complete = True
        return ENDING

    def _judge_other(self, name: bytes, data: bytes, chunk: ChatChunk) -> int:
        """Return the turn of a chunk without choices: an error, usage alone, or a vendor's own event."""
        failure = read_stream_failure(chunk)
        if failure is not None:
            return self._fail(failure)
        if len(chunk.usage) > 4:
            self._note_usage(chunk)
            return self._judge_usage() if self._choices.any_finished else IDLE
        if name == b"error":
            return self._fail(Failure(FailureKind.SERVER, message="the provider sent an error in an unknown format"))
        if name in (b"", b"message") and chunk.type not in PINGS and not is_idle(data):
            return self._fail(GARBAGE_EVENT)
        return IDLE

    def _price(self, data: bytes, cost_usd: str) -> bytes | None:
        return add_cost(data, cost_usd)
