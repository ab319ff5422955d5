"""The items of an answer as they are written, each with the events that begin, grow and end it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from tokenharbor.wire.dialects.openai_responses.answer_schema import DIALECT, decode_item
from tokenharbor.wire.dialects.openai_responses.envelope import Json
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral import carry
from tokenharbor.wire.neutral.events import BlockGrew, BlockKind, BlockOpened, Citation, Note
from tokenharbor.wire.neutral.translate import ReplyBlock

ItemEvent = tuple[str, Json]
"""An event's type without `response.`, and its members beside those that every item event has."""


class WrittenItem(ABC):
    """One item: begun, growing, or whole."""

    id: str

    @abstractmethod
    def whole(self, status: str) -> Json:
        """Return the item in its current state."""

    def begin(self) -> Json:
        """Return the item as it is announced."""
        return self.whole("in_progress")

    def opened(self, block: BlockOpened) -> Iterator[ItemEvent]:
        """Return the events for a block that began in the item."""
        del block
        return iter(())

    @abstractmethod
    def grew(self, block: BlockGrew) -> Iterator[ItemEvent]: ...

    def closed(self, index: int) -> Iterator[ItemEvent]:
        """Return the events for a block of the item that is whole."""
        del index
        return iter(())

    @abstractmethod
    def take(self, block: ReplyBlock) -> None:
        """Add a whole block to the item."""


class _Words:
    """A part of a message: text, or a refusal."""

    def __init__(self, place: int, kind: BlockKind, text: str = "") -> None:
        self.place = place
        self.refuses = kind is BlockKind.REFUSAL
        self.text = text
        self.annotations: list[Json] = []
        self.cited = 0  # where the last cited text ends

    def whole(self) -> Json:
        if self.refuses:
            return {"type": "refusal", "refusal": self.text}
        return {"type": "output_text", "annotations": list(self.annotations), "logprobs": [], "text": self.text}

    def cite(self, citation: Citation) -> Json:
        """Add a citation for the text since the previous one; several may cite the same text."""
        end = len(self.text)
        start = self.cited if self.cited < end or not self.annotations else _start(self.annotations[-1])
        self.cited = end
        address: Json = {"url": citation.url, "title": citation.title}
        annotation: Json = {"type": "url_citation", "start_index": start, "end_index": end, **address}
        self.annotations.append(annotation)
        return annotation


def _start(annotation: Json) -> int:
    start = annotation["start_index"]
    assert isinstance(start, int)  # noqa: S101  written by `cite`
    return start


