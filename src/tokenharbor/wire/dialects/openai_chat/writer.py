"""Writer of events as OpenAI's answers: in chunks, and whole."""

from collections.abc import Iterable, Iterator

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.dialects.openai_chat.annotations import write_annotation, write_image
from tokenharbor.wire.dialects.openai_chat.note_fields import DIALECT, NAME, foreign_of, joined, write_entry
from tokenharbor.wire.dialects.openai_chat.usage import write_usage
from tokenharbor.wire.fitting.ids import fit_answer
from tokenharbor.wire.framing import sse
from tokenharbor.wire.neutral.dialect import NO_CONTEXT, ReplyContext
from tokenharbor.wire.neutral.events import (
    BlockClosed,
    BlockGrew,
    BlockKind,
    BlockOpened,
    Event,
    Failed,
    Finished,
    FinishReason,
    Note,
    Started,
    UsageReported,
)
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.refusal import scrub
from tokenharbor.wire.neutral.strict_read import caller_names
from tokenharbor.wire.neutral.translate import Reply, ReplyBlock, collect

_encode = msgspec.json.Encoder().encode

_FIELDS = {BlockKind.TEXT: "content", BlockKind.REASONING: "reasoning_content", BlockKind.REFUSAL: "refusal"}
_REASONS = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.STOP_SEQUENCE: "stop",
    FinishReason.REFUSAL: "content_filter",
    FinishReason.PAUSE: "stop",
}
_FAILURES = {
    FailureKind.REQUEST: ("invalid_request_error", "invalid_request"),
    FailureKind.CONTEXT: ("invalid_request_error", "context_length_exceeded"),
    FailureKind.CREDENTIAL: ("authentication_error", "invalid_api_key"),
    FailureKind.NOT_FOUND: ("invalid_request_error", "not_found"),
    FailureKind.RATE_LIMIT: ("rate_limit_error", "rate_limit_exceeded"),
    FailureKind.OVERLOADED: ("overloaded_error", "overloaded"),
    FailureKind.TIMEOUT: ("timeout_error", "timeout"),
}
_PREFIX = "chatcmpl-"
_NO_ARGUMENTS = "{}"  # clients parse JSON, which an empty string is not
_ANY_FAILURE = ("api_error", "upstream_error")


