"""Reader of OpenAI's answers into events: chunks and whole bodies."""

from collections.abc import Sequence

import msgspec

from tokenharbor.wire.dialects.openai_chat.annotations import read_annotations, read_images
from tokenharbor.wire.dialects.openai_chat.answer_schema import (
    PINGS,
    ChatChoice,
    ChatChunk,
    ChatDelta,
    ChatPart,
    ChatToolCall,
    ThinkingText,
    decode_chunk,
    is_idle,
    other_reasoning,
    try_usage,
    usage_of,
)
from tokenharbor.wire.dialects.openai_chat.ends import ENDS, failure_of, is_empty, is_usual
from tokenharbor.wire.dialects.openai_chat.failures import read_status, read_stream_failure
from tokenharbor.wire.dialects.openai_chat.note_fields import (
    DIALECT,
    ForeignNotes,
    of_call,
    of_text,
    read_details,
    split,
)
from tokenharbor.wire.framing.body import check_text
from tokenharbor.wire.framing.first_content_limit import FirstContentLimit
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.framing.sse import Frame, SseFramer
from tokenharbor.wire.neutral.blocks import BlockSequence, ReplyBuilder
from tokenharbor.wire.neutral.chat import MediaSource
from tokenharbor.wire.neutral.events import BlockKind, Event, FinishReason, Note
from tokenharbor.wire.neutral.failure import GARBAGE_ANSWER, Failure, FailureKind
from tokenharbor.wire.neutral.translate import Reply, ReplyBlock, failed

_NULL_SIZE = len(NULL)
_NO_DETAILS: tuple[tuple[ForeignNotes, ...], tuple[Note, ...]] = (), ()


class _Call:
    """A tool call that is being received. It opens once its arguments begin, since some vendors send its name in
    pieces.
    """

    __slots__ = ("block", "custom", "id", "name", "notes", "said", "waiting")

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.name = ""
        self.custom = False
        self.block: int | None = None
        self.waiting = ""  # arguments that came before the name
        self.notes: tuple[Note, ...] = ()
        self.said: str | None = None if id_ else ""  # its arguments, if there is no id to detect the next call

    def is_followed_by(self, piece: ChatToolCall, name: str) -> bool:
        """Return whether a piece begins a new call, because some vendors give every parallel call the same index: with
        ids, a new id with a name; without ids, a name after complete arguments.
        """
        if not name or piece.id:
            return bool(name) and piece.id != self.id
        return self.block is not None and bool(self.said) and _is_whole(self.said or "")


