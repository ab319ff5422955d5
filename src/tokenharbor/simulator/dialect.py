"""The types that the simulated dialects share: requests, replies, pieces of answers, and their protocol."""

from typing import Literal, Protocol

import msgspec

from tokenharbor.kernel.errors import HarborError
from tokenharbor.kernel.usage import Usage

EVENT_STREAM = b"text/event-stream; charset=utf-8"

UsageFault = Literal["none", "negative", "not_adding_up", "huge", "text"]


class VendorError(HarborError):
    """A refusal of the request by the simulated vendor."""

    def __init__(self, status: int, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.param = status, message, param


class SimulatedRequest(msgspec.Struct, frozen=True):
    """The facts of a request that the canned model needs."""

    model: str
    stream: bool = False
    wants_usage: bool = True  # whether a stream reports usage
    max_output: int | None = None  # tokens
    choices: int = 1
    tools: tuple[str, ...] = ()  # names of the offered tools; empty if the request forbids calls
    tool_turns: int = 0  # number of earlier answers with calls
    tool_result: str | None = None  # the last result's text
    input_tokens: int = 0
    sealed: bool = False  # whether encrypted reasoning is requested
    repeated: dict[str, object] = {}  # fields of the request that the answer repeats


class SimulatedToolCall(msgspec.Struct, frozen=True):
    """One tool call of a reply; `arguments` is JSON."""

    id: str
    name: str
    arguments: str


class SimulatedReply(msgspec.Struct, frozen=True):
    """The content of a reply in any dialect. `usage` is the correct usage."""

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
    """Usage as sent, and its meaning; `usage` is None if it is inconsistent."""

    usage: Usage | None
    raw: msgspec.Raw


class AnswerPiece(msgspec.Struct, frozen=True):
    """A piece of an answer's bytes: one event of a stream, or a whole body.

    `text_bytes` counts its generated text, reasoning and arguments, in UTF-8.
    """

    data: bytes
    role: Literal["open", "content", "close", "finish", "end", "whole"] = "close"
    text_bytes: int = 0
    report: ReportedUsage | None = None


class ErrorFields(msgspec.Struct, frozen=True):
    """The fields of a scripted error; None: the dialect's usual value for the status."""

    message: str | None = None
    code: str | None = None
    type: str | None = None
    param: str | None = None


class SimulatedDialect(Protocol):
    """A dialect from the vendor's side. Written independently of the product's own wires, so that a mistake in them is
    not repeated here.
    """

    name: str
    stream_type: bytes  # the content type of its streams

    def read(self, body: bytes) -> SimulatedRequest:
        """Read a request. Raises VendorError."""

    def fold(self, usage: Usage) -> Usage:
        """Return the usage with kinds merged that this dialect does not distinguish."""

    def stream(self, reply: SimulatedReply) -> list[AnswerPiece]: ...

    def whole(self, reply: SimulatedReply) -> AnswerPiece: ...

    def error(self, status: int, fields: ErrorFields, request_id: str) -> bytes:
        """Return the body of a refusal."""

    def error_event(self, status: int, fields: ErrorFields, request_id: str) -> bytes:
        """Return an error inside a stream."""

    def ping(self) -> bytes: ...

    def padding(self, size: int) -> bytes:
        """Return an event of about `size` bytes without content."""

    def request_id_header(self) -> bytes:
        """Return the header's name in lower case."""


def split_text(text: str, size: int) -> list[str]:
    """Split the text into pieces of `size` characters."""
    return [text[start : start + size] for start in range(0, len(text), size)]
