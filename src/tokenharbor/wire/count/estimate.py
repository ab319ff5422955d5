"""The estimate: all text of a conversation, its tools and media, and the vendor's overhead."""

from collections.abc import Iterator
from math import ceil, sqrt

import msgspec

from tokenharbor.wire.count.families import ImageTokens, TokenizerFamily, ToolFormat, find_family
from tokenharbor.wire.count.media import audio_seconds, decode_text, pdf_glyphs, pdf_pages, picture_size
from tokenharbor.wire.count.tokenizer import TextMeasure, measure
from tokenharbor.wire.count.tools import as_declaration, as_typescript, tool_text
from tokenharbor.wire.neutral.chat import (
    Audio,
    Chat,
    File,
    Image,
    MediaSource,
    Message,
    Part,
    Reasoning,
    RefusalText,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoiceMode,
    ToolResult,
)
from tokenharbor.wire.neutral.events import Note

_UNSEEN_PICTURE = (1_024, 1_024)  # of an image given by URL
_UNSEEN_PAGES = 5
_UNSEEN_GLYPHS = 2_500  # on each of them
_UNSEEN_SECONDS = 60.0
_DETAIL_LOW = 512  # pixels; images in low detail are scaled down to this


def estimate_tokens(chat: Chat, family: str, wire: str = "") -> int:
    """Return the input tokens of a chat for a model of this tokenizer family in this wire; the target is 3% under to
    20% over the vendor's count. Pure, and bounded in time: very long texts are sampled.
    """
    kind = find_family(family, wire)
    parts = [part for message in _counted(chat, kind) for part in _flat(message.parts)]
    texts = [text for part in parts for text in _texts(part)]
    tools = [_tool(tool, kind) for tool in chat.tools]
    texts += [text for each in tools for text in each[0]]
    found = _words(measure(texts), kind) + _format(chat, kind) + sum(each[1] for each in tools)
    found = kind.margin * (found + _overhead(chat, parts, kind))
    return round(found + sum(_media(part, kind) for part in parts))


def _words(found: TextMeasure, kind: TokenizerFamily) -> float:
    return kind.ratio * found.tokens + found.kinds.weigh(kind.weights)


def _format(chat: Chat, kind: TokenizerFamily) -> float:
    if chat.format is None or chat.format.schema is None:
        return 0
    return kind.format + kind.format_factor * _words(measure([_compact(chat.format.schema)]), kind)


def _overhead(chat: Chat, parts: list[Part], kind: TokenizerFamily) -> int:
    found = kind.request
    for index, message in enumerate(chat.messages):
        found += kind.system if index == 0 and message.role is Role.SYSTEM else kind.message
    if chat.tools:
        found += kind.tools
        if chat.tool_choice is not None and chat.tool_choice.mode in (ToolChoiceMode.REQUIRED, ToolChoiceMode.NAMED):
            found += kind.forced
    if chat.thinking is not None and chat.thinking.budget:
        found += kind.thinking
    if chat.thinking is None or chat.thinking.effort != "none":
        found += kind.thought
    calls = sum(isinstance(part, ToolCall) for part in parts)
    found += kind.parallel * sum(sum(isinstance(part, ToolCall) for part in each.parts) > 1 for each in chat.messages)
    results = sum(isinstance(part, ToolResult) for part in parts)
    files = [part for part in parts if isinstance(part, File)]
    found += kind.file * sum(bool(file.text) for file in files) + kind.cited * any(file.citations for file in files)
    return found + kind.call * calls + kind.result * results


def _counted(chat: Chat, kind: TokenizerFamily) -> Iterator[Message]:
    """Yield the messages with the parts that vendors count: most count reasoning only in the current turn."""
    last = max((index for index, message in enumerate(chat.messages) if _asks(message)), default=-1)
    for index, message in enumerate(chat.messages):
        if index < last and message.role is Role.ASSISTANT:
            kept = (part for part in message.parts if kind.remembers or not isinstance(part, Reasoning))
            yield msgspec.structs.replace(message, parts=tuple(map(_unsealed, kept)))
        else:
            yield message


