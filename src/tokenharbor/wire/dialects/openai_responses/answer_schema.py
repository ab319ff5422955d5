"""The shapes of Responses answers, whole and in events: only the members that the gateway reads."""

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.dialects.openai_responses.usage import read_usage
from tokenharbor.wire.framing.json_values import NULL, text_size
from tokenharbor.wire.neutral import nontext
from tokenharbor.wire.neutral.usage import BadUsageError

DIALECT = "openai_responses"

OWN_KINDS = frozenset({"message", "reasoning", "function_call", "custom_tool_call", "image_generation_call"})
"""The item types whose meaning other dialects can express."""


MARKS = ("call", "text", "opaque")
"""The names of marks in a reasoning item that only carries notes: the notes belong to a call (whose id is the mark's
content), to text, or to an opaque block.
"""


class Annotation(msgspec.Struct, frozen=True, gc=False):
    """A source of a text; only web sources have a URL."""

    type: str = ""
    url: str | None = None
    title: str | None = None


class ResponsesPart(msgspec.Struct, frozen=True, gc=False):
    """A part of a message, of a reasoning's summary or of its text."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: list[Annotation] | None = None


class SearchAction(msgspec.Struct, frozen=True, gc=False):
    """The action of a search item: only a query counts as a search, opening a page does not."""

    type: str | None = None


class OutputItem(msgspec.Struct, frozen=True, gc=False):
    """One item of an answer's output."""

    type: str = ""
    id: str | None = None
    content: list[ResponsesPart] | None = None
    summary: list[ResponsesPart] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: str | None = None
    input: str | None = None
    result: str | None = None
    output_format: str | None = None
    action: SearchAction | str | msgspec.UnsetType | None = msgspec.UNSET


class _Kind(msgspec.Struct, frozen=True, gc=False):
    type: str = ""


class _Searches(msgspec.Struct, frozen=True, gc=False):
    num_requests: int


class _ToolUsage(msgspec.Struct, frozen=True, gc=False):
    web_search: _Searches | None = None


class _Incomplete(msgspec.Struct, frozen=True, gc=False):
    reason: str | None = None


class ResponseObject(msgspec.Struct, frozen=True, gc=False):
    """An answer, whole or partial; its items and its usage unread."""

    object: str = ""
    id: str = ""
    model: str = ""
    status: str | None = None
    output: list[msgspec.Raw] | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    incomplete_details: _Incomplete | None = None
    tool_usage: _ToolUsage | None = None


class ResponsesEvent(msgspec.Struct, frozen=True, gc=False):
    """One event of a stream. `error`, `code` and `message` belong to an error, which has two shapes."""

    type: str = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    delta: str | dict[str, msgspec.Raw] | None = None
    item: msgspec.Raw = NULL
    part: ResponsesPart | None = None
    annotation: Annotation | None = None
    response: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    code: str | int | None = None
    message: str | None = None
    param: str | None = None


class PartEnd(msgspec.Struct, frozen=True, gc=False):
    """The event that ends a part, with its whole text under one of these names."""

    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None


decode_part_end = msgspec.json.Decoder(PartEnd).decode
decode_event = msgspec.json.Decoder(ResponsesEvent).decode
decode_response = msgspec.json.Decoder(ResponseObject).decode
_decode_item = msgspec.json.Decoder(OutputItem).decode
_decode_kind = msgspec.json.Decoder(_Kind).decode


def decode_item(raw: bytes | msgspec.Raw) -> OutputItem:
    """Decode an item. In items that only this dialect has, members may have other types: only the item type is read."""
    try:
        return _decode_item(raw)
    except msgspec.ValidationError:
        kind = _decode_kind(raw).type
        if kind in OWN_KINDS:
            raise
        return OutputItem(kind)


def usage_of(response: ResponseObject) -> Usage | None:
    """Return the usage; None if it is absent or inconsistent (`has_usage` tells which)."""
    if len(response.usage) <= 4:
        return None
    try:
        return read_usage(response.usage, _searches(response))
    except BadUsageError:
        return None


def has_usage(response: ResponseObject) -> bool:
    return len(response.usage) > 4


def _searches(response: ResponseObject) -> int:
    """Return the number of searches that the vendor ran: its own count, else those in the output."""
    if response.tool_usage is not None and response.tool_usage.web_search is not None:
        return response.tool_usage.web_search.num_requests
    count = 0
    for raw in response.output or ():
        if b"web_search_call" in bytes(raw):
            item = decode_item(raw)
            action = item.action
            count += item.type == "web_search_call" and (
                not isinstance(action, SearchAction) or action.type in (None, "search")
            )
    return count


def item_size(item: OutputItem) -> int:
    """Return the generated bytes of text, reasoning and arguments."""
    return _shown_size(item) + sealed_size(item) + (nontext.IMAGE_SIZE if item.result else 0)


def sealed_size(item: OutputItem) -> int:
    """Return the size of encrypted reasoning beyond its readable part."""
    return nontext.encrypted_size(len(item.encrypted_content), _shown_size(item)) if item.encrypted_content else 0


def _shown_size(item: OutputItem) -> int:
    size = text_size(item.arguments or "") + text_size(item.input or "")
    for part in (*(item.content or ()), *(item.summary or ())):
        size += text_size(part.text or "") + text_size(part.refusal or "")
    return size
