"""Any conversation written as an OpenAI chat request."""

from collections.abc import Iterable, Iterator

import msgspec

from tokenharbor.wire.chat import (
    Audio,
    Chat,
    Choosing,
    Feature,
    File,
    Format,
    Image,
    Message,
    Order,
    Part,
    Reasoning,
    Refused,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    offered,
)
from tokenharbor.wire.distinct import distinct
from tokenharbor.wire.efforts import effort_of
from tokenharbor.wire.ids import SHORT, fit
from tokenharbor.wire.json_schema import is_strict, whole
from tokenharbor.wire.json_word import speaking
from tokenharbor.wire.media_url import write_url
from tokenharbor.wire.openai_chat.carried import DIALECT, joined

CARRIES = frozenset(
    {
        Feature.SEED,
        Feature.PENALTIES,
        Feature.STOP,
        Feature.TOOLS,
        Feature.FORCED_CALL,
        Feature.CUSTOM_TOOLS,
        Feature.GRAMMAR,
        Feature.JSON_OBJECT,
        Feature.JSON_SCHEMA,
        Feature.IMAGE,
        Feature.IMAGE_URL,
        Feature.FILE,
        Feature.AUDIO,
    }
)

_LONGEST_ID = 40  # of a call
_BARE = 2  # members of a message that has words alone
_FORMATS = {"audio/mpeg": "mp3", "audio/x-wav": "wav", "audio/wave": "wav"}

_encode = msgspec.json.Encoder().encode


def write_chat(chat: Chat, order: Order) -> bytes:
    """Raises InvalidRequest."""
    thinks = "reasoning" in order.capabilities
    messages = [
        out for message in _folded(speaking(chat, distinct(chat.messages))) for out in _write(message, thinks=thinks)
    ]
    body: dict[str, object] = {"model": order.model, "messages": messages, **_tools(chat)}
    body.update(_sampling(chat))
    if chat.format is not None:
        body["response_format"] = _format(chat.format)
    if thinks and chat.thinking is not None:
        body.update(_thinking(chat.thinking, always="always_reasoning" in order.capabilities))
    if chat.verbosity is not None:
        body["verbosity"] = chat.verbosity
    if order.max_output is not None:
        body[order.max_name] = order.max_output
    if order.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return _encode(body)


def _sampling(chat: Chat) -> dict[str, object]:
    sampling = chat.sampling
    said = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "seed": sampling.seed,
        "stop": list(chat.stop) or None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _thinking(thinking: Thinking, *, always: bool) -> dict[str, object]:
    effort = thinking.effort
    if effort is None and thinking.budget is not None:
        effort = effort_of(thinking.budget)
    if effort == "none" and always:
        effort = "low"  # a model that cannot but reason refuses to be told so
    return {"reasoning_effort": effort} if effort else {}


def _format(format_: Format) -> dict[str, object]:
    if format_.schema is None:
        return {"type": "json_object"}
    schema: dict[str, object] = {"name": format_.name or "answer", "schema": msgspec.Raw(format_.schema)}
    if format_.description:
        schema["description"] = format_.description
    if format_.strict is not None:
        schema["strict"] = format_.strict
    return {"type": "json_schema", "json_schema": schema}


def _tools(chat: Chat) -> dict[str, object]:
    tools = offered(chat)
    if not tools:
        return {}
    said: dict[str, object] = {"tools": [_tool(tool) for tool in tools]}
    if chat.tool_choice is not None:
        mode, names = chat.tool_choice.mode, chat.tool_choice.names
        named = [tool for tool in tools if mode is Choosing.NAMED and tool.name in names]
        said["tool_choice"] = _named(named[0]) if named else mode.value
    if chat.parallel_calls is False:  # true is what vendors do anyway; some do not know the field
        said["parallel_tool_calls"] = False
    return said


def _named(tool: Tool) -> dict[str, object]:
    kind = "custom" if tool.custom else "function"
    return {"type": kind, kind: {"name": fit(tool.name, SHORT)}}


def _tool(tool: Tool) -> dict[str, object]:
    said: dict[str, object] = {"name": fit(tool.name, SHORT)}
    if tool.description:
        said["description"] = tool.description
    if tool.custom:
        if tool.grammar is not None:
            said["format"] = msgspec.Raw(tool.grammar)
        return {"type": "custom", "custom": said}
    if tool.schema is not None:
        said["parameters"] = msgspec.Raw(whole(tool.schema))
    if tool.strict and is_strict(tool.schema):
        said["strict"] = True
    return {"type": "function", "function": said}


def _folded(messages: Iterable[Message]) -> list[Message]:
    """Results that come in several messages of the user are one, and so are calls that come in several of the
    assistant: nothing may stand between them in this dialect.
    """
    folded: list[Message] = []
    for message in messages:
        if folded and _goes_on(folded[-1], message):
            before = folded.pop()
            folded.append(msgspec.structs.replace(before, parts=before.parts + message.parts))
        else:
            folded.append(message)
    return folded


