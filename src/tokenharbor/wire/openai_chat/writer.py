"""Events written as OpenAI's answers: in chunks, and whole."""

from collections.abc import Iterable

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire import sse
from tokenharbor.wire.events import (
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
from tokenharbor.wire.failure import Failure, FailureKind
from tokenharbor.wire.openai_chat.reader import DIALECT
from tokenharbor.wire.openai_chat.usage import write_usage
from tokenharbor.wire.refusal import scrub
from tokenharbor.wire.translate import Block, Reply, collect

_encode = msgspec.json.encode

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
_ANY_FAILURE = ("api_error", "upstream_error")


class OpenAIWriter:
    """Fulfils `Writer`. The last usage is written in a chunk of its own after the one that finishes."""

    cost_usd: str | None = None

    def __init__(self, created: int, *, usage: bool) -> None:
        self._created = created
        self._wants_usage = usage
        self._started = Started("", "")
        self._kinds: dict[int, BlockKind] = {}
        self._calls: dict[int, int] = {}  # block to the number of its call
        self._usage: Usage | None = None

    def write(self, event: Event) -> bytes:
        match event:
            case Started():
                self._started = event
                return self._chunk({"role": "assistant", "content": ""})
            case BlockOpened():
                return self._open(event)
            case BlockGrew():
                return self._grow(event)
            case UsageReported():
                self._usage = event.usage
            case Finished():
                return self._finish(event)
            case Failed():
                return sse.write(_encode(_error(event.failure)))
            case BlockClosed():
                pass
        return b""

    def _open(self, event: BlockOpened) -> bytes:
        self._kinds[event.index] = event.kind
        if event.kind is not BlockKind.TOOL_CALL:
            return b""
        number = self._calls[event.index] = len(self._calls)
        function = {"name": event.name, "arguments": ""}
        call = {"index": number, "id": event.call_id, "type": "function", "function": function}
        return self._chunk({"tool_calls": [call]})

    def _grow(self, event: BlockGrew) -> bytes:
        kind = self._kinds[event.index]
        if kind is BlockKind.TOOL_CALL:
            piece: dict[str, object] = {"index": self._calls[event.index]}
            if event.text:
                piece["function"] = {"arguments": event.text}
            piece.update(_ours(event.notes, "extra_content"))
            return self._chunk({"tool_calls": [piece]}) if len(piece) > 1 else b""
        delta: dict[str, object] = {_FIELDS[kind]: event.text} if event.text else {}
        delta.update(_ours(event.notes, "reasoning_details"))
        return self._chunk(delta) if delta else b""

    def _finish(self, event: Finished) -> bytes:
        ending = self._chunk({}, _reason(event.reason, self._kinds.values()))
        if self._usage is not None and self._wants_usage:
            ending += sse.write(_encode({**self._base(), "choices": [], "usage": write_usage(self._usage)}))
        return ending + sse.write(b"[DONE]")

    def _chunk(self, delta: dict[str, object], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return sse.write(_encode({**self._base(), "choices": [choice]}))

    def _base(self) -> dict[str, object]:
        return {
            "id": self._started.id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._started.model,
        }


def _ours(notes: Iterable[Note], name: str) -> dict[str, msgspec.Raw]:
    raws = [note.raw for note in notes if note.dialect == DIALECT and note.name == name]
    return {name: msgspec.Raw(raws[-1])} if raws else {}


def _reason(reason: FinishReason, kinds: Iterable[BlockKind]) -> str:
    """A refusal in words stops; one without is the filter's."""
    if reason is FinishReason.REFUSAL and BlockKind.REFUSAL in kinds:
        return "stop"
    return _REASONS[reason]


def _error(failure: Failure) -> dict[str, object]:
    type_, code = _FAILURES.get(failure.kind, _ANY_FAILURE)
    message = scrub(failure.message) or "The answer was cut off."
    return {"error": {"message": message, "type": type_, "code": code, "param": failure.param}}


def write_reply(events: Iterable[Event], created: int) -> bytes:
    """A whole answer's body, or an error's."""
    reply = collect(events)
    if reply.reason is None:
        return _encode(_error(reply.failure or Failure(FailureKind.BROKEN)))
    choice = {
        "index": 0,
        "message": _message(reply.blocks),
        "logprobs": None,
        "finish_reason": _reason(reply.reason, [block.kind for block in reply.blocks]),
    }
    return _encode(_whole(reply, created, choice))


def _whole(reply: Reply, created: int, choice: dict[str, object]) -> dict[str, object]:
    whole: dict[str, object] = {
        "id": reply.id,
        "object": "chat.completion",
        "created": created,
        "model": reply.model,
        "choices": [choice],
    }
    if reply.usage is not None:
        whole["usage"] = write_usage(reply.usage)
    return whole


def _message(blocks: tuple[Block, ...]) -> dict[str, object]:
    message: dict[str, object] = {"role": "assistant", "content": _joined(blocks, BlockKind.TEXT)}
    message["refusal"] = _joined(blocks, BlockKind.REFUSAL)
    if reasoning := _joined(blocks, BlockKind.REASONING):
        message["reasoning_content"] = reasoning
    for block in blocks:
        message.update(_ours(block.notes, "reasoning_details"))
    if calls := [_call(block) for block in blocks if block.kind is BlockKind.TOOL_CALL]:
        message["tool_calls"] = calls
    return message


def _joined(blocks: tuple[Block, ...], kind: BlockKind) -> str | None:
    return "".join(block.text for block in blocks if block.kind is kind) or None


def _call(block: Block) -> dict[str, object]:
    function = {"name": block.name, "arguments": block.text}
    return {"id": block.call_id, "type": "function", "function": function, **_ours(block.notes, "extra_content")}
