"""Writer of events as Anthropic's answers: as a stream, and whole."""

from collections.abc import Iterable

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.dialects.anthropic_messages.answer_schema import AnthropicDelta
from tokenharbor.wire.dialects.anthropic_messages.citations import write_citation
from tokenharbor.wire.dialects.anthropic_messages.json_arguments import arguments
from tokenharbor.wire.dialects.anthropic_messages.reader import DIALECT
from tokenharbor.wire.dialects.anthropic_messages.usage import write_usage
from tokenharbor.wire.fitting.ids import SHORT, fit, fit_answer
from tokenharbor.wire.fitting.media_url import NO_IMAGE
from tokenharbor.wire.framing import sse
from tokenharbor.wire.framing.body import edit, scan
from tokenharbor.wire.neutral import carry
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
from tokenharbor.wire.neutral.translate import ReplyBlock, collect

_encode = msgspec.json.Encoder().encode
_decode_delta = msgspec.json.Decoder(AnthropicDelta).decode

_REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.STOP_SEQUENCE: "stop_sequence",
    FinishReason.REFUSAL: "refusal",
    FinishReason.PAUSE: "pause_turn",
}
_FAILURES = {
    FailureKind.REQUEST: "invalid_request_error",
    FailureKind.CONTEXT: "invalid_request_error",
    FailureKind.CREDENTIAL: "authentication_error",
    FailureKind.NOT_FOUND: "not_found_error",
    FailureKind.RATE_LIMIT: "rate_limit_error",
    FailureKind.OVERLOADED: "overloaded_error",
    FailureKind.TIMEOUT: "timeout_error",
}
_PREFIX = "msg_"
_WORDS = (BlockKind.TEXT, BlockKind.REFUSAL)
_UNKNOWN = Usage()
_DIRECT = {"type": "direct"}  # a call by the model itself, not by a program it wrote


class AnthropicWriter:
    """The `EventWriter` of this dialect. Its blocks are written one after the other: events of a second open block wait
    until the first is closed, since this dialect's clients handle one block at a time.
    """

    cost_usd: str | None = None

    def __init__(self, recipient: ReplyContext = NO_CONTEXT) -> None:
        self._names = caller_names(recipient.request)
        self._started: Started | None = None  # not yet written: the input's usage may follow
        self._estimate = Usage(input=recipient.input_tokens)  # until the vendor reports a count
        self._usage: Usage | None = None
        self._current: int | None = None
        self._opened: BlockOpened | None = None  # not yet written: a note may change its kind
        self._waiting: list[BlockOpened | BlockGrew | BlockClosed] = []
        self._written = 0  # number of blocks
        self._foreign: tuple[Note, ...] = ()  # of the current thinking block: they become its signature

    def write(self, event: Event) -> bytes:
        match event:
            case Started():
                self._started = event
                return b""
            case UsageReported():
                self._usage = event.usage or self._usage
                return self._start() if self._started else b""
            case Finished():
                return self._start() + self._finish(event)
            case Failed():
                return self._start() + sse.write(_encode(_error(event.failure)), b"error")
        return self._start() + self._block(event)

    def _start(self) -> bytes:
        started, self._started = self._started, None
        if started is None:
            return b""
        usage = write_usage(self._usage or self._estimate)
        message = _message(fit_answer(started.id, _PREFIX), started.model, [], None, usage)
        return _event("message_start", message=message)

    def _block(self, event: BlockOpened | BlockGrew | BlockClosed) -> bytes:
        if self._current is None:
            self._current = event.index
        elif event.index != self._current:
            self._waiting.append(event)
            return b""
        match event:
            case BlockOpened():
                name = self._names.get(event.name, event.name)
                self._opened = msgspec.structs.replace(event, name=name)
                return b""
            case BlockGrew():
                return self._grow(event)
        return self._close()

    def _grow(self, event: BlockGrew) -> bytes:
        ours = [note for note in event.notes if note.dialect == DIALECT]
        if self._opened is not None and self._opened.kind in _WORDS and not (event.text or ours or event.citations):
            return b""  # other dialects' notes on text have no field here
        out = self._open(next((note for note in ours if note.name in ("block", "redacted_thinking")), None))
        if event.text and self._kind is not BlockKind.IMAGE:
            out += self._delta(_text_delta(self._kind, event.text))
        if self._kind is BlockKind.REASONING:
            self._foreign += tuple(note for note in event.notes if note.dialect != DIALECT)
        if not any(note.name == "citation" for note in ours):
            for citation in event.citations:
                out += self._delta({"type": "citations_delta", "citation": write_citation(citation)})
        return out + self._noted(ours) if ours else out

    def _noted(self, ours: Iterable[Note]) -> bytes:
        out = b""
        for note in ours:
            if note.name == "signature":
                out += self._delta({"type": "signature_delta", "signature": note.raw.decode()})
            elif note.name == "citation":
                out += self._delta({"type": "citations_delta", "citation": msgspec.Raw(note.raw)})
            elif note.name == "delta":
                out += self._delta(msgspec.Raw(note.raw))
        return out

    def _open(self, whole: Note | None) -> bytes:
        opened, self._opened = self._opened, None
        if opened is None:
            return b""
        self._kind = opened.kind
        return _event("content_block_start", index=self._written, content_block=_beginning(opened, whole))

    def _delta(self, delta: object) -> bytes:
        return _event("content_block_delta", index=self._written, delta=delta)

    def _close(self) -> bytes:
        """Close the block. An empty text block is not written, because the vendor refuses it when it comes back."""
        out = b""
        if self._opened is not None and self._opened.kind in _WORDS:
            self._opened = None
        else:
            out = self._whole()
        self._current = None
        waiting, self._waiting = self._waiting, []
        return out + b"".join([self._block(event) for event in waiting])

    def _whole(self) -> bytes:
        out = self._open(None)
        if self._foreign:
            out += self._delta({"type": "signature_delta", "signature": carry.pack(self._foreign)})
            self._foreign = ()
        out += _event("content_block_stop", index=self._written)
        self._written += 1
        return out

    def _finish(self, event: Finished) -> bytes:
        usage = write_usage(self._usage or self._estimate)
        if self.cost_usd is not None:
            usage = {**usage, "cost": msgspec.Raw(self.cost_usd.encode())}
        return _event("message_delta", delta=_ending(event), usage=usage) + _event("message_stop")


