"""Writer of any conversation as a Responses request."""

from collections.abc import Iterable, Iterator

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.dialects.openai_responses.answer_schema import DIALECT
from tokenharbor.wire.fitting.ids import SHORT, fit, fit_call
from tokenharbor.wire.fitting.json_mode_hint import mention_json
from tokenharbor.wire.fitting.json_schema import fill_parameters, is_strict
from tokenharbor.wire.fitting.media_url import NO_IMAGE, write_url
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
    OpaquePart,
    Part,
    Reasoning,
    RefusalText,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolResult,
    VendorOptions,
)
from tokenharbor.wire.neutral.events import Note

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
        Feature.FILE_URL,
        Feature.AUDIO,
        Feature.WEB_SEARCH,
    }
)

_SUPPORTED_ADVICE = frozenset(
    {
        Advice.TEMPERATURE,
        Advice.HOT,
        Advice.TOP_P,
        Advice.REASONING,
        Advice.VERBOSITY,
        Advice.PARALLEL_CALLS,
        Advice.SINGLE_CALL,
        Advice.STRICT,
        Advice.DETAIL,
        Advice.CACHE_KEY,
    }
)

Json = dict[str, object]

_NO_PARAMETERS: Json = {"type": "object", "properties": {}}
_LONGEST_ID = 64  # of a call, in characters


def supported_advice(chat: Chat, options: VendorOptions) -> frozenset[Advice]:  # noqa: ARG001  the signature of `ProviderDialect`
    return _SUPPORTED_ADVICE if "reasoning" in options.capabilities else _SUPPORTED_ADVICE - {Advice.REASONING}


def supported_stops(chat: Chat) -> tuple[str, ...]:  # noqa: ARG001  likewise; this dialect has no stop sequences
    return ()


def write_chat(chat: Chat, options: VendorOptions) -> bytes:
    """Return the body. Raises InvalidRequest for a value that has no form in this dialect."""
    body: Json = {
        "model": options.model,
        "input": list(_items(mention_json(chat, unique_call_ids(chat.messages)))),
        "stream": options.stream,
        "store": False,
    }
    if options.max_output is not None:
        body["max_output_tokens"] = options.max_output
    if "reasoning" in options.capabilities:
        body["include"] = ["reasoning.encrypted_content"]
    body |= thinking_of(chat, options)
    body |= _tools(chat)
    body |= _text(chat)
    settings = {
        "temperature": chat.sampling.temperature,
        "top_p": chat.sampling.top_p,
        "parallel_tool_calls": False if chat.parallel_calls is False and chat.tools else None,
        "prompt_cache_key": chat.cache_key or None,
    }
    body |= {name: value for name, value in settings.items() if value is not None}
    return msgspec.json.encode(body)


def _items(messages: Iterable[Message]) -> Iterator[object]:
    for message in messages:
        role = "developer" if message.developer else message.role.value
        waiting: list[Json] = []
        for part in message.parts:
            if isinstance(part, Text | Image | File | Audio | RefusalText):
                waiting.append(_part(part, assistant=message.role is Role.ASSISTANT))
                continue
            if waiting:
                yield {"type": "message", "role": role, "content": waiting}
                waiting = []
            yield from _item(part)
        if waiting:
            yield {"type": "message", "role": role, "content": waiting}


def _item(part: Part) -> Iterator[object]:
    """Yield a part that is a separate item. Of reasoning, only this dialect's own is passed on."""
    match part:
        case ToolCall(custom=True):
            id_ = fit_call(part.id, _LONGEST_ID)
            yield {"type": "custom_tool_call", "call_id": id_, "name": fit(part.name, SHORT), "input": part.arguments}
        case ToolCall():
            id_, arguments = fit_call(part.id, _LONGEST_ID), part.arguments or "{}"
            yield {"type": "function_call", "call_id": id_, "name": fit(part.name, SHORT), "arguments": arguments}
        case ToolResult():
            kind = "custom_tool_call_output" if part.custom else "function_call_output"
            yield {"type": kind, "call_id": fit_call(part.call_id, _LONGEST_ID), "output": _output(part)}
        case Reasoning():
            yield from _own(part.notes)
        case OpaquePart():
            yield from _own((part.note,))


def _own(notes: Iterable[Note]) -> Iterator[object]:
    for note in notes:
        if note.dialect == DIALECT and note.name == "item":
            yield msgspec.Raw(note.raw)


