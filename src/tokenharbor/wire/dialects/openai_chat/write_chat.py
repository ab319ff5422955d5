"""Writer of any conversation as an OpenAI chat request."""

from collections.abc import Iterable, Sequence

import msgspec

from tokenharbor.wire.dialects.openai_chat.note_fields import DIALECT, joined
from tokenharbor.wire.fitting.ids import SHORT, fit
from tokenharbor.wire.fitting.json_mode_hint import mention_json
from tokenharbor.wire.fitting.json_schema import fill_parameters, is_strict
from tokenharbor.wire.fitting.media_url import write_url
from tokenharbor.wire.fitting.reasoning_effort import effort_of
from tokenharbor.wire.fitting.unique_call_ids import unique_call_ids
from tokenharbor.wire.neutral.chat import (
    Advice,
    AnswerFormat,
    Audio,
    Chat,
    Feature,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    RefusalText,
    Role,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoiceMode,
    ToolResult,
    VendorOptions,
    callable_tools,
)

SUPPORTED_FEATURES = frozenset(
    {
        Feature.TOOLS,
        Feature.FORCED_CALL,
        Feature.CUSTOM_TOOLS,
        Feature.GRAMMAR,
        Feature.JSON_SCHEMA,
        Feature.IMAGE,
        Feature.IMAGE_URL,
        Feature.FILE,
        Feature.AUDIO,
    }
)

SUPPORTED_ADVICE = frozenset(
    {
        Advice.TEMPERATURE,
        Advice.HOT,
        Advice.TOP_P,
        Advice.PENALTIES,
        Advice.SEED,
        Advice.REASONING,
        Advice.VERBOSITY,
        Advice.PARALLEL_CALLS,
        Advice.SINGLE_CALL,
        Advice.STRICT,
        Advice.NAME,
        Advice.DETAIL,
    }
)

_MOST_STOPS = 4  # developers.openai.com/api/reference/resources/chat: "up to 4 sequences"
_MAX_FIELD = "max_tokens"  # the default: most providers obey it
_LONGEST_ID = 40  # of a call, in characters
_BARE = 2  # number of members of a message with text alone
_FORMATS = {"audio/mpeg": "mp3", "audio/x-wav": "wav", "audio/wave": "wav"}

_SPOKEN = (Text, RefusalText)

Said = dict[str, object]

_encode = msgspec.json.Encoder().encode


def supported_advice(chat: Chat, options: VendorOptions) -> frozenset[Advice]:  # noqa: ARG001  the signature of `ProviderDialect`
    return SUPPORTED_ADVICE if "reasoning" in options.capabilities else SUPPORTED_ADVICE - {Advice.REASONING}


def supported_stops(chat: Chat) -> tuple[str, ...]:
    return chat.stop[:_MOST_STOPS]


def write_chat(chat: Chat, options: VendorOptions) -> bytes:
    """Return the body. Raises InvalidRequest."""
    thinks = "reasoning" in options.capabilities
    messages: list[Said] = []
    for message in _folded(mention_json(chat, unique_call_ids(chat.messages))):
        _add(messages, message, thinks=thinks)
    body: Said = {"model": options.model, "messages": messages}
    if chat.tools:
        body.update(_tools(chat))
    body.update(_sampling(chat.sampling))
    if chat.stop:
        body["stop"] = supported_stops(chat)
    if chat.format is not None:
        body["response_format"] = _format(chat.format)
    body.update(thinking_of(chat, options))
    if chat.verbosity is not None:
        body["verbosity"] = chat.verbosity
    if options.max_output is not None and options.max_field != "":
        body[options.max_field or _MAX_FIELD] = options.max_output
    if options.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return _encode(body)


def _sampling(sampling: Sampling) -> Said:
    said: Said = {}
    if sampling.temperature is not None:
        said["temperature"] = sampling.temperature
    if sampling.top_p is not None:
        said["top_p"] = sampling.top_p
    if sampling.frequency_penalty is not None:
        said["frequency_penalty"] = sampling.frequency_penalty
    if sampling.presence_penalty is not None:
        said["presence_penalty"] = sampling.presence_penalty
    if sampling.seed is not None:
        said["seed"] = sampling.seed
    return said


def thinking_of(chat: Chat, options: VendorOptions) -> Said:
    """Return how much to think, if the chat states it and the model can reason."""
    thinking = chat.thinking
    if thinking is None or "reasoning" not in options.capabilities:
        return {}
    effort = thinking.effort
    if effort is None and thinking.budget is not None:
        effort = effort_of(thinking.budget)
    if effort == "none" and "always_reasoning" in options.capabilities:
        effort = "low"  # a model that always reasons refuses "none"
    return {"reasoning_effort": effort} if effort else {}


def _format(format_: AnswerFormat) -> Said:
    if format_.schema is None:
        return {"type": "json_object"}
    schema: Said = {"name": format_.name or "answer", "schema": msgspec.Raw(format_.schema)}
    if format_.description:
        schema["description"] = format_.description
    if format_.strict is not None:
        schema["strict"] = format_.strict
    return {"type": "json_schema", "json_schema": schema}


def _tools(chat: Chat) -> Said:
    tools = callable_tools(chat)
    if not tools:
        return {}
    said: Said = {"tools": [_tool(tool) for tool in tools]}
    if chat.tool_choice is not None:
        mode, names = chat.tool_choice.mode, chat.tool_choice.names
        named = [tool for tool in tools if mode is ToolChoiceMode.NAMED and tool.name in names]
        said["tool_choice"] = _named(named[0]) if named else mode.value
    if chat.parallel_calls is False:  # true is the default; some vendors do not know the field
        said["parallel_tool_calls"] = False
    return said