def _event(name: str, **members: object) -> bytes:
    return sse.write(_encode({"type": name, **members}), name.encode())


def _beginning(opened: BlockOpened, whole: Note | None) -> object:
    """Return the block as content_block_start shows it."""
    if whole is not None and whole.name == "block":
        return msgspec.Raw(whole.raw)
    if whole is not None:
        return {"type": "redacted_thinking", "data": whole.raw.decode()}
    if opened.kind is BlockKind.TOOL_CALL:
        return _call(opened.call_id, opened.name, {})
    if opened.kind is BlockKind.REASONING:
        return {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "text", "text": NO_IMAGE if opened.kind is BlockKind.IMAGE else "", "citations": None}


def _call(id_: str, name: str, given: object) -> dict[str, object]:
    return {"type": "tool_use", "id": fit(id_, SHORT), "name": name, "input": given, "caller": _DIRECT}


def _text_delta(kind: BlockKind, text: str) -> dict[str, str]:
    if kind is BlockKind.TOOL_CALL:
        return {"type": "input_json_delta", "partial_json": text}
    if kind is BlockKind.REASONING:
        return {"type": "thinking_delta", "thinking": text}
    return {"type": "text_delta", "text": text}


def _message(
    id_: str, model: str, content: list[object], end: Finished | None, usage: dict[str, object]
) -> dict[str, object]:
    return {
        "id": id_,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        **_ending(end),
        "usage": usage,
    }


def _ending(end: Finished | None) -> dict[str, object]:
    """Return a message's end; other dialects have no refusal categories and no containers."""
    refused = end is not None and end.reason is FinishReason.REFUSAL
    return {
        "stop_reason": _REASONS[end.reason] if end else None,
        "stop_sequence": end.stop_sequence if end else None,
        "stop_details": {"type": "refusal", "category": None, "explanation": None} if refused else None,
        "container": None,
    }


def _error(failure: Failure) -> dict[str, object]:
    error = {
        "type": _FAILURES.get(failure.kind, "api_error"),
        "message": scrub(failure.message) or "The answer is incomplete.",
    }
    if failure.kind is FailureKind.CONTEXT:
        error["code"] = "context_length_exceeded"
    return {"type": "error", "error": error}


def write_reply(events: Iterable[Event], recipient: ReplyContext = NO_CONTEXT) -> bytes:
    """Return a whole answer's body, or an error's."""
    reply = collect(events)
    if reply.reason is None:
        return _encode(_error(reply.failure or Failure(FailureKind.BROKEN)))
    usage = write_usage(reply.usage or _UNKNOWN)
    names = caller_names(recipient.request)
    blocks = reply.blocks
    if names:
        blocks = tuple([msgspec.structs.replace(block, name=names.get(block.name, block.name)) for block in blocks])
    content = [_content(block) for block in blocks if _is_said(block)]
    end = Finished(reply.reason, reply.stop_sequence)
    return _encode(_message(fit_answer(reply.id, _PREFIX), reply.model, content, end, usage))


def _is_said(block: ReplyBlock) -> bool:
    """Return whether to write a block: empty text only if it has notes of this dialect."""
    if block.kind not in _WORDS or block.text or block.citations:
        return True
    return any(note.dialect == DIALECT for note in block.notes)


def _content(block: ReplyBlock) -> object:
    notes = [note for note in block.notes if note.dialect == DIALECT] if block.notes else []
    last = {note.name: note.raw for note in notes} if notes else {}
    if "block" in last:
        return _own(last["block"], [note.raw for note in notes if note.name == "delta"])
    if "redacted_thinking" in last:
        return {"type": "redacted_thinking", "data": last["redacted_thinking"].decode()}
    if block.kind is BlockKind.TOOL_CALL:
        return _call(block.call_id, block.name, arguments(block.text))
    if block.kind is BlockKind.REASONING:
        foreign = tuple(note for note in block.notes if note.dialect != DIALECT)
        signature = last["signature"].decode() if "signature" in last else carry.pack(foreign) if foreign else ""
        return {"type": "thinking", "thinking": block.text, "signature": signature}
    text = NO_IMAGE if block.kind is BlockKind.IMAGE else block.text
    citations = _citations(block, notes) if notes or block.citations else None
    return {"type": "text", "text": text, "citations": citations or None}


def _citations(block: ReplyBlock, notes: list[Note]) -> list[object]:
    """Return the vendor's own citations unchanged, else translated ones."""
    own: list[object] = [msgspec.Raw(note.raw) for note in notes if note.name == "citation"]
    return own or [write_citation(citation) for citation in block.citations]


def _own(raw: bytes, deltas: list[bytes]) -> msgspec.Raw:
    """Return a block that only this dialect has, with the input from its stream's pieces."""
    pieces = "".join(_decode_delta(delta).partial_json or "" for delta in deltas)
    return msgspec.Raw(edit(raw, scan(raw), {"input": pieces.encode()}) if pieces else raw)
