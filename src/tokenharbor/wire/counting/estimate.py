"""The estimate: every word of a conversation, its tools and media, and what a vendor adds around them."""

from collections.abc import Iterator
from math import ceil, sqrt

import msgspec

from tokenharbor.wire.chat import (
    Audio,
    Chat,
    Choosing,
    File,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refused,
    Role,
    Source,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from tokenharbor.wire.counting.families import FAMILIES, Family, Flat, Patches, Tiles
from tokenharbor.wire.counting.media import audio_seconds, pdf_pages, picture_size
from tokenharbor.wire.counting.signature import signature
from tokenharbor.wire.counting.tokenizer import Measure, measure

_UNSEEN_PICTURE = (1_024, 1_024)  # of an image at an address
_UNSEEN_PAGES = 5
_UNSEEN_SECONDS = 60.0
_DETAIL_LOW = 512  # pixels that a picture in low detail is shrunk to


def estimate_tokens(chat: Chat, family: str) -> int:
    """Input tokens of a chat for a model of this tokenizer family: meant to lie between 3% under and 20% over what its
    vendor counts. Pure, and bounded in time: of very long texts, samples are counted.
    """
    kind = FAMILIES.get(family) or FAMILIES["default"]
    parts = [part for message in _counted(chat) for part in _flat(message.parts)]
    texts = [text for part in parts for text in _texts(part)]
    texts += [text for tool in chat.tools for text in _tool_texts(tool, kind)]
    found = _words(measure(texts), kind) + _format(chat, kind)
    return ceil(found + _overhead(chat, parts, kind) + sum(_media(part, kind) for part in parts))


def _words(found: Measure, kind: Family) -> float:
    extra = (
        kind.fives * found.fives
        + kind.eights * found.eights
        + kind.digits * found.digits
        + kind.asian * found.asian
        + kind.foreign * found.foreign
    )
    return kind.margin * (found.tokens + extra)


def _format(chat: Chat, kind: Family) -> float:
    if chat.format is None or chat.format.schema is None:
        return 0
    return kind.format + kind.format_factor * _words(measure([_compact(chat.format.schema)]), kind)


def _overhead(chat: Chat, parts: list[Part], kind: Family) -> int:
    messages = sum(max(1, _said(message)) for message in chat.messages)
    found = kind.request + kind.message * messages
    if chat.tools:
        found += kind.tools + kind.tool * len(chat.tools)
        if chat.tool_choice is not None and chat.tool_choice.mode in (Choosing.REQUIRED, Choosing.NAMED):
            found += kind.forced
    if chat.thinking is not None and chat.thinking.budget:
        found += kind.thinking
    calls = sum(isinstance(part, ToolCall) for part in parts)
    results = sum(isinstance(part, ToolResult) for part in parts)
    return found + kind.call * calls + kind.result * results


def _said(message: Message) -> int:
    """How many messages a vendor makes of it: each tool's result may be one."""
    results = sum(isinstance(part, ToolResult) for part in message.parts)
    return results + any(not isinstance(part, ToolResult) for part in message.parts)


def _counted(chat: Chat) -> Iterator[Message]:
    """Messages with what vendors read of them: reasoning counts only in the turn that is under way."""
    last = max((index for index, message in enumerate(chat.messages) if _asks(message)), default=-1)
    for index, message in enumerate(chat.messages):
        if index < last and any(isinstance(part, Reasoning) for part in message.parts):
            kept = tuple(part for part in message.parts if not isinstance(part, Reasoning))
            yield msgspec.structs.replace(message, parts=kept)
        else:
            yield message


def _asks(message: Message) -> bool:
    return message.role is Role.USER and not any(isinstance(part, ToolResult) for part in message.parts)


def _flat(parts: tuple[Part, ...]) -> Iterator[Part]:
    for part in parts:
        yield part
        if isinstance(part, ToolResult):
            yield from part.parts


def _texts(part: Part) -> Iterator[str]:
    match part:
        case Text(text=text) | Reasoning(text=text) | Refused(text=text):
            yield text
        case ToolCall(name=name, arguments=arguments):
            yield name
            yield arguments
        case File(text=text, name=name, context=context):
            yield from (each for each in (text, name, context) if each)


def _tool_texts(tool: Tool, kind: Family) -> Iterator[str]:
    if kind.typed_tools:
        yield signature(tool)
    else:
        yield tool.name
        yield tool.description
        yield _compact(tool.schema or b"")
    if tool.grammar:
        yield tool.grammar.decode("utf-8", "replace")


def _compact(schema: bytes) -> str:
    """The schema without the spaces that a caller may have put in."""
    try:
        return msgspec.json.format(schema, indent=-1).decode("utf-8", "replace") if schema else ""
    except msgspec.DecodeError:
        return schema.decode("utf-8", "replace")


# ---- media


def _media(part: Part, kind: Family) -> float:
    match part:
        case Image(source=source, detail=detail):
            return _picture(source, detail, kind)
        case File(source=Source(data=data, media_type=media_type)):
            if media_type.startswith("text/"):
                return len(data) * 3 / 4 / 3.5  # base64 of words
            return kind.page * (pdf_pages(data) if data else _UNSEEN_PAGES)
        case Audio(source=Source(data=data, media_type=media_type)):
            return kind.second * (audio_seconds(media_type, data) if data else _UNSEEN_SECONDS)
        case Opaque():
            return 0
    return 0


def _picture(source: Source, detail: str | None, kind: Family) -> float:
    size = picture_size(source.data) if source.data else None
    width, height = size or _UNSEEN_PICTURE
    match kind.pictures:
        case Patches() as patches:
            edge = min(patches.edge, _DETAIL_LOW) if detail == "low" else patches.edge
            return _patches(width, height, patches, edge)
        case Tiles() as tiles:
            return tiles.base if detail == "low" else _tiles(width, height, tiles)
        case Flat(tokens=tokens):
            return tokens


def _patches(width: int, height: int, patches: Patches, edge: int) -> float:
    scale = min(1.0, edge / max(width, height, 1), sqrt(patches.most * patches.side**2 / max(width * height, 1)))
    found = ceil(width * scale / patches.side) * ceil(height * scale / patches.side)
    return max(1, min(found, patches.most)) * patches.factor


def _tiles(width: int, height: int, tiles: Tiles) -> int:
    scale = min(1.0, tiles.edge / max(width, height, 1))
    scale *= min(1.0, tiles.short / max(min(width, height) * scale, 1))
    return tiles.base + tiles.each * ceil(width * scale / tiles.side) * ceil(height * scale / tiles.side)
