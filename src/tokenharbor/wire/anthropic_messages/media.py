"""How large a messages request's input is, without counting inlined media as text."""

import re

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.body import Members
from tokenharbor.wire.request import InputSize

_MARKERS = (b'"image"', b'"document"', b'"tool_definition"', b'"container_upload"')
HIDDEN = re.compile(rb"\\u00[2-7]")
"""An ASCII letter written as an escape: a marker could hide behind it."""


class _Source(msgspec.Struct, frozen=True, gc=False):
    type: str | None = None
    data: str | None = None
    content: "str | list[_Block] | None" = None


class _Tool(msgspec.Struct, frozen=True, gc=False):
    type: str | None = None


class _Block(msgspec.Struct, frozen=True, gc=False):
    type: str | None = None
    source: _Source | msgspec.UnsetType | str | None = None
    content: "str | list[_Block] | dict[str, msgspec.Raw] | None" = None
    tool: _Tool | None = None


class _Message(msgspec.Struct, frozen=True, gc=False):
    content: str | list[_Block] | None = None


_decode = msgspec.json.Decoder(list[_Message]).decode


class _Tally:
    """Counts media, however deep they stand in tool results and documents."""

    def __init__(self) -> None:
        self.images = self.files = self.inlined = self.in_files = 0

    def add(self, blocks: list[_Block]) -> None:
        for block in blocks:
            if block.type == "image":
                self.images += 1
                self.inlined += _data_size(block)
            elif block.type == "document":
                self._add_document(block)
            elif block.type == "container_upload":
                self.files += 1
            elif block.tool is not None and block.tool.type == "tool_definition":
                raise InvalidRequest("Define tools in `tools`, not inside `messages`.", param="messages")
            if isinstance(block.content, list):
                self.add(block.content)

    def _add_document(self, block: _Block) -> None:
        source = block.source
        if not isinstance(source, _Source) or source.type not in ("text", "content"):
            self.files += 1
            self.in_files += _data_size(block)
        elif isinstance(source.content, list):
            self.add(source.content)


def _data_size(block: _Block) -> int:
    source = block.source
    return len(source.data or "") if isinstance(source, _Source) and source.type == "base64" else 0


def measure(body: bytes, members: Members) -> InputSize:
    """Raises InvalidRequest where content has the wrong shape."""
    for marker in _MARKERS:
        if marker in body:
            break
    else:
        if b"\\u00" not in body or not HIDDEN.search(body):
            return InputSize(len(body))
    try:
        messages = _decode(members["messages"])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"`messages` is not usable: {error}.", param="messages") from None
    tally = _Tally()
    for message in messages:
        if isinstance(message.content, list):
            tally.add(message.content)
    inlined = tally.inlined + tally.in_files
    return InputSize(max(0, len(body) - inlined), tally.images, tally.files, 0, tally.in_files)
