"""The simulated provider's faults, as checked, frozen types.

Positions inside a stream are given by `after_events` (the number of events sent before) or by `after_content` (the
number of events with text, reasoning or arguments sent before); with neither, the fault comes after the first content.
In an answer without a stream, the same faults come in the middle of the body.
"""

from typing import Annotated, Literal

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class ScriptedFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """The base of all faults; `kind` in the script selects one."""


class RefuseConnection(ScriptedFault, frozen=True, forbid_unknown_fields=True, tag="refuse"):
    """The connection is closed instead of an answer."""

    after_ms: Count = 0
    how: Literal["reset", "close"] = "close"


class ErrorStatus(ScriptedFault, frozen=True, forbid_unknown_fields=True, tag="status"):
    """An error status with a body in the vendor's shape; `body`, if given, is sent unchanged."""

    status: Annotated[int, msgspec.Meta(ge=400, le=599)]
    message: str | None = None
    code: str | None = None
    type: str | None = None
    param: str | None = None
    retry_after: Count | None = None  # seconds
    body: str | None = None
    headers: dict[str, str] = {}


class Stall(ScriptedFault, frozen=True, forbid_unknown_fields=True, tag="stall"):
    """Silence for `ms`, after which the answer continues; without `ms`, until the peer disconnects. `mid`: see the
    positions above. With `pings_ms` the dialect's pings are sent at that interval.
    """

    where: Literal["before_head", "after_head", "before_content", "mid"] = "before_head"
    ms: Count | None = None
    pings_ms: Positive | None = None
    after_events: Count | None = None
    after_content: Count | None = None

    def __post_init__(self) -> None:
        if self.pings_ms is not None and self.where == "before_head":
            raise ValueError("pings_ms works only after the response head: set `where`")


class BreakConnection(ScriptedFault, frozen=True, forbid_unknown_fields=True, tag="break"):
    """The connection ends inside the answer: reset, or closed without the end of its framing."""

    how: Literal["reset", "close"] = "reset"
    after_events: Count | None = None
    after_content: Count | None = None


class ErrorEvent(ScriptedFault, frozen=True, forbid_unknown_fields=True, tag="error_event"):
    """The dialect's own error inside a 200: as the first event (`after_events = 0`) or later."""

    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 529  # the status whose message and code the event has
    message: str | None = None
    code: str | None = None
    type: str | None = None
    after_events: Count | None = None
    after_content: Count | None = None


class NoTerminator(ScriptedFault, frozen=True, forbid_unknown_fields=True, tag="no_terminator"):
    """The stream ends normally but without its terminator; with `finish`, also without the stop reason."""

    finish: bool = False


class BadUsage(ScriptedFault, frozen=True, forbid_unknown_fields=True, tag="usage"):
    """Usage that is missing (`none`), negative, inconsistent, impossibly large, or not a number."""

    how: Literal["none", "negative", "not_adding_up", "huge", "text"] = "none"


class Drip(ScriptedFault, frozen=True, forbid_unknown_fields=True, tag="drip"):
    """The answer comes `bytes` at a time, `ms` apart, cut anywhere."""

    bytes: Positive = 1
    ms: Count = 1


class Garbage(ScriptedFault, frozen=True, forbid_unknown_fields=True, tag="garbage"):
    """A 200 that is not of the dialect: a page, text, JSON of another shape, broken JSON, bad UTF-8, or nothing."""

    how: Literal["html", "text", "other_json", "broken_json", "bad_utf8", "empty"] = "html"


class ReplaceBody(ScriptedFault, frozen=True, forbid_unknown_fields=True, tag="body"):
    """A 200 with these bytes, for any request."""

    body: str = ""
    content_type: str | None = None
    headers: dict[str, str] = {}


class ReplaceText(ScriptedFault, frozen=True, forbid_unknown_fields=True, tag="altered"):
    """The usual answer with `new` in place of `old` in each piece."""

    old: str
    new: str


class TruncateBody(ScriptedFault, frozen=True, forbid_unknown_fields=True, tag="truncated"):
    """A whole body with its content-length, of which only `bytes` (default: half) are sent before the close."""

    bytes: Count | None = None


class HugeEvent(ScriptedFault, frozen=True, forbid_unknown_fields=True, tag="huge_event"):
    """One event of `bytes`: before the content an empty one, otherwise one of generated text."""

    bytes: Positive = 1 << 20
    where: Literal["before_content", "content"] = "content"


AnyFault = (
    RefuseConnection
    | ErrorStatus
    | Stall
    | BreakConnection
    | ErrorEvent
    | NoTerminator
    | BadUsage
    | Drip
    | Garbage
    | ReplaceBody
    | ReplaceText
    | TruncateBody
    | HugeEvent
)