def _unsealed(part: Part) -> Part:
    sealed = isinstance(part, Text | ToolCall | Reasoning) and part.notes
    return msgspec.structs.replace(part, notes=()) if sealed else part


def _asks(message: Message) -> bool:
    return message.role is Role.USER and not any(isinstance(part, ToolResult) for part in message.parts)


def _flat(parts: tuple[Part, ...]) -> Iterator[Part]:
    for part in parts:
        yield part
        if isinstance(part, ToolResult):
            yield from part.parts


def _texts(part: Part) -> Iterator[str]:
    match part:
        case Text(text=text) | Reasoning(text=text) | RefusalText(text=text):
            yield text
        case ToolCall(name=name, arguments=arguments):
            yield name
            yield arguments
        case File(source=source, text=text, name=name, context=context):
            yield from (each for each in (text, name, context) if each)
            if source is not None and source.data and source.media_type.startswith("text/"):
                yield decode_text(source.data)


def _tool(tool: Tool, kind: TokenizerFamily) -> tuple[list[str], int]:
    """Return a tool's texts and the tokens around them."""
    texts, around = [], kind.tool
    match kind.shown:
        case ToolFormat.TYPESCRIPT:
            texts.append(as_typescript(tool))
        case ToolFormat.DECLARATION:
            texts.append(as_declaration(tool))
        case ToolFormat.FIELDS:
            words = tool_text(tool)
            texts += words.texts
            around += kind.field * words.fields + kind.nested * words.nested
        case ToolFormat.JSON:
            texts += [tool.name, tool.description, _compact(tool.schema or b"")]
    if tool.grammar:
        texts.append(tool.grammar.decode("utf-8", "replace"))
    return texts, around


def _compact(schema: bytes) -> str:
    """Return the schema without optional whitespace."""
    try:
        return msgspec.json.format(schema, indent=-1).decode("utf-8", "replace") if schema else ""
    except (msgspec.DecodeError, RecursionError):
        return schema.decode("utf-8", "replace")


# ---- media


def _media(part: Part, kind: TokenizerFamily) -> float:
    match part:
        case Image(source=source, detail=detail):
            size = picture_size(source.data) if source.data else None
            return _picture(*(size or _UNSEEN_PICTURE), detail == "low", kind.picture)
        case File(source=MediaSource(data=data, media_type=media_type)) if not media_type.startswith("text/"):
            if not data:
                return _UNSEEN_PAGES * (kind.page + _UNSEEN_GLYPHS * kind.glyph)
            return kind.page * pdf_pages(data) + (kind.glyph * pdf_glyphs(data) if kind.glyph else 0)
        case Audio(source=MediaSource(data=data, media_type=media_type)):
            return kind.second * (audio_seconds(media_type, data) if data else _UNSEEN_SECONDS)
        case Reasoning(text=text, notes=notes):
            return _sealed(notes, kind, len(text))  # the note repeats the text
        case Text(notes=notes) | ToolCall(notes=notes):
            return _sealed(notes, kind)
    return 0


def _sealed(notes: tuple[Note, ...], kind: TokenizerFamily, known: int = 0) -> float:
    sealed = kind.opaque
    if sealed is None:
        return 0
    sizes = (len(note.raw) - known - sealed.free for note in notes if note.dialect == sealed.dialect)
    return sealed.factor * sum(size for size in sizes if size > 0)


def _picture(width: int, height: int, low: bool, picture: ImageTokens) -> float:  # noqa: FBT001  private, one caller
    longer, shorter = max(width, height, 1), max(min(width, height), 1)
    if picture.side:
        edge = min(picture.edge, _DETAIL_LOW) if low else picture.edge
        scale = min(1.0, edge / longer, sqrt(picture.most / (longer * shorter)) * picture.side)
        found = ceil(width * scale / picture.side) * ceil(height * scale / picture.side)
        return max(1, min(found, picture.most)) * picture.factor
    if picture.tile and not low:
        scale = min(1.0, picture.edge / longer)
        scale *= min(1.0, picture.short / (shorter * scale))
        return picture.base + picture.each * ceil(width * scale / picture.tile) * ceil(height * scale / picture.tile)
    return picture.base or picture.each