def _output(result: ToolResult) -> object:
    """Return a result's output; this dialect marks a failure only by text."""
    if all(isinstance(part, Text) for part in result.parts):
        words = "\n".join(part.text for part in result.parts if isinstance(part, Text))
        fails = result.failed and not words.lower().startswith("error")
        return f"Error: {words}" if fails else words
    said = [_part(part, assistant=False) for part in result.parts]
    return [{"type": "input_text", "text": "Error:"}, *said] if result.failed else said


def _part(part: Text | Image | File | Audio | RefusalText, *, assistant: bool) -> Json:
    match part:
        case Text():
            return {"type": "output_text" if assistant else "input_text", "text": part.text}
        case RefusalText():
            return {"type": "refusal", "refusal": part.text}
        case Image() if assistant:  # the vendor refuses images from the assistant
            return {"type": "output_text", "text": NO_IMAGE}
        case Image():
            detail = {"detail": part.detail} if part.detail else {}
            return {"type": "input_image", "image_url": write_url(part.source), **detail}
        case Audio():
            form = part.source.media_type.removeprefix("audio/")
            return {"type": "input_audio", "input_audio": {"data": part.source.data, "format": form}}
        case File():
            return _file(part)


def _file(file: File) -> Json:
    if file.source is None:
        head = "\n".join(word for word in (file.name, file.context) if word)
        return {"type": "input_text", "text": f"<document>\n{head}\n\n{file.text}\n</document>"}
    if file.source.url:
        return {"type": "input_file", "file_url": file.source.url}
    return {"type": "input_file", "filename": file.name or "document.pdf", "file_data": write_url(file.source)}


def thinking_of(chat: Chat, options: VendorOptions) -> Json:
    """Return how much to think, if the chat states it and the model can reason."""
    thinking = chat.thinking
    if thinking is None or "reasoning" not in options.capabilities:
        return {}
    settings: Json = {}
    effort = thinking.effort
    if effort is None and thinking.budget is not None:
        effort = effort_of(thinking.budget)
    if effort == "none" and "always_reasoning" in options.capabilities:
        effort = "low"  # a model that always reasons refuses "none"
    if effort is not None:
        settings["effort"] = effort
    if thinking.shown:
        settings["summary"] = "auto"
    return {"reasoning": settings} if settings else {}


def _tools(chat: Chat) -> Json:
    tools = [_tool(tool) for tool in chat.tools]
    body: Json = {}
    search = chat.search
    if search is not None:
        if search.blocked:
            param = chat.features.get(Feature.WEB_SEARCH, "tools")
            raise InvalidRequest(
                f"`{param}` blocks domains of the web search, which the providers of this model do not support: set"
                " `allowed_domains` instead.",
                param=param,
            )
        filters: Json = {"filters": {"allowed_domains": search.allowed}} if search.allowed else {}
        tools.append({"type": "web_search", **filters})
        body["max_tool_calls"] = search.uses
    if tools:
        body["tools"] = tools
    if chat.tool_choice is not None and tools:
        body["tool_choice"] = _choice(chat.tool_choice, {tool.name for tool in chat.tools if tool.custom})
    return body


def _tool(tool: Tool) -> Json:
    described: Json = {"description": tool.description} if tool.description else {}
    if tool.custom:
        form: Json = {"format": msgspec.Raw(tool.grammar)} if tool.grammar else {}
        return {"type": "custom", "name": fit(tool.name, SHORT), **described, **form}
    # Here functions are strict by default, in other dialects not.
    parameters = msgspec.Raw(fill_parameters(tool.schema)) if tool.schema else _NO_PARAMETERS
    strict = bool(tool.strict) and is_strict(tool.schema)
    return {"type": "function", "name": fit(tool.name, SHORT), **described, "parameters": parameters, "strict": strict}


def _choice(choice: ToolChoice, custom: set[str]) -> object:
    named = [{"type": "custom" if name in custom else "function", "name": fit(name, SHORT)} for name in choice.names]
    if choice.mode is ToolChoiceMode.NAMED:
        return named[0]
    if choice.names and choice.mode is not ToolChoiceMode.NONE:
        return {"type": "allowed_tools", "mode": choice.mode.value, "tools": named}
    return choice.mode.value


def _text(chat: Chat) -> Json:
    text: Json = {} if chat.format is None else {"format": _form(chat.format)}
    if chat.verbosity:
        text["verbosity"] = chat.verbosity
    return {"text": text} if text else {}


def _form(form: AnswerFormat) -> Json:
    if form.schema is None:
        return {"type": "json_object"}
    described: Json = {"description": form.description} if form.description else {}
    strict: Json = {} if form.strict is None else {"strict": form.strict}
    name = form.name or "answer"
    return {"type": "json_schema", "name": name, **described, "schema": msgspec.Raw(form.schema), **strict}
