"""The splicer of Responses streams: the turn of each event."""

from tokenharbor.wire.dialects.openai_responses.answer import failure_of, price_event, unknown_end
from tokenharbor.wire.dialects.openai_responses.answer_schema import (
    OWN_KINDS,
    ResponsesEvent,
    decode_event,
    decode_item,
    decode_response,
    has_usage,
    item_size,
    sealed_size,
    usage_of,
)
from tokenharbor.wire.dialects.openai_responses.failures import read_error_event
from tokenharbor.wire.framing import sse
from tokenharbor.wire.framing.first_content_limit import MOST_WAITING
from tokenharbor.wire.framing.json_values import UNREADABLE, text_size
from tokenharbor.wire.framing.splice import CONTENT, ENDING, HIDDEN, IDLE, EventSplicer
from tokenharbor.wire.neutral import nontext
from tokenharbor.wire.neutral.failure import GARBAGE_EVENT, Failure, FailureKind

MOST_EVENT = 2 << 20
"""The size limit of one event, in bytes: the first events and the last repeat the request's instructions and tools."""

_REPEATS = 2  # `response.created` and `response.in_progress`
_ESCAPED = 3  # the growth of UTF-8 if a vendor escapes every letter

CLOSING = ("response.completed", "response.incomplete", "response.failed")


def most_waiting(sent: int) -> int:
    """Return the most bytes before the first content: the usual limit plus the repeated request."""
    return MOST_WAITING + _REPEATS * min(MOST_EVENT, _ESCAPED * sent)


class ResponsesSplicer(EventSplicer):
    """A splicer whose ending begins with the event that closes the answer."""

    __slots__ = ("_grew",)

    def __init__(self, sent: int = 0) -> None:
        super().__init__(most_waiting(sent))
        self._framer = sse.SseFramer(MOST_EVENT)
        self._grew: set[int] = set()  # indices of items that came in pieces

    def _judge(self, name: bytes, data: bytes | None) -> int:
        if self.complete:
            return HIDDEN  # bytes after the end vary with the split
        if not data or name == b"ping":
            return IDLE
        if data.startswith(b"[DONE]"):
            return self._judge_done()
        try:
            event = decode_event(data)
            if event.type.endswith(".delta"):
                return self._grow(event)
            return self._judge_frame(event, name)
        except UNREADABLE:
            return self._fail(GARBAGE_EVENT)

    def _judge_done(self) -> int:
        """Return the turn of `[DONE]`, which does not end this dialect: only the closing event does."""
        if not self.started:
            return self._fail(Failure(FailureKind.BROKEN, message="the stream ended before any content"))
        return IDLE

    def _grow(self, event: ResponsesEvent) -> int:
        if not event.type.startswith("response."):
            return self._fail(GARBAGE_EVENT)
        if not isinstance(event.delta, str) or not event.delta:
            return IDLE
        self._grew.add(event.output_index)
        if event.type.endswith("audio.delta"):
            self._grown = nontext.audio_size(len(event.delta))
        else:
            self._grown = text_size(event.delta)
        return CONTENT

    def _judge_frame(self, event: ResponsesEvent, name: bytes) -> int:
        """Return the turn of an event other than an item's growth."""
        kind = event.type
        if kind == "error" or (name == b"error" and not kind):
            return self._fail(read_error_event(event))
        match kind:
            case "response.output_item.added" if len(event.item) > 4:
                return IDLE if decode_item(event.item).type in ("message", "reasoning") else CONTENT
            case "response.output_item.done" if len(event.item) > 4:
                return self._close(event)
            case "response.completed" | "response.incomplete" | "response.failed":
                return self._end(event)
            case "response.output_item.added" | "response.output_item.done":
                return self._fail(GARBAGE_EVENT)
        if kind in ("keepalive", "ping") or "." in kind:
            return IDLE  # the beginning, the ends of parts, and events of a later version of the dialect
        return self._fail(GARBAGE_EVENT)

    def _close(self, event: ResponsesEvent) -> int:
        """Return the turn of a whole item, and count content that did not come in pieces."""
        item = decode_item(event.item)
        if item.type not in OWN_KINDS:
            return IDLE
        self._grown = sealed_size(item) if event.output_index in self._grew else item_size(item)
        return CONTENT if self._grown or item.encrypted_content else IDLE

    def _end(self, event: ResponsesEvent) -> int:
        response = decode_response(event.response)
        if (failure := failure_of(response)) is not None:
            return self._fail(failure)
        if event.type == "response.failed":
            return self._fail(Failure(FailureKind.SERVER, message="the answer failed without an error message"))
        self.usage = usage_of(response)
        self.quarantined = self.usage is None and has_usage(response)
        self.finish_unknown = unknown_end(response)
        self.complete = True
        return ENDING

    def _price(self, data: bytes, cost_usd: str) -> bytes | None:
        return price_event(data, cost_usd)
