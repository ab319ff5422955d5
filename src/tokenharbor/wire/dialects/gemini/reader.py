"""Reader of Gemini's answers into events: streams and whole bodies."""

from collections.abc import Callable, Sequence
from functools import partial

from tokenharbor.wire.dialects.gemini.answer_schema import (
    FunctionCall,
    GeminiCandidate,
    GeminiChunk,
    GeminiPart,
    GroundingMetadata,
    decode_chunk,
    is_blocked,
    raw_parts,
)
from tokenharbor.wire.dialects.gemini.ends import ENDS
from tokenharbor.wire.dialects.gemini.failures import read_stream_failure
from tokenharbor.wire.dialects.gemini.signatures import DIALECT, PART, read_signature
from tokenharbor.wire.dialects.gemini.usage import try_usage
from tokenharbor.wire.framing.body import check_text
from tokenharbor.wire.framing.first_content_limit import FirstContentLimit
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.framing.sse import Frame, SseFramer
from tokenharbor.wire.neutral.blocks import BlockSequence, ReplyBuilder
from tokenharbor.wire.neutral.events import BlockKind, Citation, Event, FinishReason, Note
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.translate import Reply


class _EventBuilder:
    """Builds the events of the first candidate from chunks; a whole answer is one chunk."""

    def __init__(self, blocks: BlockSequence) -> None:
        self.blocks = blocks
        self._end: str | None = None
        self._why = ""
        self._blocked = False

    def add(self, chunk: GeminiChunk, data: bytes) -> None:
        if not self.blocks.started:
            self.blocks.start(chunk.response_id or "", chunk.model_version or "")
        self._blocked = self._blocked or is_blocked(chunk)
        for candidate in chunk.candidates or ():
            if candidate.index == 0:
                self._candidate(candidate, data)
        if len(chunk.usage_metadata) > 4 and not self.blocks.ended:
            self.blocks.report(try_usage(chunk.usage_metadata))

    def _candidate(self, candidate: GeminiCandidate, data: bytes) -> None:
        parts = candidate.content.parts if candidate.content else None
        for place, part in enumerate(parts or ()):
            if self.blocks.ended:
                return
            self._part(part, partial(_raw_part, data, place))
        if candidate.grounding_metadata is not None and not self.blocks.ended:
            self._cite(candidate.grounding_metadata)
        if candidate.finish_reason:
            self._end, self._why = candidate.finish_reason, candidate.finish_message or ""

    def _part(self, part: GeminiPart, raw: Callable[[], bytes]) -> None:
        notes = read_signature(part.thought_signature)
        if part.function_call is not None:
            self._call(part.function_call, notes)
        elif part.inline_data is not None:
            self.blocks.end_text()
            index = self.blocks.open(BlockKind.IMAGE, name=part.inline_data.mime_type or "")
            self.blocks.grow(index, part.inline_data.data or "", notes)
            self.blocks.close(index)
        elif part.text is None and not notes:
            self._keep(raw())
        elif part.text or notes:
            kind = BlockKind.REASONING if part.thought else BlockKind.TEXT
            self.blocks.add_text(kind, part.text or "", notes)
            if notes:
                self.blocks.end_text()  # a signature ends the part

    def _keep(self, raw: bytes) -> None:
        """Keep a part that only this dialect has, as a note on an empty text block."""
        if raw.strip() == b"{}":
            return
        self.blocks.end_text()
        index = self.blocks.open(BlockKind.TEXT)
        self.blocks.grow(index, "", (Note(DIALECT, PART, raw),))
        self.blocks.close(index)

    def _call(self, call: FunctionCall, notes: tuple[Note, ...]) -> None:
        if not call.name:
            self.blocks.fail_as_garbage()
            return
        self.blocks.end_text()
        index = self.blocks.open(BlockKind.TOOL_CALL, call.id or "", call.name)
        self.blocks.grow(index, bytes(call.args).decode() if len(call.args) > 4 else "{}", notes)
        self.blocks.close(index)

    def _cite(self, grounding: GroundingMetadata) -> None:
        quotes: dict[int, str] = {}
        for support in grounding.grounding_supports or ():
            for index in support.grounding_chunk_indices or ():
                quotes.setdefault(index, (support.segment.text if support.segment else None) or "")
        cited = tuple(
            Citation(source.web.uri, source.web.title or "", quotes.get(index, ""))
            for index, source in enumerate(grounding.grounding_chunks or ())
            if source.web is not None and source.web.uri
        )
        if cited:
            self.blocks.add_text(BlockKind.TEXT, "", (), cited)

    def finish(self) -> None:
        """End the answer, once no more can come."""
        if self._end is None and not self._blocked:
            self.blocks.fail(Failure(FailureKind.BROKEN, message="the stream ended without a finish reason"))
        elif self._end is None:
            self.blocks.finish(FinishReason.REFUSAL)
        else:
            self.blocks.end(self._end, ENDS, message=self._why)


def _raw_part(data: bytes, place: int) -> bytes:
    return bytes(raw_parts(data, 0)[place])


class GeminiReader(FirstContentLimit):
    """The `EventReader` of this dialect, which has no terminator and may send usage after the stop reason: the answer
    finishes when the bytes end.
    """

    _framer: SseFramer

    def __init__(self) -> None:
        self._framer = SseFramer()
        self._blocks = BlockSequence()
        self._builder = _EventBuilder(self._blocks)

    def feed(self, data: bytes) -> Sequence[Event]:
        return self._read(self._framer.feed(data))

    def close(self, *, whole: bool = True) -> Sequence[Event]:  # noqa: ARG002  there is no terminator
        events = list(self._read(self._framer.close()))
        if not self._blocks.ended:
            self._builder.finish()
            events += self._blocks.take()
        return events

    def _read(self, frames: Sequence[Frame]) -> Sequence[Event]:
        for _, data, _ in frames:
            if data and not self._blocks.ended:
                _add_event(self._builder, data)
        if self._framer.overflow and not self._blocks.ended:
            self._blocks.fail_as_garbage()
        return self._blocks.take()


def _add_event(builder: _EventBuilder, data: bytes) -> None:
    blocks = builder.blocks
    try:
        check_text(data)
        chunk = decode_chunk(data)
    except UNREADABLE:
        blocks.fail_as_garbage()
        return
    if (failure := read_stream_failure(chunk.error)) is not None:
        blocks.fail(failure)
    elif chunk.candidates is None and chunk.prompt_feedback is None and len(chunk.usage_metadata) <= 4:
        blocks.fail_as_garbage()
    else:
        builder.add(chunk, data)


def read_reply(body: bytes) -> Reply:
    """Read a whole answer; an invalid one becomes a failure."""
    blocks = ReplyBuilder()
    builder = _EventBuilder(blocks)
    _add_event(builder, body)
    if not blocks.ended:
        builder.finish()
    return blocks.reply()