class WrittenMessage(WrittenItem):
    """A message; adjacent blocks of text and refusals are its parts."""

    def __init__(self, id_: str) -> None:
        self.id = id_
        self._parts: dict[int, _Words] = {}  # by the block's index
        self.growing: set[int] = set()

    def whole(self, status: str) -> Json:
        content = [part.whole() for part in self._parts.values()]
        return {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": content}

    def opened(self, block: BlockOpened) -> Iterator[ItemEvent]:
        self.growing.add(block.index)
        part = self._parts[block.index] = _Words(len(self._parts), block.kind)
        yield "content_part.added", {"content_index": part.place, "part": part.whole()}

    def grew(self, block: BlockGrew) -> Iterator[ItemEvent]:
        part = self._parts[block.index]
        if block.text:
            part.text += block.text
            yield self._piece(part, block.text)
        for citation in block.citations:
            if not part.refuses:
                annotation = part.cite(citation)
                number = len(part.annotations) - 1
                place: Json = {"content_index": part.place, "annotation_index": number}
                yield "output_text.annotation.added", {**place, "annotation": annotation}

    def take(self, block: ReplyBlock) -> None:
        part = self._parts[len(self._parts)] = _Words(len(self._parts), block.kind, block.text)
        if block.citations and not part.refuses:
            for citation in block.citations:
                part.cite(citation)

    def _piece(self, part: _Words, text: str) -> ItemEvent:
        members: Json = {"content_index": part.place, "delta": text}
        if part.refuses:
            return "refusal.delta", members
        return "output_text.delta", {**members, "logprobs": []}

    def closed(self, index: int) -> Iterator[ItemEvent]:
        self.growing.discard(index)
        part = self._parts[index]
        place: Json = {"content_index": part.place}
        if part.refuses:
            yield "refusal.done", {**place, "refusal": part.text}
        else:
            yield "output_text.done", {**place, "text": part.text, "logprobs": []}
        yield "content_part.done", {**place, "part": part.whole()}


class WrittenReasoning(WrittenItem):
    """A reasoning item: readable reasoning as a summary, notes as encrypted content."""

    def __init__(self, id_: str, notes: tuple[Note, ...] = ()) -> None:
        self.id = id_
        self._text = ""
        self._notes = notes

    def whole(self, status: str) -> Json:  # noqa: ARG002  reasoning items have no status in streams
        summary = [{"type": "summary_text", "text": self._text}] if self._text else []
        item: Json = {"id": self.id, "type": "reasoning", "summary": summary}
        if self._notes:
            item["encrypted_content"] = _sealed(self._notes)
        return item

    def take(self, block: ReplyBlock) -> None:
        self._text, self._notes = block.text, block.notes

    def grew(self, block: BlockGrew) -> Iterator[ItemEvent]:
        self._notes += block.notes
        if not block.text:
            return
        if not self._text:
            yield "reasoning_summary_part.added", {"summary_index": 0, "part": {"type": "summary_text", "text": ""}}
        self._text += block.text
        yield "reasoning_summary_text.delta", {"summary_index": 0, "delta": block.text}

    def closed(self, index: int) -> Iterator[ItemEvent]:  # noqa: ARG002  it has only one block
        if self._text:
            yield "reasoning_summary_text.done", {"summary_index": 0, "text": self._text}
            part = {"type": "summary_text", "text": self._text}
            yield "reasoning_summary_part.done", {"summary_index": 0, "part": part}


def _sealed(notes: Iterable[Note]) -> str:
    """Return this dialect's own encrypted content, or other dialects' notes packed."""
    for note in notes:
        if note.dialect == DIALECT and note.name == "item":
            try:
                return decode_item(note.raw).encrypted_content or ""
            except UNREADABLE:
                continue
    return carry.pack(tuple(notes))


class WrittenCall(WrittenItem):
    """A tool call; `space` is the namespace of its tool, if the caller defined it in one."""

    def __init__(self, id_: str, block: BlockOpened | ReplyBlock, name: str, space: str | None) -> None:
        self.id = id_
        self._custom = block.custom
        self._call_id = block.call_id
        self._named: Json = {"name": name} if space is None else {"name": name, "namespace": space}
        self._text = ""

    def whole(self, status: str) -> Json:
        kind, field = ("custom_tool_call", "input") if self._custom else ("function_call", "arguments")
        call: Json = {"call_id": self._call_id, **self._named, field: self._text}
        return {"id": self.id, "type": kind, "status": status, **call}

    def take(self, block: ReplyBlock) -> None:
        self._text = block.text
        self._end()

    def _end(self) -> None:
        if not self._text and not self._custom:
            self._text = "{}"

    def grew(self, block: BlockGrew) -> Iterator[ItemEvent]:
        if block.text:
            self._text += block.text
            yield f"{self._word}.delta", {"delta": block.text}

    def closed(self, index: int) -> Iterator[ItemEvent]:  # noqa: ARG002  it has only one block
        self._end()
        field = "input" if self._custom else "arguments"
        yield f"{self._word}.done", {field: self._text}

    @property
    def _word(self) -> str:
        return "custom_tool_call_input" if self._custom else "function_call_arguments"


class WrittenImage(WrittenItem):
    """A generated image, told once it is whole."""

    def __init__(self, id_: str, block: BlockOpened | ReplyBlock) -> None:
        self.id = id_
        self._format = block.name.removeprefix("image/") or "png"
        self._data = ""

    def whole(self, status: str) -> Json:
        kind: Json = {"type": "image_generation_call", "output_format": self._format}
        return {"id": self.id, "status": status, **kind, "result": self._data or None}

    def take(self, block: ReplyBlock) -> None:
        self._data = block.text

    def grew(self, block: BlockGrew) -> Iterator[ItemEvent]:
        self._data += block.text
        return iter(())