def _goes_on(before: Message, message: Message) -> bool:
    if before.role is not message.role or message.role is Role.SYSTEM:
        return False
    if message.role is Role.USER:
        return any(isinstance(part, ToolResult) for part in message.parts)
    return any(isinstance(part, ToolCall) for part in before.parts)


def _write(message: Message, *, thinks: bool) -> Iterator[dict[str, object]]:
    """The messages of this dialect that one message becomes: each tool's result is one of its own."""
    if message.role is Role.ASSISTANT:
        said = _assistant(message, thinks=thinks)
        if said["content"] != "" or len(said) > _BARE:
            yield said  # some vendors refuse one that says nothing
        return
    if message.role is Role.SYSTEM:
        # Not all models know the developer's role, and all that do take the system's for it.
        yield {"role": "system", "content": _words(message.parts, "\n\n"), **_name(message)}
        return
    shown: list[Part] = []
    for part in message.parts:
        if isinstance(part, ToolResult):
            yield _result(part)
            if media := [one for one in part.parts if not _is_words(one)]:
                shown += [Text(f"From the result of the tool call {fit(part.call_id, _LONGEST_ID)}:"), *media]
    # A tool's message takes words alone: what else it gave follows all of them, in the user's.
    parts = shown + [part for part in message.parts if not isinstance(part, ToolResult)]
    if parts:
        yield {"role": "user", "content": _content(parts), **_name(message)}


def _name(message: Message) -> dict[str, object]:
    return {"name": message.name} if message.name else {}


def _words(parts: Iterable[Part], between: str) -> str:
    return between.join(part.text for part in parts if isinstance(part, Text | Refused))


def _content(parts: list[Part]) -> object:
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return [said for part in parts if (said := _part(part)) is not None]


def _part(part: Part) -> dict[str, object] | None:
    match part:
        case Text() | Refused():
            return {"type": "text", "text": part.text}
        case Image():
            image: dict[str, object] = {"url": write_url(part.source)}
            return {"type": "image_url", "image_url": {**image, "detail": part.detail} if part.detail else image}
        case Audio():
            kind = part.source.media_type
            said = {"data": part.source.data, "format": _FORMATS.get(kind) or kind.rpartition("/")[2]}
            return {"type": "input_audio", "input_audio": said}
        case File():
            return _file(part)
    return None


def _file(file: File) -> dict[str, object]:
    if file.source is None:
        return {"type": "text", "text": _document(file)}
    return {"type": "file", "file": {"filename": file.name or "document", "file_data": write_url(file.source)}}


def _document(file: File) -> str:
    """A document of plain text: this dialect's files are others."""
    head = "\n".join(word for word in (file.name, file.context) if word)
    return f"<document>\n{head}\n\n{file.text}\n</document>" if head else f"<document>\n{file.text}\n</document>"


def _is_words(part: Text | Image | File) -> bool:
    return isinstance(part, Text) or (isinstance(part, File) and part.source is None)


def _result(result: ToolResult) -> dict[str, object]:
    said = [_document(part) if isinstance(part, File) else part for part in result.parts if _is_words(part)]
    words = "\n".join(part.text if isinstance(part, Text) else str(part) for part in said)
    if result.failed and not words.lower().startswith("error"):
        words = f"Error: {words}"  # this dialect has no other way to say so
    return {"role": "tool", "tool_call_id": fit(result.call_id, _LONGEST_ID), "content": words}


def _assistant(message: Message, *, thinks: bool) -> dict[str, object]:
    words = _words(message.parts, "")
    calls = [_call(part) for part in message.parts if isinstance(part, ToolCall)]
    said: dict[str, object] = {"role": "assistant", "content": words if words or not calls else None, **_name(message)}
    reasoning = [part for part in message.parts if isinstance(part, Reasoning)]
    if thinks:  # some vendors refuse these where a model does not reason
        if text := "".join(part.text for part in reasoning):
            said["reasoning_content"] = text
        if details := [raw for part in reasoning for raw in joined(part.notes)]:
            said["reasoning_details"] = details
    if images := [_part(part) for part in message.parts if isinstance(part, Image)]:
        said["images"] = images
    if calls:
        said["tool_calls"] = calls
    return said


def _call(call: ToolCall) -> dict[str, object]:
    id_ = fit(call.id, _LONGEST_ID)
    if call.custom:
        return {"id": id_, "type": "custom", "custom": {"name": fit(call.name, SHORT), "input": call.arguments}}
    function = {"name": fit(call.name, SHORT), "arguments": call.arguments or "{}"}
    extra = [note.raw for note in call.notes if note.dialect == DIALECT and note.name == "extra_content"]
    own = {"extra_content": msgspec.Raw(extra[-1])} if extra else {}
    return {"id": id_, "type": "function", "function": function, **own}
