"""Reader of a Responses request's items into neutral messages."""

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.dialects.openai_responses import request_schema
from tokenharbor.wire.dialects.openai_responses.answer_schema import DIALECT, MARKS
from tokenharbor.wire.fitting.media_url import read_url
from tokenharbor.wire.neutral import carry
from tokenharbor.wire.neutral.chat import (
    Advice,
    Audio,
    Feature,
    File,
    Image,
    MediaSource,
    Message,
    OpaquePart,
    Part,
    Reasoning,
    RefusalText,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from tokenharbor.wire.neutral.events import Note
from tokenharbor.wire.neutral.strict_read import (
    FeatureCollector,
    decode,
    in_order_of_places,
    require_image,
    untranslatable_field,
)

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM, "developer": Role.SYSTEM}
_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode

_SILENT = frozenset({"web_search_call"})
"""Items of the vendor's own actions, which can be omitted from the conversation."""


class _Turn:
    """The assistant's parts until another role speaks. Parts are looked up by place, since a caller may send as many as
    a body holds.
    """

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._notes: dict[int, list[Note]] = {}  # to be attached, by the part's place
        self._calls: dict[str, int] = {}  # the place of the last call with each id
        self._text = -1  # the place of the last text

    def add(self, part: Part) -> None:
        if isinstance(part, ToolCall):
            self._calls[part.id] = len(self._parts)
        elif isinstance(part, Text):
            self._text = len(self._parts)
        self._parts.append(part)

    def attach(self, mark: Note, notes: tuple[Note, ...]) -> None:
        """Attach the notes to the marked part, if it exists."""
        call = self._calls.get(mark.raw.decode(errors="replace"), -1)
        place = max(call, self._text) if mark.name == "text" else call
        if place >= 0:
            self._notes.setdefault(place, []).extend(notes)

    def parts(self) -> tuple[Part, ...]:
        for place, notes in self._notes.items():
            part = self._parts[place]
            assert isinstance(part, ToolCall | Text)  # noqa: S101  for mypy: no other is noted
            self._parts[place] = msgspec.structs.replace(part, notes=(*part.notes, *notes))
        return tuple(self._parts)


