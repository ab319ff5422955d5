"""What the simulated dialects share: the request as read, the reply, its pieces, the protocol that each fulfils."""

from typing import Literal, Protocol

import msgspec

from tokenharbor.kernel.errors import HarborError
from tokenharbor.kernel.usage import Usage

EVENT_STREAM = b"text/event-stream; charset=utf-8"

UsageFault = Literal["none", "negative", "not_adding_up", "huge", "text"]


class VendorError(HarborError):
    """The simulated vendor refuses the request itself."""

    def __init__(self, status: int, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.param = status, message, param


class SimulatedRequest(msgspec.Struct, frozen=True):
    """What the canned model needs to know of a request."""

    model: str
    stream: bool = False
    wants_usage: bool = True  # whether a stream is to report usage
    max_output: int | None = None  # tokens
    choices: int = 1
    tools: tuple[str, ...] = ()  # the names offered, empty if the request forbids their use
    tool_turns: int = 0  # answers with calls so far
    tool_result: str | None = None  # the last one's text
    input_tokens: int = 0
    sealed: bool = False  # whether reasoning is asked for as its vendor alone can read it
    repeated: dict[str, object] = {}  # what of the request the answer repeats, where the dialect does that


class SimulatedToolCall(msgspec.Struct, frozen=True):
    """One tool call of a reply; `arguments` is JSON."""

    id: str
    name: str
    arguments: str


class SimulatedReply(msgspec.Struct, frozen=True):
    """What will be said, whatever the dialect. `usage` is what is honestly counted for it."""

    id: str
    created: int  # Unix seconds
    model: str
    reasoning: str = ""
    text: str = ""
    refusal: str = ""
    calls: tuple[SimulatedToolCall, ...] = ()
    finish: str = "stop"
    stop_sequence: str | None = None
    usage: Usage = Usage()
    chunk_chars: int = 16
    choices: int = 1
    wants_usage: bool = True
    usage_fault: UsageFault | None = None
    sealed: bool = False
    repeated: dict[str, object] = {}


class ReportedUsage(msgspec.Struct, frozen=True):
    """Usage as it was put on the wire, and what it means if it is sound."""

    usage: Usage | None
    raw: msgspec.Raw


class AnswerPiece(msgspec.Struct, frozen=True):
    """A stretch of an answer's bytes: one event of a stream, or a whole body.

    `text_bytes` counts generated text, reasoning and arguments in it, in UTF-8.
    """

    data: bytes
    role: Literal["open", "content", "close", "finish", "end", "whole"] = "close"
    text_bytes: int = 0
    report: ReportedUsage | None = None


class ErrorFields(msgspec.Struct, frozen=True):
    """What a scripted error says; None: what the dialect usually says for the status."""

    message: str | None = None
    code: str | None = None
    type: str | None = None
    param: str | None = None


class SimulatedDialect(Protocol):
    """A dialect as its vendor speaks it. Written here once more, apart from the product's own wires, so that
    one mistake cannot hide behind itself.
    """

    name: str
    stream_type: bytes  # the content type of its streams

    def read(self, body: bytes) -> SimulatedRequest:
        """Raises VendorError."""

    def fold(self, usage: Usage) -> Usage:
        """The vector as far as this dialect can tell its kinds apart."""

    def stream(self, reply: SimulatedReply) -> list[AnswerPiece]: ...

    def whole(self, reply: SimulatedReply) -> AnswerPiece: ...

    def error(self, status: int, fields: ErrorFields, request_id: str) -> bytes:
        """The body of a refusal."""

    def error_event(self, status: int, fields: ErrorFields, request_id: str) -> bytes:
        """An error inside a stream."""

    def ping(self) -> bytes: ...

    def padding(self, size: int) -> bytes:
        """An event of about so many bytes that says nothing."""

    def request_id_header(self) -> bytes:
        """In lower case."""


def split_text(text: str, size: int) -> list[str]:
    """The text in pieces of so many characters."""
    return [text[start : start + size] for start in range(0, len(text), size)]