class _EventBuilder:
    """Builds the events of the first choice, from pieces or a whole message."""

    def __init__(self, blocks: BlockSequence) -> None:
        self.blocks = blocks
        self._calls: dict[int, _Call] = {}
        self._unopened: _Call | None = None  # the latest, while its name may be incomplete

    def start(self, chunk: ChatChunk) -> None:
        if not self.blocks.started:
            self.blocks.start(chunk.id or "", chunk.model or "")

    def words(self, words: ChatDelta) -> None:
        carried, notes = _NO_DETAILS if words.reasoning_details is NULL else read_details(words.reasoning_details)
        reasoning = words.reasoning_content or words.reasoning or other_reasoning(words)
        if reasoning or carried or notes:
            self._reasoning(reasoning, carried, notes)
        if isinstance(words.content, str):
            if words.content:
                self.blocks.add_text(BlockKind.TEXT, words.content)
        elif words.content:
            self._parts(words.content)
        if carried or words.annotations is not NULL:
            self._cite(words.annotations, of_text(carried))
        if words.refusal:
            self.blocks.add_text(BlockKind.REFUSAL, words.refusal)
        if words.tool_calls or words.function_call is not None:
            self._call_all(words)
        if carried:
            self._tell_carried(carried)
        if words.images is not NULL:
            self._images(words.images)

    def _cite(self, annotations: msgspec.Raw, foreign: tuple[Note, ...]) -> None:
        citations = read_annotations(annotations)
        if citations or foreign:
            self.blocks.add_text(BlockKind.TEXT, "", foreign, citations)

    def _call_all(self, words: ChatDelta) -> None:
        for position, call in enumerate(words.tool_calls or ()):
            self._call(position if call.index is None else call.index, call)
        if words.function_call is not None and (words.function_call.name or words.function_call.arguments):
            self._call(0, ChatToolCall(function=words.function_call))

    def _images(self, raw: msgspec.Raw) -> None:
        for image in read_images(raw):
            self._image(image)

    def _reasoning(self, text: str, carried: Sequence[ForeignNotes], notes: tuple[Note, ...]) -> None:
        """Add reasoning. In a stream the notes come after their text; in a whole answer they tell how to split it."""
        ends = [one for one in carried if one.length is not None]
        if ends and text:
            for piece, own in split(text, ends):
                self.blocks.add_text(BlockKind.REASONING, piece, own)
                self.blocks.end_text()
        elif text:
            self.blocks.add_text(BlockKind.REASONING, text)
        if notes:
            self.blocks.add_text(BlockKind.REASONING, "", notes)
        for one in () if text else ends:
            self.blocks.add_text(BlockKind.REASONING, "", one.notes)
            self.blocks.end_text()

    def _image(self, source: MediaSource) -> None:
        self.blocks.end_text()
        if source.url:
            self.blocks.add_text(BlockKind.TEXT, source.url)
            return
        index = self.blocks.open(BlockKind.IMAGE, name=source.media_type)
        self.blocks.grow(index, source.data)
        self.blocks.close(index)

    def _tell_carried(self, carried: Sequence[ForeignNotes]) -> None:
        """Add foreign notes of calls, which come before the calls in whole answers and after them in streams."""
        self.open_calls()
        for call in self._calls.values():
            if call.block is not None and self.blocks.is_open(call.block):
                self.blocks.grow(call.block, "", of_call(carried, call.id))

    def _parts(self, parts: Sequence[ChatPart]) -> None:
        for part in parts:
            if part.text:
                self.blocks.add_text(BlockKind.TEXT, part.text)
            thinking = part.thinking or ()
            for thought in [ThinkingText(thinking)] if isinstance(thinking, str) else thinking:
                if thought.text:
                    self.blocks.add_text(BlockKind.REASONING, thought.text)

    def _call(self, key: int, piece: ChatToolCall) -> None:
        name, text = _name_and_text(piece)
        call = self._calls.get(key)
        if call is None or call.is_followed_by(piece, name):
            self.open_calls()
            call = self._calls[key] = self._unopened = _Call(piece.id or "")
        if call.block is not None:
            self._grow_call(call, text, _call_notes(piece))
            return
        if name != call.name:  # some vendors repeat the name, some send it in pieces
            call.name += name
        call.custom = call.custom or _is_custom(piece)
        call.waiting += text
        call.notes += _call_notes(piece)
        if call.waiting and call.name:
            self._open_call(call)

    def open_calls(self) -> None:
        """Open the latest call: its name is complete."""
        call, self._unopened = self._unopened, None
        if call is not None and call.block is None and call.name:
            self._open_call(call)

    def _open_call(self, call: _Call) -> None:
        if call is self._unopened:
            self._unopened = None
        self.blocks.end_text()
        call.block = self.blocks.open(BlockKind.TOOL_CALL, call.id, call.name, custom=call.custom)
        self._grow_call(call, call.waiting, call.notes)

    def _grow_call(self, call: _Call, text: str, notes: tuple[Note, ...]) -> None:
        if call.said is not None:
            call.said += text
        if call.block is not None:
            self.blocks.grow(call.block, text, notes)

    def nameless(self) -> bool:
        """Return whether a call never got a name."""
        self.open_calls()
        return bool(self._calls) and any(call.block is None for call in self._calls.values())


def _is_whole(arguments: str) -> bool:
    try:
        msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return False
    return True


def _is_custom(piece: ChatToolCall) -> bool:
    """Return whether the call is of a custom tool; some vendors send every possible member, empty."""
    return piece.custom is not None and bool(piece.custom.name or piece.custom.input or piece.function is None)


def _name_and_text(piece: ChatToolCall) -> tuple[str, str]:
    if piece.custom is not None and _is_custom(piece):
        return piece.custom.name or "", piece.custom.input or ""
    if piece.function is not None:
        return piece.function.name or "", piece.function.arguments or ""
    return "", ""


def _call_notes(piece: ChatToolCall) -> tuple[Note, ...]:
    raw = piece.extra_content
    return (Note(DIALECT, "extra_content", bytes(raw)),) if len(raw) > 4 else ()