def _named(tool: Tool) -> Said:
    kind = "custom" if tool.custom else "function"
    return {"type": kind, kind: {"name": fit(tool.name, SHORT)}}


def _tool(tool: Tool) -> Said:
    said: Said = {"name": fit(tool.name, SHORT)}
    if tool.description:
        said["description"] = tool.description
    if tool.custom:
        if tool.grammar is not None:
            said["format"] = msgspec.Raw(tool.grammar)
        return {"type": "custom", "custom": said}
    if tool.schema is not None:
        said["parameters"] = msgspec.Raw(fill_parameters(tool.schema))
    if tool.strict and is_strict(tool.schema):
        said["strict"] = True
    return {"type": "function", "function": said}


def _folded(messages: Iterable[Message]) -> list[Message]:
    """Join results in adjacent messages of the user, and calls in adjacent messages of the assistant: this dialect
    allows nothing between them.
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


def _add(messages: list[Said], message: Message, *, thinks: bool) -> None:
    """Append the messages that one message becomes: each tool's result is a separate one."""
    if message.role is Role.ASSISTANT:
        said = _assistant(message, thinks=thinks)
        if said["content"] == "" and len(said) == _BARE:
            return  # some vendors refuse an empty message
    elif message.role is Role.SYSTEM:
        # Not all models know the developer's role; all accept the system's.
        said = {"role": "system", "content": _words(message.parts, "\n\n")}
    else:
        parts = _without_results(message.parts, messages)
        if not parts:
            return
        said = {"role": "user", "content": _content(parts)}
    if message.name:
        said["name"] = message.name
    messages.append(said)


def _without_results(parts: tuple[Part, ...], messages: list[Said]) -> Sequence[Part]:
    """Append results as messages and return the user's own parts. Results can only have text: their media come after
    all results, before the user's own parts.
    """
    shown: list[Part] = []
    own: list[Part] = []
    for part in parts:
        if isinstance(part, ToolResult):
            messages.append(_result(part))
            if media := [one for one in part.parts if not _is_words(one)]:
                shown += [Text(f"From the result of the tool call {fit(part.call_id, _LONGEST_ID)}:"), *media]
        else:
            own.append(part)
    return shown + own if shown else own


def _words(parts: Sequence[Part], between: str) -> str:
    if len(parts) == 1 and isinstance(parts[0], _SPOKEN):
        return parts[0].text
    return between.join([part.text for part in parts if isinstance(part, _SPOKEN)])


def _content(parts: Sequence[Part]) -> object:
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return [said for part in parts if (said := _part(part)) is not None]


def _part(part: Part) -> Said | None:
    match part:
        case Text() | RefusalText():
            return {"type": "text", "text": part.text}
        case Image():
            image: Said = {"url": write_url(part.source)}
            return {"type": "image_url", "image_url": {**image, "detail": part.detail} if part.detail else image}
        case Audio():
            kind = part.source.media_type
            said = {"data": part.source.data, "format": _FORMATS.get(kind) or kind.rpartition("/")[2]}
            return {"type": "input_audio", "input_audio": said}
        case File():
            return _file(part)
    return None


def _file(file: File) -> Said:
    if file.source is None:
        return {"type": "text", "text": _document(file)}
    return {"type": "file", "file": {"filename": file.name or "document", "file_data": write_url(file.source)}}


def _document(file: File) -> str:
    """Return a plain-text document as text, since this dialect's files cannot be text."""
    head = "\n".join(word for word in (file.name, file.context) if word)
    return f"<document>\n{head}\n\n{file.text}\n</document>" if head else f"<document>\n{file.text}\n</document>"


def _is_words(part: Text | Image | File) -> bool:
    return isinstance(part, Text) or (isinstance(part, File) and part.source is None)


def _result(result: ToolResult) -> Said:
    said = [_document(part) if isinstance(part, File) else part for part in result.parts if _is_words(part)]
    words = "\n".join(part.text if isinstance(part, Text) else str(part) for part in said)
    if result.failed and not words.lower().startswith("error"):
        words = f"Error: {words}"  # this dialect has no field for it
    return {"role": "tool", "tool_call_id": fit(result.call_id, _LONGEST_ID), "content": words}


def _assistant(message: Message, *, thinks: bool) -> Said:
    words = _words(message.parts, "")
    calls = [_call(part) for part in message.parts if isinstance(part, ToolCall)]
    said: Said = {"role": "assistant", "content": words if words or not calls else None}
    if thinks:  # some vendors refuse these for models that do not reason
        reasoning = [part for part in message.parts if isinstance(part, Reasoning)]
        if text := "".join(part.text for part in reasoning):
            said["reasoning_content"] = text
        if details := [raw for part in reasoning for raw in joined(part.notes)]:
            said["reasoning_details"] = details
    if images := [_part(part) for part in message.parts if isinstance(part, Image)]:
        said["images"] = images
    if calls:
        said["tool_calls"] = calls
    return said


def _call(call: ToolCall) -> Said:
    id_ = fit(call.id, _LONGEST_ID)
    if call.custom:
        return {"id": id_, "type": "custom", "custom": {"name": fit(call.name, SHORT), "input": call.arguments}}
    function = {"name": fit(call.name, SHORT), "arguments": call.arguments or "{}"}
    extra = [note.raw for note in call.notes if note.dialect == DIALECT and note.name == "extra_content"]
    own = {"extra_content": msgspec.Raw(extra[-1])} if extra else {}
    return {"id": id_, "type": "function", "function": function, **own}
