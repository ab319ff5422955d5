"""The neutral events of an answer: the meaning of every dialect's stream.

    Started (BlockOpened BlockGrew* BlockClosed | UsageReported)* (Finished | Failed)

Blocks are numbered from 0 in the order they open and may be open side by side (parallel calls). Usage may be reported
early and repeatedly; the last report counts. There is exactly one Finished or Failed; a Failed may come at any time,
even first. Finished has the reason `tool_calls` only if a tool call was opened, and never `stop` if one was: a call cut
off by `length` must not be carried out.
"""

from enum import StrEnum

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.neutral.failure import Failure


class BlockKind(StrEnum):
    """The content of a block."""

    TEXT = "text"
    REASONING = "reasoning"
    TOOL_CALL = "tool_call"
    REFUSAL = "refusal"
    IMAGE = "image"


class FinishReason(StrEnum):
    """Why the answer ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    STOP_SEQUENCE = "stop_sequence"
    REFUSAL = "refusal"
    PAUSE = "pause"


class Note(msgspec.Struct, frozen=True, gc=False):
    """Data that only one dialect understands, kept byte for byte and written to that dialect alone."""

    dialect: str
    name: str
    raw: bytes


class Citation(msgspec.Struct, frozen=True, gc=False):
    """A web source for the text before it."""

    url: str
    title: str = ""
    quote: str = ""


class Started(msgspec.Struct, frozen=True, gc=False):
    """The answer began: the vendor's id for it and its name for the model."""

    id: str
    model: str


class BlockOpened(msgspec.Struct, frozen=True, gc=False):
    """A block began. A tool call has its whole id and name here; `custom`: its input is free text. For an image, `name`
    is its media type.
    """

    index: int
    kind: BlockKind
    call_id: str = ""
    name: str = ""
    custom: bool = False


class BlockGrew(msgspec.Struct, frozen=True, gc=False):
    """More of a block: text, or a piece of a tool call's arguments (JSON) or of an image (base64); `notes` and
    `citations` may come without text.
    """

    index: int
    text: str = ""
    notes: tuple[Note, ...] = ()
    citations: tuple[Citation, ...] = ()


class BlockClosed(msgspec.Struct, frozen=True, gc=False):
    """A block is whole."""

    index: int


class UsageReported(msgspec.Struct, frozen=True, gc=False):
    """The vendor's usage so far; the last one counts. None: the report is inconsistent."""

    usage: Usage | None


class Finished(msgspec.Struct, frozen=True, gc=False):
    """The answer is complete. `unknown` is the vendor's finish word, cleaned for logs, if no table lists it."""

    reason: FinishReason
    stop_sequence: str | None = None
    unknown: str = ""


class Failed(msgspec.Struct, frozen=True, gc=False):
    """The answer will not be completed."""

    failure: Failure


Event = Started | BlockOpened | BlockGrew | BlockClosed | UsageReported | Finished | Failed
