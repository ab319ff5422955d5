"""Reader of OpenAI's chat messages for other dialects."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.dialects.openai_chat import request_schema
from tokenharbor.wire.dialects.openai_chat.note_fields import (
    DIALECT,
    ForeignNotes,
    of_call,
    of_text,
    read_entries,
    split,
)
from tokenharbor.wire.fitting.media_url import read_url
from tokenharbor.wire.framing.fields import is_null
from tokenharbor.wire.neutral.chat import (
    Advice,
    Audio,
    Feature,
    File,
    Image,
    MediaSource,
    Message,
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
    cache_of,
    in_order_of_calls,
    require_image,
    untranslatable_field,
    without_indices,
)

Shape = request_schema.AssistantContentPart | request_schema.AudioPart | request_schema.FilePart


T = TypeVar("T")

_NOTHING = request_schema.ProviderFields()


class ChatMessageReader:
    """Reads messages in order, so that results find the earlier calls."""

    def __init__(self, features: FeatureCollector) -> None:
        self._features = features
        self._messages: list[Message] = []
        self._calls: dict[str, ToolCall] = {}
        self._last: tuple[ToolCall, ...] = ()  # of the assistant's last message
        self._results: list[ToolResult] = []
        self._older = ""  # our id for the last call in the older function form

    def read(self, said: Sequence[request_schema.RequestMessage]) -> tuple[Message, ...]:
        for index, message in enumerate(said):
            if isinstance(message, request_schema.ToolMessage):
                self._results.append(self._result(message, f"messages[{index}]"))
            elif isinstance(message, request_schema.FunctionMessage):
                self._results.append(ToolResult(self._older, (Text(message.content or ""),), message.name))
            else:
                if self._results:
                    self._gather()
                self._messages.append(self._message(message, index))
        if self._results:
            self._gather()
        if said and isinstance(said[-1], request_schema.AssistantMessage):
            self._features.note(Feature.ASSISTANT_PREFIX, f"messages[{len(said) - 1}]")
        return tuple(self._messages)

    def _gather(self) -> None:
        """Join adjacent results into one message, in the order of their calls."""
        self._messages.append(Message(Role.USER, tuple(in_order_of_calls(self._results, self._last))))
        self._results = []

    def _message(
        self,
        message: request_schema.SystemMessage
        | request_schema.DeveloperMessage
        | request_schema.UserMessage
        | request_schema.AssistantMessage,
        index: int,
    ) -> Message:
        if isinstance(message, request_schema.AssistantMessage):
            return self._assistant(message, index)
        content = message.content
        parts = (Text(content),) if isinstance(content, str) else self._parts(content, f"messages[{index}].content")
        role = Role.USER if isinstance(message, request_schema.UserMessage) else Role.SYSTEM
        return Message(
            role, parts, self._named(message.name, index), isinstance(message, request_schema.DeveloperMessage)
        )

    def _named(self, name: str | None, index: int) -> str:
        if name:
            self._features.advise(Advice.NAME, f"messages[{index}].name")
        return name or ""

    def _cache(
        self,
        part: request_schema.TextPart | request_schema.ImagePart | request_schema.AudioPart | request_schema.FilePart,
    ) -> str | None:
        if part.cache_control is None:
            if not is_null(part.prompt_cache_breakpoint):
                self._features.advise(Advice.OWN, "prompt_cache_breakpoint")
            return None
        self._features.advise(Advice.CACHE, "cache_control")
        return cache_of(part.cache_control)

    def _parts(self, content: str | Iterable[Shape] | None, place: str) -> tuple[Part, ...]:
        if isinstance(content, str):
            return (Text(content),)
        return tuple(self._part(part, f"{place}[{index}]") for index, part in enumerate(content or ()))

    def _part(self, part: Shape, place: str) -> Part:
        match part:
            case request_schema.TextPart():
                return Text(part.text, self._cache(part))
            case request_schema.OutputTextPart():
                return Text(part.text)
            case request_schema.ReasoningPart():
                return Reasoning(part.text or "")
            case request_schema.RefusalPart():
                return RefusalText(part.refusal)
            case request_schema.ThinkingPart():
                thinking = part.thinking
                return Reasoning(thinking if isinstance(thinking, str) else "".join(piece.text for piece in thinking))
            case request_schema.ImagePart():
                return self._image(part, place)
            case request_schema.AudioPart():
                self._features.note(Feature.AUDIO, place)
                sound = part.input_audio
                return Audio(MediaSource(f"audio/{sound.format}", sound.data), self._cache(part))
        return self._file(part, place)

    def _image(self, part: request_schema.ImagePart, place: str) -> Image:
        shape = (
            part.image_url
            if isinstance(part.image_url, request_schema.ImageURL)
            else request_schema.ImageURL(part.image_url)
        )
        source = require_image(_source(shape.url, f"{place}.image_url"), f"{place}.image_url")
        self._features.note(Feature.IMAGE_URL if source.url else Feature.IMAGE, f"{place}.image_url")
        if shape.detail and shape.detail != "auto":
            self._features.advise(Advice.DETAIL, f"{place}.image_url.detail")
        return Image(source, shape.detail, self._cache(part))

    def _file(self, part: request_schema.FilePart, place: str) -> File:
        document = part.file
        if document.file_id is not None:
            raise untranslatable_field(f"{place}.file.file_id")
        if not document.file_data:
            raise InvalidRequest(f"`{place}.file.file_data` is missing.", param=f"{place}.file.file_data")
        source = _source(document.file_data, f"{place}.file.file_data")
        self._features.note(Feature.FILE_URL if source.url else Feature.FILE, f"{place}.file")
        return File(source, name=document.filename or "", cache=self._cache(part))

    def _assistant(self, message: request_schema.AssistantMessage, index: int) -> Message:
        place = f"messages[{index}]"
        if len(message.audio) > 4:
            raise untranslatable_field(f"{place}.audio")
        own = self._of_kind(
            message.provider_specific_fields, request_schema.ProviderFields, f"{place}.provider_specific_fields"
        )
        own = own or _NOTHING
        details = self._of_kind(message.reasoning_details, list, f"{place}.reasoning_details") or own.reasoning_details
        carried, notes = read_entries(details or ())
        reasoning = (
            message.reasoning.text
            if isinstance(message.reasoning, request_schema.ReasoningObject)
            else message.reasoning
        )
        thought = message.reasoning_content or reasoning or own.reasoning_content or own.reasoning or ""
        parts: list[Part] = [*_reasoning(thought, carried, notes)]
        parts += _noted(self._parts(message.content, f"{place}.content"), of_text(carried))
        parts += [self._image(image, f"{place}.images[{index}]") for index, image in enumerate(message.images or ())]
        refusal = message.refusal or own.refusal
        parts += [RefusalText(refusal)] if refusal else []
        if message.function_call is not None:
            self._older = _older_id(place)
        self._last = tuple(self._call(call, carried, place) for call in _calls(message, place))
        self._calls.update((call.id, call) for call in self._last)
        return Message(Role.ASSISTANT, (*parts, *self._last), self._named(message.name, index))

    def _of_kind(self, value: object, kind: type[T], place: str) -> T | None:
        """Return the value if it has the type. Some clients send an empty list for an object, or an object for a list:
        the field is omitted and noted.
        """
        if isinstance(value, kind):
            return value
        if value:
            self._features.unknown.setdefault(without_indices(place), place)
        return None

    def _call(self, call: request_schema.PastToolCall, carried: Iterable[ForeignNotes], place: str) -> ToolCall:
        notes = of_call(carried, call.id)
        if len(call.extra_content) > 4:
            notes = (Note(DIALECT, "extra_content", bytes(call.extra_content)), *notes)
        if call.custom is not None:
            self._features.note(Feature.CUSTOM_TOOLS, f"{place}.tool_calls")
            return ToolCall(call.id, call.custom.name, call.custom.input, custom=True, notes=notes)
        if call.function is None:
            raise InvalidRequest(
                f"`{place}.tool_calls` has a call without the field `function`.", param=f"{place}.tool_calls"
            )
        return ToolCall(call.id, call.function.name, call.function.arguments, notes=notes)

    def _result(self, message: request_schema.ToolMessage, place: str) -> ToolResult:
        call = self._calls.get(message.tool_call_id)
        parts = self._parts(message.content, f"{place}.content")
        given = tuple(part for part in parts if isinstance(part, Text | Image | File))
        name = message.name or (call.name if call else "")
        return ToolResult(message.tool_call_id, given, name, custom=call.custom if call else False)


def _source(url: str, place: str) -> MediaSource:
    source = read_url(url)
    if source is None:
        raise InvalidRequest(f"`{place}` must be an http(s) URL or a base64 `data:` URL.", param=place)
    return source


def _calls(message: request_schema.AssistantMessage, place: str) -> list[request_schema.PastToolCall]:
    calls = list(message.tool_calls or ())
    if message.function_call is not None:
        calls.append(request_schema.PastToolCall(_older_id(place), function=message.function_call))
    return calls


def _older_id(place: str) -> str:
    """Return an id for a call of the older form, which has none; unique in the conversation."""
    return "call_" + "".join(letter for letter in place if letter.isalnum())


def _reasoning(text: str, carried: Iterable[ForeignNotes], notes: tuple[Note, ...]) -> list[Part]:
    pieces = split(text, carried) or ([("", ())] if notes else [])
    return [Reasoning(piece, (*notes, *own) if index == 0 else own) for index, (piece, own) in enumerate(pieces)]


def _noted(parts: tuple[Part, ...], notes: tuple[Note, ...]) -> list[Part]:
    """Return the assistant's parts without empty text, with foreign notes on the last text."""
    kept = [part for part in parts if part != Text("")]
    last = max((index for index, part in enumerate(kept) if isinstance(part, Text)), default=None)
    if notes and last is not None:
        kept[last] = msgspec.structs.replace(kept[last], notes=notes)
    return kept