class ResponsesInputReader:
    """Builds messages: the assistant's text and calls become one, the results of the calls the next."""

    _turn: _Turn | None = None  # set while the assistant speaks
    _raw: msgspec.Raw
    _unread: list[msgspec.Raw] | None = None  # the items' bytes, split on first use

    def __init__(self, features: FeatureCollector, instructions: str | None) -> None:
        self._features = features
        self.tools: list[
            tuple[str, list[request_schema.ResponsesTool]]
        ] = []  # lists of tools in items, with their places
        self._messages: list[Message] = []
        self._results: list[ToolResult] = []
        self._calls: dict[str, ToolCall] = {}
        self._places: dict[str, int] = {}  # the order of calls, by id
        if instructions:
            self._messages.append(Message(Role.SYSTEM, (Text(instructions),)))

    def read(self, raw: msgspec.Raw) -> None:
        """Read the `input` field. Raises InvalidRequest."""
        items = decode(raw, request_schema.decode_input, "input")
        if isinstance(items, str):
            self._messages.append(Message(Role.USER, (Text(items),)))
            return
        self._raw = raw
        for index, item in enumerate(items):
            if item.type is None or item.type == "message":
                self._message(item, f"input[{index}]")
            else:
                self._item(item, index)
        if items and items[-1].role == "assistant":
            self._features.note(Feature.ASSISTANT_PREFIX, f"input[{len(items) - 1}]")

    def messages(self) -> tuple[Message, ...]:
        """Return the messages. Raises InvalidRequest if there is none."""
        self._end_turns()
        if not self._messages:
            raise InvalidRequest("`input` must not be empty.", param="input")
        return tuple(self._messages)

    def _gather(self) -> None:
        """Join adjacent results into one message, in the order of their calls."""
        if self._results:
            self._end_turn()
            self._messages.append(Message(Role.USER, tuple(in_order_of_places(self._results, self._places))))
            self._results = []

    def _end_turn(self) -> None:
        """Complete the assistant's message, because another role speaks."""
        if self._turn is not None:
            self._messages.append(Message(Role.ASSISTANT, self._turn.parts()))
            self._turn = None

    def _end_turns(self) -> None:
        """Complete pending results and the assistant's message."""
        if self._results:
            self._gather()
        if self._turn is not None:
            self._end_turn()

    def _item(self, item: request_schema.InputItem, index: int) -> None:
        place = f"input[{index}]"
        match item.type:
            case "function_call_output" | "custom_tool_call_output":
                self._results.append(self._result(item, place))
            case "reasoning":
                self._think(item, index)
            case "function_call":
                self._call(item, item.arguments, custom=False)
            case "custom_tool_call":
                self._features.note(Feature.CUSTOM_TOOLS, place)
                self._call(item, item.input, custom=True)
            case "additional_tools":
                self.tools.append((f"{place}.tools", item.tools or []))
            case kind if kind not in _SILENT:
                raise untranslatable_field(f"{place}.type")

    def _message(self, item: request_schema.InputItem, place: str) -> None:
        role = _ROLES.get(item.role)
        if role is None:
            raise InvalidRequest(f"`{place}.role` must be user, assistant, system or developer.", param=f"{place}.role")
        content = item.content
        parts = (Text(content),) if isinstance(content, str) else self._parts(content, f"{place}.content")
        if role is Role.ASSISTANT:
            for part in parts:
                self._add(part)
        elif parts:
            self._end_turns()
            self._messages.append(Message(role, parts, "", item.role == "developer"))

    def _add(self, part: Part) -> None:
        """Add a part to the assistant's current message, or begin one."""
        if self._results:
            self._gather()
        if self._turn is None:
            self._turn = _Turn()
        self._turn.add(part)

    def _call(self, item: request_schema.InputItem, arguments: str, *, custom: bool) -> None:
        call = ToolCall(item.call_id, request_schema.full_name(item.name, item.namespace), arguments, custom)
        self._calls[call.id] = call
        self._places.setdefault(call.id, len(self._places))
        self._add(call)

    def _think(self, item: request_schema.InputItem, index: int) -> None:
        """Read reasoning. Encrypted content that the gateway wrote holds another dialect's notes, which go back to
        their part; any other is this dialect's own.
        """
        words = item.summary or (item.content if isinstance(item.content, list) else None) or ()
        text = "\n\n".join(part.text for part in words)
        notes = carry.unpack(item.encrypted_content) if item.encrypted_content else ()
        if notes is None:
            self._add(Reasoning(text, (Note(DIALECT, "item", self._as_it_came(index)),)))
            return
        mark = next((note for note in notes if note.dialect == DIALECT and note.name in MARKS), None)
        if mark is None:
            self._add(Reasoning(text, notes))
        else:
            self._attach(mark, tuple(note for note in notes if note is not mark))

    def _as_it_came(self, index: int) -> bytes:
        if self._unread is None:
            self._unread = _decode_raws(self._raw)
        return bytes(self._unread[index])

    def _attach(self, mark: Note, notes: tuple[Note, ...]) -> None:
        if mark.name == "opaque":
            for note in notes:
                self._add(OpaquePart(note))
            return
        if self._turn is not None:
            self._turn.attach(mark, notes)

    def _result(self, item: request_schema.InputItem, place: str) -> ToolResult:
        parts = self._parts(item.output, f"{place}.output")
        given = tuple(part for part in parts if isinstance(part, Text | Image | File))
        if len(given) != len(parts):
            raise untranslatable_field(f"{place}.output")
        call = self._calls.get(item.call_id)
        custom = item.type == "custom_tool_call_output"
        return ToolResult(item.call_id, given, call.name if call else "", custom=custom)

    def _parts(self, content: str | list[request_schema.InputPart] | None, place: str) -> tuple[Part, ...]:
        if isinstance(content, str):
            return (Text(content),)
        return tuple(self._part(part, f"{place}[{index}]") for index, part in enumerate(content or ()))

    def _part(self, part: request_schema.InputPart, place: str) -> Part:
        cache = None
        if part.prompt_cache_breakpoint:
            cache = "5m"
            self._features.advise(Advice.CACHE, "prompt_cache_breakpoint")
        match part.type:
            case "input_text" | "output_text" | "text":
                return Text(part.text, cache)
            case "refusal":
                return RefusalText(part.refusal)
            case "input_image" if part.image_url:
                source = require_image(_source(part.image_url, f"{place}.image_url"), f"{place}.image_url")
                self._features.note(Feature.IMAGE_URL if source.url else Feature.IMAGE, f"{place}.image_url")
                if part.detail and part.detail != "auto":
                    self._features.advise(Advice.DETAIL, f"{place}.detail")
                return Image(source, part.detail, cache)
            case "input_file" if part.file_data or part.file_url:
                return self._file(part, place, cache)
            case "input_audio" if part.input_audio is not None:
                self._features.note(Feature.AUDIO, place)
                return Audio(MediaSource(f"audio/{part.input_audio.format}", part.input_audio.data), cache)
            case "input_image" | "input_file":
                raise untranslatable_field(f"{place}.file_id")
        raise untranslatable_field(f"{place}.type")

    def _file(self, part: request_schema.InputPart, place: str, cache: str | None) -> File:
        if part.file_data:
            source = _source(part.file_data, f"{place}.file_data")
            if source.url:  # bare base64, as older clients send it
                source = MediaSource("application/pdf", part.file_data)
        else:
            source = MediaSource(url=part.file_url or "")
        self._features.note(Feature.FILE_URL if source.url else Feature.FILE, place)
        return File(source, name=part.filename or "", cache=cache)


def _source(url: str, place: str) -> MediaSource:
    source = read_url(url)
    if source is None:
        raise InvalidRequest(f"`{place}` must be an http(s) URL or a base64 `data:` URL.", param=place)
    return source
