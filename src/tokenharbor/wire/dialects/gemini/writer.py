"""Writer of events as Gemini's answers: as a stream, and whole."""

from collections.abc import Iterable, Sequence

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.dialects.gemini.failures import error_of
from tokenharbor.wire.dialects.gemini.json_arguments import arguments
from tokenharbor.wire.dialects.gemini.signatures import DIALECT, PART, SIGNATURE, write_signature
from tokenharbor.wire.dialects.gemini.tool_names import caller_names
from tokenharbor.wire.dialects.gemini.usage import write_usage
from tokenharbor.wire.framing import sse
from tokenharbor.wire.neutral.dialect import NO_CONTEXT, ReplyContext
from tokenharbor.wire.neutral.events import (
    BlockClosed,
    BlockGrew,
    BlockKind,
    BlockOpened,
    Citation,
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
from tokenharbor.wire.neutral.translate import ReplyBlock, collect

_encode = msgspec.json.Encoder().encode

_REASONS = {FinishReason.LENGTH: "MAX_TOKENS", FinishReason.REFUSAL: "SAFETY"}
_FAILURES = {
    FailureKind.REQUEST: (400, "invalid_request"),
    FailureKind.CONTEXT: (400, "context_length_exceeded"),
    FailureKind.CREDENTIAL: (401, "invalid_api_key"),
    FailureKind.NOT_FOUND: (404, "not_found"),
    FailureKind.RATE_LIMIT: (429, "rate_limit_exceeded"),
    FailureKind.OVERLOADED: (529, "overloaded"),
    FailureKind.TIMEOUT: (504, "timeout"),
}
_ANY_FAILURE = (500, "upstream_error")
_PLAIN = (BlockKind.TEXT, BlockKind.REASONING, BlockKind.REFUSAL)

Part = dict[str, object] | msgspec.Raw


class _Open:
    """An open block: content that this dialect sends whole gathers here until the block closes."""

    __slots__ = ("closed", "foreign", "notes", "opened", "text")

    def __init__(self, opened: BlockOpened) -> None:
        self.opened = opened
        self.closed = False
        self.text: list[str] = []
        self.notes: list[Note] = []
        self.foreign: list[Note] = []


class GeminiWriter:
    """The `EventWriter` of this dialect. Each event has the usage so far; calls and images are written whole."""

    cost_usd: str | None = None

    def __init__(self, recipient: ReplyContext = NO_CONTEXT) -> None:
        self._names = caller_names(recipient.request)
        self._started = Started("", "")
        self._usage: Usage | None = None
        self._open: dict[int, _Open] = {}
        self._citations: list[Citation] = []

    def write(self, event: Event) -> bytes:
        match event:
            case Started():
                self._started = event
            case UsageReported():
                self._usage = event.usage
            case BlockOpened():
                self._open[event.index] = _Open(event)
            case BlockGrew():
                return self._grow(self._open[event.index], event)
            case BlockClosed():
                return self._close(event.index)
            case Finished():
                return self._finish(event)
            case Failed():
                return sse.write(_encode(_error(event.failure)))
        return b""

    def _grow(self, block: _Open, event: BlockGrew) -> bytes:
        self._citations += event.citations
        if block.opened.kind not in _PLAIN:
            block.text.append(event.text)
            block.notes += event.notes
            return b""
        block.foreign += [note for note in event.notes if note.dialect != DIALECT]
        own = [note for note in event.notes if note.dialect == DIALECT]
        return b"".join([self._event([part]) for part in _spoken(block.opened.kind, event.text, own)])

    def _close(self, index: int) -> bytes:
        """Write closed blocks; parallel calls are written in the order in which they began."""
        self._open[index].closed = True
        out = b""
        while self._open and (first := next(iter(self._open.values()))).closed:
            del self._open[next(iter(self._open))]
            out += self._whole(first)
        return out

    def _whole(self, block: _Open) -> bytes:
        kind = block.opened.kind
        if kind in _PLAIN:
            parts = _spoken(kind, "", block.foreign)
        else:
            whole = ReplyBlock(kind, "".join(block.text), tuple(block.notes), block.opened.call_id, block.opened.name)
            parts = _parts(whole, self._names)
        return self._event(parts) if parts else b""

    def _finish(self, event: Finished) -> bytes:
        candidate: dict[str, object] = {**_candidate([]), "finishReason": _REASONS.get(event.reason, "STOP")}
        if self._citations:
            candidate["groundingMetadata"] = _grounding(self._citations)
        return sse.write(_encode(_body(candidate, self._started, self._usage, self.cost_usd)))

    def _event(self, parts: list[Part]) -> bytes:
        return sse.write(_encode(_body(_candidate(parts), self._started, self._usage, None)))


def _candidate(parts: list[Part]) -> dict[str, object]:
    return {"content": {"parts": parts or [{"text": ""}], "role": "model"}, "index": 0}


def _body(candidate: object, started: Started, usage: Usage | None, cost_usd: str | None) -> dict[str, object]:
    body: dict[str, object] = {"candidates": [candidate]}
    if usage is not None:
        counts = body["usageMetadata"] = write_usage(usage)
        if cost_usd is not None:
            counts["cost"] = msgspec.Raw(cost_usd.encode())
    body["modelVersion"] = started.model
    body["responseId"] = started.id
    return body


def _spoken(kind: BlockKind, text: str, notes: Sequence[Note]) -> list[Part]:
    """Return text with its notes; parts that only this dialect has come first, unchanged."""
    parts: list[Part] = []
    signature = None
    if notes:
        own = [note for note in notes if note.dialect == DIALECT and note.name == PART]
        signature = write_signature([note for note in notes if note not in own])
        parts += [msgspec.Raw(note.raw) for note in own]
    if text or signature:
        said: dict[str, object] = {"text": text}
        if kind is BlockKind.REASONING:
            said["thought"] = True
        if signature is not None:
            said[SIGNATURE] = signature
        parts.append(said)
    return parts


def _signed(signature: str | None) -> dict[str, object]:
    return {} if signature is None else {SIGNATURE: signature}


def _parts(block: ReplyBlock, names: dict[str, str]) -> list[Part]:
    """Return the parts of a whole block."""
    if block.kind in _PLAIN:
        return _spoken(block.kind, block.text, block.notes)
    signed = _signed(write_signature(block.notes))
    if block.kind is BlockKind.IMAGE:
        return [{"inlineData": {"mimeType": block.name or "image/png", "data": block.text}, **signed}]
    name = names.get(block.name, block.name)
    call = {"name": name, "args": arguments(block.text), "id": block.call_id}
    return [{"functionCall": call, **signed}]


def _grounding(citations: Iterable[Citation]) -> dict[str, object]:
    cited = list(citations)
    chunks = [{"web": {"uri": one.url, "title": one.title}} for one in cited]
    supports = [
        {"segment": {"text": one.quote}, "groundingChunkIndices": [index]}
        for index, one in enumerate(cited)
        if one.quote
    ]
    return {"groundingChunks": chunks, **({"groundingSupports": supports} if supports else {})}


def _error(failure: Failure) -> dict[str, object]:
    status, code = _FAILURES.get(failure.kind, _ANY_FAILURE)
    message = scrub(failure.message) or "The answer is incomplete."
    return {"error": error_of(status, code, message, {})}


def write_reply(events: Iterable[Event], recipient: ReplyContext = NO_CONTEXT) -> bytes:
    """Return a whole answer's body, or an error's."""
    reply = collect(events)
    if reply.reason is None:
        return _encode(_error(reply.failure or Failure(FailureKind.BROKEN)))
    names = caller_names(recipient.request)
    parts = [part for block in reply.blocks for part in _parts(block, names)]
    candidate: dict[str, object] = {**_candidate(parts), "finishReason": _REASONS.get(reply.reason, "STOP")}
    if citations := [one for block in reply.blocks for one in block.citations]:
        candidate["groundingMetadata"] = _grounding(citations)
    return _encode(_body(candidate, Started(reply.id, reply.model), reply.usage, None))