class OpenAIReader(FirstContentLimit):
    """The `EventReader` of this dialect. Finishes at `[DONE]`, after which no usage comes."""

    _framer: SseFramer

    def __init__(self) -> None:
        self._framer = SseFramer()
        self._blocks = BlockSequence()
        self._builder = _EventBuilder(self._blocks)
        self._reason: str | None = None

    def feed(self, data: bytes) -> Sequence[Event]:
        return self._read(self._framer.feed(data))

    def close(self, *, whole: bool = True) -> Sequence[Event]:
        events = list(self._read(self._framer.close()))
        if not self._blocks.ended:
            if whole and self._reason:
                self._done()
            else:
                self._blocks.fail(Failure(FailureKind.BROKEN, message="the stream ended without its final event"))
            events += self._blocks.take()
        return events

    def _read(self, frames: Sequence[Frame]) -> Sequence[Event]:
        for name, data, _ in frames:
            if data and not self._blocks.ended:
                self._frame(name, data)
        if self._framer.overflow and not self._blocks.ended:
            self._blocks.fail_as_garbage()
        return self._blocks.take()

    def _frame(self, name: bytes, data: bytes) -> None:
        if data.startswith(b"[DONE]"):
            self._done()
            return
        try:
            check_text(data)
            chunk = decode_chunk(data)
        except UNREADABLE:
            if not is_idle(data):
                self._blocks.fail_as_garbage()
            return
        if (failure := read_stream_failure(chunk)) is not None:
            self._blocks.fail(failure)
            return
        if chunk.base_resp is not NULL and not self._blocks.has_content and (failure := read_status(chunk)) is not None:
            self._blocks.fail(failure)
            return
        if chunk.choices is None and len(chunk.usage) <= 4:
            if name in (b"", b"message") and chunk.type not in PINGS and not is_idle(data):
                self._blocks.fail_as_garbage()
            return
        self._chunk(chunk)

    def _chunk(self, chunk: ChatChunk) -> None:
        self._builder.start(chunk)
        for choice in chunk.choices or ():
            if choice.index == 0:
                self._choice(choice)
        raw = usage_of(chunk)
        if raw is not None and not self._blocks.ended:
            self._blocks.report(try_usage(raw))

    def _choice(self, choice: ChatChoice) -> None:
        if choice.delta is None and choice.message is not None:  # a whole answer instead of a stream
            self._blocks.fail_as_garbage()
            return
        if choice.delta is not None:  # also after the finish: late content is delivered
            if not choice.delta.tool_calls:
                self._builder.open_calls()
            self._builder.words(choice.delta)
        if choice.finish_reason:
            self._builder.open_calls()
        if not is_usual(choice) and (failure := failure_of(choice, empty=not self._blocks.has_content)) is not None:
            self._blocks.fail(failure)
        elif choice.finish_reason and self._reason is None:
            self._reason = choice.finish_reason
            self._blocks.close_all()

    def _done(self) -> None:
        """End the answer. Some vendors send no reason: content before their terminator still is a complete answer."""
        if self._builder.nameless() or not (self._reason or self._blocks.has_content):
            self._blocks.fail_as_garbage()
        else:
            self._blocks.end(self._reason or "", ENDS)


def _is_bare(message: ChatDelta) -> bool:
    """Return whether the message is only text, as in most answers: it needs no block builder."""
    words, nothing = message.content, message.annotations  # some vendors send an empty list of annotations
    alone = type(words) is str and len(nothing) <= _NULL_SIZE
    return alone and message == ChatDelta(content=words, annotations=nothing)


def _read_bare(whole: ChatChunk, choice: ChatChoice, message: ChatDelta) -> Reply:
    raw = usage_of(whole)
    usage = None if raw is None else try_usage(raw)
    word = choice.finish_reason or ""
    reason = ENDS.reason(word)
    return Reply(
        whole.id or "",
        whole.model or "",
        (ReplyBlock(BlockKind.TEXT, message.content),) if isinstance(message.content, str) and message.content else (),
        usage,
        FinishReason.STOP if reason is FinishReason.TOOL_CALLS else reason,
        quarantined=raw is not None and usage is None,
        finish_unknown=ENDS.unknown(word),
    )


def _first(whole: ChatChunk) -> ChatChoice | None:
    for choice in whole.choices or ():
        if choice.index == 0:
            return choice
    return None


def read_reply(body: bytes) -> Reply:
    """Read a whole answer; an invalid one becomes a failure."""
    try:
        check_text(body)
        whole = decode_chunk(body)
    except UNREADABLE:
        return failed(GARBAGE_ANSWER)
    failure = read_stream_failure(whole)
    if failure is not None:
        return failed(failure)
    choice = _first(whole)
    if choice is None or choice.message is None:
        return failed(GARBAGE_ANSWER)
    if not is_usual(choice) and (failure := failure_of(choice, empty=is_empty(choice.message))) is not None:
        return failed(failure)
    if is_empty(choice.message) and (failure := read_status(whole)) is not None:
        return failed(failure)
    if _is_bare(choice.message):
        return _read_bare(whole, choice, choice.message)
    blocks = ReplyBuilder()
    builder = _EventBuilder(blocks)
    builder.start(whole)
    builder.words(choice.message)
    raw = usage_of(whole)
    if raw is not None:
        blocks.report(try_usage(raw))
    if builder.nameless():
        blocks.fail_as_garbage()
    else:
        blocks.end(choice.finish_reason or "", ENDS)
    return blocks.reply()
