"""The size of a messages request's input, with inlined media counted apart from text, and its cache marks."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.count.most_tokens import BodyMedia, size_of
from tokenharbor.wire.framing.body import Members
from tokenharbor.wire.framing.fields import wrong_shape
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.request import InputSize

T = TypeVar("T")


class _CacheControl(msgspec.Struct, frozen=True, gc=False):
    ttl: str | None = None


class _Tool(msgspec.Struct, frozen=True, gc=False):
    type: str | None = None


class _Source(msgspec.Struct, frozen=True, gc=False):
    type: str | None = None
    data: str | None = None
    content: "str | list[_Block] | None" = None


class _Block(msgspec.Struct, frozen=True, gc=False):
    """A content block; `source` is a string in a search result, `content` may be an object in a tool's result."""

    type: str | None = None
    source: _Source | str | None = None
    content: "str | list[_Block] | dict[str, msgspec.Raw] | None" = None
    tool: _Tool | None = None
    cache_control: _CacheControl | None = None


class _Message(msgspec.Struct, frozen=True, gc=False):
    content: str | list[_Block] | None = None


_SEEN = frozenset(
    {None, "text", "image", "document", "search_result", "thinking", "redacted_thinking", "tool_use", "server_tool_use"}
    | {"mcp_tool_use", "tool_reference", "tool_addition", "tool_removal", "compaction", "container_upload"}
)
"""Block types that are counted or are text; results of tools count, too."""

_decode_messages = msgspec.json.Decoder(list[_Message]).decode
_decode_system = msgspec.json.Decoder(str | list[_Block] | None).decode
_decode_control = msgspec.json.Decoder(_CacheControl | None).decode


class MediaTally:
    """Counts media at any depth in tool results and documents, and notes cache marks."""

    def __init__(self) -> None:
        self.media = BodyMedia()
        self.cached = self.cached_1h = False

    def size(self, body: bytes, members: Members) -> InputSize:
        return size_of(body, members, self.media)

    def mark(self, control: _CacheControl | None) -> None:
        if control is not None:
            self.cached = True
            self.cached_1h = self.cached_1h or control.ttl not in (None, "5m")

    def add(self, blocks: list[_Block]) -> None:
        """Count the blocks, without recursion: the caller controls the depth."""
        waiting = [blocks]
        while waiting:
            for block in waiting.pop():
                if block.cache_control is not None:
                    self.mark(block.cache_control)
                if block.source is not None:
                    self._add_media(block, block.source, waiting)
                if isinstance(block.content, list):
                    waiting.append(block.content)
                if block.type == "container_upload":
                    self.media.files += 1
                elif block.type not in _SEEN and not (block.type or "").endswith("_result"):
                    self.media.add_unknown(block.type)
                if block.tool is not None and block.tool.type == "tool_definition":
                    raise InvalidRequest("Define tools in `tools`, not inside `messages`.", param="messages")

    def _add_media(self, block: _Block, source: _Source | str, waiting: list[list[_Block]]) -> None:
        data = (source.data or "") if isinstance(source, _Source) and source.type == "base64" else ""
        if block.type == "image":
            self.media.images += 1
            self.media.add(data)
        elif block.type == "document" and isinstance(source, _Source):
            if isinstance(source.content, list):
                waiting.append(source.content)
            elif source.type not in ("text", "content"):
                self.media.files += 1
                self.media.add(data, of_file=True)


def _read(members: Members, name: str, decode: Callable[[msgspec.Raw], T]) -> T:
    try:
        return decode(members[name])
    except UNREADABLE as error:
        raise wrong_shape(name, error) from None


def measure(body: bytes, members: Members) -> MediaTally:
    """Count a request's media. Raises InvalidRequest for content of the wrong shape."""
    tally = MediaTally()
    if "cache_control" in members:
        tally.mark(_read(members, "cache_control", _decode_control))
    if body.find(b"[", body.find(b"[") + 1) < 0:
        return tally  # only one array, the messages: no content in blocks
    for message in _read(members, "messages", _decode_messages):
        if isinstance(message.content, list):
            tally.add(message.content)
    system = _read(members, "system", _decode_system) if "system" in members else None
    if isinstance(system, list):
        tally.add(system)
    return tally


def mark_tool(tally: MediaTally, tool: Members) -> None:
    """Note a cache mark on a tool's definition."""
    if "cache_control" in tool:
        tally.mark(_read(tool, "cache_control", _decode_control))