class OpenAIWriter:
    """The `EventWriter` of this dialect. The last usage comes in a separate chunk after the finish."""

    cost_usd: str | None = None

    def __init__(self, recipient: ReplyContext = NO_CONTEXT) -> None:
        self._created = recipient.created
        self._wants_usage = recipient.usage
        self._names = caller_names(recipient.request)
        self._started = Started("", "")
        self._kinds: dict[int, BlockKind] = {}
        self._calls: dict[int, tuple[int, BlockOpened]] = {}  # by block: the call's number and start
        self._foreign: dict[int, tuple[Note, ...]] = {}  # by block, until its length is known
        self._images: dict[int, tuple[str, list[str]]] = {}  # by block: media type and pieces, written at the close
        self._lengths: dict[int, int] = {}
        self._listed: dict[str, int] = {}  # by list: number of entries so far
        self._usage: Usage | None = None

    def write(self, event: Event) -> bytes:
        match event:
            case Started():
                self._started = event
                return self._chunk({"role": "assistant", "content": ""})
            case BlockOpened():
                name = self._names.get(event.name, event.name)
                return self._open(msgspec.structs.replace(event, name=name))
            case BlockGrew():
                return self._grow(event)
            case UsageReported():
                self._usage = event.usage
            case Finished():
                return self._finish(event)
            case Failed():
                return sse.write(_encode(_error(event.failure)))
            case BlockClosed():
                return self._close(event.index)
        return b""

    def _open(self, event: BlockOpened) -> bytes:
        self._kinds[event.index] = event.kind
        self._lengths[event.index] = 0
        if event.kind is BlockKind.IMAGE:
            self._images[event.index] = event.name, []
        if event.kind is not BlockKind.TOOL_CALL:
            return b""
        number = len(self._calls)
        self._calls[event.index] = number, event
        return self._chunk({"tool_calls": [{"index": number, **_call(event.call_id, event.name, "", event.custom)}]})

    def _close(self, index: int) -> bytes:
        if index in self._images:
            media_type, pieces = self._images.pop(index)
            return self._chunk({"images": self._numbered("images", [write_image(media_type, "".join(pieces))])})
        foreign = self._foreign.pop(index, ())
        if index in self._calls and not self._lengths[index] and not self._calls[index][1].custom:
            return self._grow_call(BlockGrew(index, _NO_ARGUMENTS)) + self._carry(index, foreign)
        return self._carry(index, foreign)

    def _carry(self, index: int, foreign: tuple[Note, ...]) -> bytes:
        if not foreign:
            return b""
        length = self._lengths[index] if self._kinds[index] is BlockKind.REASONING else None
        call = self._calls.get(index)
        entry = write_entry(foreign, call[1].call_id if call else "", length)
        return self._chunk({NAME: self._numbered(NAME, [entry])})

    def _grow(self, event: BlockGrew) -> bytes:
        kind = self._kinds[event.index]
        self._lengths[event.index] += len(event.text)
        if foreign := foreign_of(event.notes):
            self._foreign[event.index] = (*self._foreign.get(event.index, ()), *foreign)
        if kind is BlockKind.IMAGE:
            self._images[event.index][1].append(event.text)
            return b""
        if kind is BlockKind.TOOL_CALL:
            return self._grow_call(event)
        delta: dict[str, object] = {_FIELDS[kind]: event.text} if event.text else {}
        if own := joined(event.notes):
            delta[NAME] = own
        if event.citations:
            place = sum(size for index, size in self._lengths.items() if self._kinds[index] is BlockKind.TEXT)
            cited = [write_annotation(citation, place) for citation in event.citations]
            delta["annotations"] = self._numbered("annotations", cited)
        return self._chunk(delta) if delta else b""

    def _numbered(self, name: str, entries: list[dict[str, object]]) -> list[dict[str, object]]:
        """Add the indices by which the SDK's helpers merge a list's pieces; they refuse entries without one."""
        first = self._listed.get(name, 0)
        self._listed[name] = first + len(entries)
        return [{"index": first + place, **entry} for place, entry in enumerate(entries)]

    def _grow_call(self, event: BlockGrew) -> bytes:
        number, opened = self._calls[event.index]
        piece: dict[str, object] = {"index": number}
        if event.text:
            piece.update(
                {"custom": {"input": event.text}} if opened.custom else {"function": {"arguments": event.text}}
            )
        piece.update(_ours(event.notes, "extra_content"))
        return self._chunk({"tool_calls": [piece]}) if len(piece) > 1 else b""

    def _finish(self, event: Finished) -> bytes:
        ending = self._chunk({}, _reason(event.reason, self._kinds.values()))
        if self._usage is not None and (self._wants_usage or self.cost_usd is not None):
            usage = write_usage(self._usage)
            if self.cost_usd is not None:
                usage["cost"] = msgspec.Raw(self.cost_usd.encode())
            ending += sse.write(_encode({**self._base(), "choices": [], "usage": usage}))
        return ending + sse.write(b"[DONE]")

    def _chunk(self, delta: dict[str, object], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return sse.write(_encode({**self._base(), "choices": [choice]}))

    def _base(self) -> dict[str, object]:
        return {
            "id": fit_answer(self._started.id, _PREFIX),
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._started.model,
        }


def _arguments(text: str) -> dict[str, object]:
    return {"function": {"arguments": text}}


def _ours(notes: Iterable[Note], name: str) -> dict[str, msgspec.Raw]:
    raws = [note.raw for note in notes if note.dialect == DIALECT and note.name == name]
    return {name: msgspec.Raw(raws[-1])} if raws else {}


def _reason(reason: FinishReason, kinds: Iterable[BlockKind]) -> str:
    """Return the finish reason: "stop" for a refusal as text, the filter's for one without text."""
    if reason is FinishReason.REFUSAL and BlockKind.REFUSAL in kinds:
        return "stop"
    return _REASONS[reason]


def _error(failure: Failure) -> dict[str, object]:
    type_, code = _FAILURES.get(failure.kind, _ANY_FAILURE)
    message = scrub(failure.message) or "The answer is incomplete."
    return {"error": {"message": message, "type": type_, "code": code, "param": failure.param}}


def write_reply(events: Iterable[Event], recipient: ReplyContext = NO_CONTEXT) -> bytes:
    """Return a whole answer's body, or an error's."""
    reply = collect(events)
    if reply.reason is None:
        return _encode(_error(reply.failure or Failure(FailureKind.BROKEN)))
    names = caller_names(recipient.request)
    blocks = reply.blocks
    if names:
        blocks = tuple([msgspec.structs.replace(block, name=names.get(block.name, block.name)) for block in blocks])
    choice = {
        "index": 0,
        "message": _message(blocks),
        "logprobs": None,
        "finish_reason": _reason(reply.reason, [block.kind for block in blocks]),
    }
    return _encode(_whole(reply, recipient.created, choice))


def _whole(reply: Reply, created: int, choice: dict[str, object]) -> dict[str, object]:
    whole: dict[str, object] = {
        "id": fit_answer(reply.id, _PREFIX),
        "object": "chat.completion",
        "created": created,
        "model": reply.model,
        "choices": [choice],
    }
    if reply.usage is not None:
        whole["usage"] = write_usage(reply.usage)
    return whole


def _message(blocks: tuple[ReplyBlock, ...]) -> dict[str, object]:
    if len(blocks) == 1 and blocks[0].kind is BlockKind.TEXT and not (blocks[0].notes or blocks[0].citations):
        return {"role": "assistant", "content": blocks[0].text, "refusal": None, "annotations": []}
    said, refused = _joined(blocks, BlockKind.TEXT), _joined(blocks, BlockKind.REFUSAL)
    calls = [block for block in blocks if block.kind is BlockKind.TOOL_CALL]
    if said is None and not calls and refused is None:
        said = ""  # clients expect null only beside calls
    message: dict[str, object] = {"role": "assistant", "content": said, "refusal": refused}
    message["annotations"] = _annotations(blocks)
    if reasoning := _joined(blocks, BlockKind.REASONING):
        message["reasoning_content"] = reasoning
    if details := [entry for block in blocks for entry in _details(block)]:
        message[NAME] = details
    if images := [write_image(block.name, block.text) for block in blocks if block.kind is BlockKind.IMAGE]:
        message["images"] = images
    if calls:
        message["tool_calls"] = [
            {**_call(call.call_id, call.name, _given(call), call.custom), **_ours(call.notes, "extra_content")}
            for call in calls
        ]
    return message


def _given(call: ReplyBlock) -> str:
    return call.text if call.custom else call.text or _NO_ARGUMENTS


def _details(block: ReplyBlock) -> Iterator[object]:
    yield from joined(block.notes)
    if foreign := foreign_of(block.notes):
        yield write_entry(foreign, block.call_id, len(block.text) if block.kind is BlockKind.REASONING else None)


def _annotations(blocks: tuple[ReplyBlock, ...]) -> list[dict[str, object]]:
    annotations, place = [], 0
    for block in blocks:
        if block.kind is BlockKind.TEXT:
            place += len(block.text)
            annotations += [write_annotation(citation, place) for citation in block.citations]
    return annotations


def _joined(blocks: tuple[ReplyBlock, ...], kind: BlockKind) -> str | None:
    return "".join(block.text for block in blocks if block.kind is kind) or None


def _call(id_: str, name: str, text: str, custom: bool) -> dict[str, object]:  # noqa: FBT001  a block's member
    if custom:
        return {"id": id_, "type": "custom", "custom": {"name": name, "input": text}}
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": text}}
