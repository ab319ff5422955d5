"""Reader of Anthropic's messages for other dialects."""

from collections.abc import Iterable, Sequence

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.dialects.anthropic_messages import request_schema
from tokenharbor.wire.dialects.anthropic_messages.citations import is_own
from tokenharbor.wire.dialects.anthropic_messages.reader import DIALECT
from tokenharbor.wire.neutral import carry
from tokenharbor.wire.neutral.chat import (
    Feature,
    File,
    Image,
    MediaSource,
    Message,
    OpaquePart,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from tokenharbor.wire.neutral.events import Note
from tokenharbor.wire.neutral.strict_read import (
    CacheControl,
    FeatureCollector,
    cache_of,
    decode,
    in_order_of_calls,
    require_image,
    untranslatable_field,
)

_ROLES = {role.value: role for role in Role}
_VENDORS = ("server_tool_use", "mcp_tool_use")  # calls that the vendor runs
_RESULT = "_tool_result"

_decode_pieces = msgspec.json.Decoder(str | list[request_schema.TextBlock | request_schema.ImageBlock]).decode


class AnthropicMessageReader:
    """Reads messages in order, so that results find the earlier calls."""

    def __init__(self, features: FeatureCollector) -> None:
        self._features = features
        self._calls: dict[str, ToolCall] = {}
        self.known: dict[str, bool] = {}  # tools that the conversation added (true) or removed (false)

    def read(self, said: Sequence[request_schema.AnthropicMessage]) -> tuple[Message, ...]:
        messages: list[Message] = []
        last: tuple[ToolCall, ...] = ()
        for index, message in enumerate(said):
            content, place = message.content, f"messages[{index}]"
            parts = (Text(content),) if isinstance(content, str) else self._parts(content, f"{place}.content")
            role = _ROLES.get(message.role)
            if role is None:
                raise InvalidRequest(f"`{place}.role` must be user, assistant or system.", param=f"{place}.role")
            if role is Role.ASSISTANT:
                last = tuple([part for part in parts if isinstance(part, ToolCall)])
            elif role is Role.USER and not isinstance(content, str):
                parts = _results_first(parts, last)
            messages.append(Message(role, parts))
        if messages and messages[-1].role is Role.ASSISTANT:
            self._features.note(Feature.ASSISTANT_PREFIX, f"messages[{len(messages) - 1}]")
        return tuple(messages)

    def _parts(self, content: Sequence[msgspec.Raw], place: str) -> tuple[Part, ...]:
        return tuple([self._part(raw, f"{place}[{index}]") for index, raw in enumerate(content)])

    def _part(self, raw: msgspec.Raw, place: str) -> Part:
        kind = decode(raw, request_schema.decode_kind, place).type or ""
        if kind in _VENDORS or (kind.endswith(_RESULT) and kind != "tool_result"):
            return OpaquePart(Note(DIALECT, "block", bytes(raw)))
        block = decode(raw, request_schema.decode_block, place)
        match block:
            case request_schema.ThinkingBlock():
                return _thought(block)
            case request_schema.RedactedThinkingBlock():
                return _redacted(block)
            case request_schema.ToolUseBlock():
                call = ToolCall(block.id, block.name, bytes(block.input).decode(), cache=cache_of(block.cache_control))
                self._calls[call.id] = call
                return call
            case request_schema.ToolResultBlock():
                return self._result(block, place)
            case request_schema.ToolAdditionBlock() | request_schema.ToolRemovalBlock():
                return self._change(block, place)
        return self._given(block, place)

    def _change(self, block: request_schema.ToolChangeBlock, place: str) -> Text:
        name = block.tool.name or block.tool.tool_name
        if block.tool.type != "tool_reference" or not name:
            raise untranslatable_field(f"{place}.tool")
        return self._make_known(name, block.cache_control, added=isinstance(block, request_schema.ToolAdditionBlock))

    def _make_known(self, name: str, control: CacheControl | None, *, added: bool) -> Text:
        """Record an added or removed tool. Other dialects list all callable tools at once, so text
        states the change.
        """
        self.known[name] = added
        said = "may be called from here on" if added else "may not be called any more"
        return Text(f"The tool {name} {said}.", cache_of(control))

    def _given(self, block: request_schema.ToolResultContent, place: str) -> Text | Image | File:
        match block:
            case request_schema.TextBlock():
                return Text(block.text, cache_of(block.cache_control), _cited(block.citations or ()))
            case request_schema.ImageBlock():
                return self._image(block, place)
            case request_schema.ToolReferenceBlock():
                return self._make_known(block.tool_name, block.cache_control, added=True)
            case request_schema.SearchResultBlock():
                self._note_citations(block.citations, place)
                text = "\n".join(piece.text for piece in block.content)
                cites = bool(block.citations and block.citations.enabled)
                cache = cache_of(block.cache_control)
                return File(text=text, name=block.title, context=block.source, citations=cites, cache=cache)
        return self._document(block, place)

    def _note_citations(self, citations: request_schema.CitationsConfig | None, place: str) -> None:
        if citations is not None and citations.enabled:
            self._features.note(Feature.CITATIONS, f"{place}.citations")

    def _image(self, block: request_schema.ImageBlock, place: str) -> Image:
        source = require_image(_source(block.source, f"{place}.source"), f"{place}.source")
        self._features.note(Feature.IMAGE_URL if source.url else Feature.IMAGE, place)
        return Image(source, cache=cache_of(block.cache_control))

    def _document(self, block: request_schema.DocumentBlock, place: str) -> File:
        self._note_citations(block.citations, place)
        source, text = None, ""
        if block.source.type == "text":
            text = block.source.data
        elif block.source.type == "content":
            text = self._words(block.source.content, f"{place}.source.content")
        else:
            source = _source(block.source, f"{place}.source")
            self._features.note(Feature.FILE_URL if source.url else Feature.FILE, place)
        cites = bool(block.citations and block.citations.enabled)
        return File(source, text, block.title or "", block.context or "", cites, cache_of(block.cache_control))

    def _words(self, raw: msgspec.Raw, place: str) -> str:
        pieces = decode(raw, _decode_pieces, place)
        if isinstance(pieces, str):
            return pieces
        for index, piece in enumerate(pieces):
            if isinstance(piece, request_schema.ImageBlock):
                raise untranslatable_field(f"{place}[{index}]")
        return "\n".join(piece.text for piece in pieces if isinstance(piece, request_schema.TextBlock))

    def _result(self, block: request_schema.ToolResultBlock, place: str) -> ToolResult:
        content = block.content or ()
        parts = (
            (Text(content),)
            if isinstance(content, str)
            else tuple(self._given(part, f"{place}.content[{index}]") for index, part in enumerate(content))
        )
        call = self._calls.get(block.tool_use_id)
        name, failed = call.name if call else "", bool(block.is_error)
        return ToolResult(block.tool_use_id, parts, name, failed, cache=cache_of(block.cache_control))


def _results_first(parts: tuple[Part, ...], calls: Sequence[ToolCall]) -> tuple[Part, ...]:
    results = [part for part in parts if isinstance(part, ToolResult)]
    if not results:
        return parts
    return (*in_order_of_calls(results, calls), *(part for part in parts if not isinstance(part, ToolResult)))


def _source(media: request_schema.AnthropicSource, place: str) -> MediaSource:
    if media.type == "base64" and media.data:
        return MediaSource(media.media_type, media.data)
    if media.type == "url" and media.url:
        return MediaSource(url=media.url)
    raise untranslatable_field(f"{place}.file_id" if media.file_id is not None else f"{place}.type")


def _thought(block: request_schema.ThinkingBlock) -> Reasoning:
    """Read thinking; a signature of ours carries notes of another dialect."""
    foreign = carry.unpack(block.signature)
    if foreign is not None:
        return Reasoning(block.thinking, foreign)
    signed = (Note(DIALECT, "signature", block.signature.encode()),) if block.signature else ()
    return Reasoning(block.thinking, signed)


def _redacted(block: request_schema.RedactedThinkingBlock) -> Reasoning:
    foreign = carry.unpack(block.data)
    if foreign is not None:
        return Reasoning("", foreign)
    return Reasoning("", (Note(DIALECT, "redacted_thinking", block.data.encode()),))


def _cited(citations: Iterable[msgspec.Raw]) -> tuple[Note, ...]:
    return tuple(Note(DIALECT, "citation", bytes(raw)) for raw in citations if is_own(raw))
