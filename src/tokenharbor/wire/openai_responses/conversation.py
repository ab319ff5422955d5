"""The items of a Responses request gathered into neutral messages."""

from itertools import takewhile

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire import carry
from tokenharbor.wire.chat import (
    Audio,
    Feature,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Refused,
    Role,
    Source,
    Text,
    ToolCall,
    ToolResult,
)
from tokenharbor.wire.events import Note
from tokenharbor.wire.fields import wrong_shape
from tokenharbor.wire.openai_responses import asked
from tokenharbor.wire.openai_responses.shapes import DIALECT, UNREADABLE

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM, "developer": Role.SYSTEM}
_SILENT = frozenset({"web_search_call", "configuration_update"})
"""What the vendor did by itself, or hints of this dialect alone: the conversation reads the same without them."""


class Conversation:
    """Gathers messages: what the assistant said and called stands in one, the results of its calls in the next."""

    def __init__(self, instructions: str | None) -> None:
        self.features: dict[Feature, str] = {}
        self._messages: list[Message] = []
        self._calls: dict[str, tuple[int, str]] = {}  # by id: its place among all, and the tool's name
        if instructions:
            self._messages.append(Message(Role.SYSTEM, (Text(instructions),)))

    def read(self, raw: msgspec.Raw) -> None:
        """Raises InvalidRequest."""
        items = asked.decode_items(raw)
        if isinstance(items, str):
            self._messages.append(Message(Role.USER, (Text(items),)))
            return
        for index, item in enumerate(items):
            try:
                read = asked.decode_item(item)
            except UNREADABLE as error:
                raise wrong_shape(f"input[{index}]", error) from None
            self._item(read, item, f"input[{index}]")

    def messages(self) -> tuple[Message, ...]:
        """Raises InvalidRequest if there is none."""
        if not self._messages:
            raise InvalidRequest("`input` is empty.", param="input")
        return tuple(self._in_order(message) for message in self._messages)

    def _in_order(self, message: Message) -> Message:
        """The results in the order of their calls."""
        if not message.parts or not isinstance(message.parts[0], ToolResult):
            return message
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        results.sort(key=lambda result: self._calls.get(result.call_id, (len(self._calls), ""))[0])
        return msgspec.structs.replace(message, parts=tuple(results))

    def _item(self, item: asked.Item, raw: msgspec.Raw, param: str) -> None:
        match item.type:
            case None | "message":
                self._message(item, param)
            case "reasoning":
                self._add(Role.ASSISTANT, _reasoning(item, raw))
            case "function_call":
                self._call(item, item.arguments, custom=False)
            case "custom_tool_call":
                self._call(item, item.input, custom=True)
            case "function_call_output" | "custom_tool_call_output":
                self._result(item, param)
            case kind if kind not in _SILENT:
                raise InvalidRequest(
                    f"`{param}.type` has no meaning for the model's providers: leave the item out.",
                    param=f"{param}.type",
                )

    def _message(self, item: asked.Item, param: str) -> None:
        role = _ROLES.get(item.role)
        if role is None:
            raise InvalidRequest(f"`{param}.role` must be user, assistant, system or developer.", param=f"{param}.role")
        parts = self._parts(item.content, f"{param}.content")
        if role is Role.ASSISTANT:
            for part in parts:
                self._add(role, part)
        elif parts:
            self._messages.append(Message(role, tuple(parts), developer=item.role == "developer"))

    def _add(self, role: Role, part: Part) -> None:
        """To the last message, if it is the same one's and of the same sort."""
        last = self._messages[-1] if self._messages else None
        results = isinstance(part, ToolResult)
        if last is not None and last.role is role and (not results or isinstance(last.parts[0], ToolResult)):
            self._messages[-1] = msgspec.structs.replace(last, parts=(*last.parts, part))
        else:
            self._messages.append(Message(role, (part,)))

    def _call(self, item: asked.Item, arguments: str, *, custom: bool) -> None:
        name = asked.full_name(item.name, item.namespace)
        self._calls[item.call_id] = (len(self._calls), name)
        self.features.setdefault(Feature.TOOLS, "input")
        self._add(Role.ASSISTANT, ToolCall(item.call_id, name, arguments, custom))

    def _result(self, item: asked.Item, param: str) -> None:
        parts = self._parts(item.output, f"{param}.output")
        fit = tuple(takewhile(lambda part: isinstance(part, Text | Image | File), parts))
        if len(fit) != len(parts):
            raise InvalidRequest(f"`{param}.output` may hold text, images and files.", param=f"{param}.output")
        _, name = self._calls.get(item.call_id, (0, ""))
        custom = item.type == "custom_tool_call_output"
        self._add(Role.USER, ToolResult(item.call_id, fit, name, custom=custom))  # type: ignore[arg-type]  # looked at

    def _parts(self, content: str | list[asked.Part] | None, param: str) -> list[Part]:
        if isinstance(content, str):
            return [Text(content)]
        return [self._part(part, f"{param}[{index}]") for index, part in enumerate(content or ())]

    def _part(self, part: asked.Part, param: str) -> Part:
        cache = "5m" if part.prompt_cache_breakpoint else None
        match part.type:
            case "input_text" | "output_text" | "text":
                return Text(part.text, cache)
            case "refusal":
                return Refused(part.refusal)
            case "input_image" if part.image_url:
                return Image(self._image(part.image_url, param), part.detail, cache)
            case "input_file" if part.file_data or part.file_url:
                return self._file(part, param, cache)
            case "input_audio" if part.input_audio is not None:
                self.features.setdefault(Feature.AUDIO, param)
                return Audio(Source(f"audio/{part.input_audio.format}", part.input_audio.data), cache)
            case "input_image" | "input_file":
                raise InvalidRequest(
                    f"`{param}` refers to a file that is stored at a vendor: inline it, or send its address.",
                    param=f"{param}.file_id",
                )
        raise InvalidRequest(f"`{param}.type` has no meaning for the model's providers.", param=f"{param}.type")

    def _image(self, url: str, param: str) -> Source:
        source = _source(url)
        self.features.setdefault(Feature.IMAGE_URL if source.url else Feature.IMAGE, f"{param}.image_url")
        return source

    def _file(self, part: asked.Part, param: str, cache: str | None) -> File:
        if part.file_data:
            self.features.setdefault(Feature.FILE, f"{param}.file_data")
            source = _source(part.file_data)
            if source.url:  # plain base64, as older clients send it
                source = Source("application/pdf", part.file_data)
        else:
            self.features.setdefault(Feature.FILE_URL, f"{param}.file_url")
            source = Source(url=part.file_url or "")
        return File(source, name=part.filename or "", cache=cache)


def _source(url: str) -> Source:
    """A data URL's content, or an address."""
    head, comma, data = url.partition(",")
    if not head.startswith("data:") or not comma:
        return Source(url=url)
    return Source(head.removeprefix("data:").split(";")[0], data)


def _reasoning(item: asked.Item, raw: msgspec.Raw) -> Reasoning:
    """What another dialect thought is found in the encrypted content where we put it; else it is this one's own."""
    words = item.summary or (item.content if isinstance(item.content, list) else None) or ()
    text = "\n\n".join(part.text for part in words)
    if not item.encrypted_content:
        return Reasoning(text)
    notes = carry.unpack(item.encrypted_content)
    return Reasoning(text, (Note(DIALECT, "item", bytes(raw)),) if notes is None else notes)
