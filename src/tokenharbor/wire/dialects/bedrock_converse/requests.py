"""Writer of any conversation as a Converse request."""

from functools import partial

import msgspec

from tokenharbor.wire.dialects.bedrock_converse import models
from tokenharbor.wire.dialects.bedrock_converse.content import Block, ConverseBlockWriter
from tokenharbor.wire.fitting.ids import SHORT, fit
from tokenharbor.wire.fitting.json_mode_hint import instruct_json
from tokenharbor.wire.fitting.json_schema import close_objects
from tokenharbor.wire.fitting.media_url import NO_IMAGE
from tokenharbor.wire.fitting.unique_call_ids import unique_call_ids
from tokenharbor.wire.neutral.chat import (
    SAMPLING,
    Advice,
    AnswerFormat,
    Chat,
    Feature,
    Image,
    Message,
    Part,
    Role,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolResult,
    VendorOptions,
    callable_tools,
)

SUPPORTED_FEATURES = frozenset(
    {
        Feature.TOOLS,
        Feature.FORCED_CALL,
        Feature.JSON_SCHEMA,
        Feature.IMAGE,
        Feature.FILE,
        Feature.AUDIO,
        Feature.ASSISTANT_PREFIX,
    }
)

_SUPPORTED_ADVICE = frozenset(
    {
        Advice.TEMPERATURE,
        Advice.TOP_P,
        Advice.TOP_K,
        Advice.REASONING,
        Advice.SINGLE_CALL,
        Advice.STRICT,
        Advice.CACHE,
    }
)

_NO_SCHEMA = msgspec.Raw(b'{"type":"object","properties":{}}')
_BEGIN = "(the conversation begins)"  # the vendor requires the user to speak first
_NO_CALLS = "Do not call any tool: answer in words."
_ONE_CALL = "Call at most one tool at a time."
_STOPPED = ("/stop_sequence", "/delta/stop_sequence")  # where whole answers and streams report the sequence


def supported_advice(chat: Chat, options: VendorOptions) -> frozenset[Advice]:
    kind, heeded = models.kind_of(options.model), _SUPPORTED_ADVICE
    reasons = models.reasons(chat.thinking, options, chat.tool_choice, chat.messages)
    if reasons == models.ReasoningFields():
        heeded -= {Advice.REASONING}
    if not reasons.lets_sample:
        heeded -= SAMPLING
    elif models.lone(kind, chat.sampling).top_p != chat.sampling.top_p:
        heeded -= {Advice.TOP_P}
    if not models.caches(kind):
        heeded -= {Advice.CACHE}
    return heeded if "json_schema" in options.capabilities else heeded - {Advice.STRICT}


def supported_stops(chat: Chat) -> tuple[str, ...]:
    return chat.stop


def write_chat(chat: Chat, options: VendorOptions) -> bytes:
    """Return the body; the path has the model and whether to stream. Raises InvalidRequest."""
    kind = models.kind_of(options.model)
    writer = ConverseBlockWriter(chat.features, partial(models.call_id, options.model), caches=models.caches(kind))
    reasons = models.reasons(chat.thinking, options, chat.tool_choice, chat.messages)
    sampling = models.lone(kind, chat.sampling) if reasons.lets_sample else Sampling()
    extra = dict(reasons.fields)
    if sampling.top_k is not None:
        extra |= models.sampling(kind, sampling.top_k)
    body: dict[str, object] = {"messages": _messages(chat, writer)}
    body |= _some(
        system=_system(chat, writer),
        inferenceConfig=_inference(chat, sampling, reasons.max_output or options.max_output),
        toolConfig=_tools(chat, options, writer),
        outputConfig=_some(textFormat=_format(chat.format), effort=reasons.effort),
        additionalModelRequestFields=extra,
        additionalModelResponseFieldPaths=_STOPPED if chat.stop else (),
    )
    return msgspec.json.encode(body)


def _some(**members: object) -> dict[str, object]:
    """Return the members that have a value."""
    return {name: value for name, value in members.items() if value is not None and value not in ({}, [], ())}


def _messages(chat: Chat, writer: ConverseBlockWriter) -> list[dict[str, object]]:
    """Return the turns, alternating, the user first."""
    turns: list[tuple[Role, list[Part]]] = []
    for message in unique_call_ids(chat.messages)[_leading(chat) :]:
        role = Role.ASSISTANT if message.role is Role.ASSISTANT else Role.USER
        parts = _reminder(message) if message.role is Role.SYSTEM else _shown(message)
        if turns and turns[-1][0] is role:
            turns[-1][1].extend(parts)
        else:
            turns.append((role, parts))
    written: list[dict[str, object]] = []
    for role, parts in turns:
        _add(written, role.value, writer.blocks(parts))
    _trim(written)
    if not written or written[0]["role"] != Role.USER.value:
        written.insert(0, {"role": Role.USER.value, "content": [{"text": _BEGIN}]})
    return written


def _trim(written: list[dict[str, object]]) -> None:
    """Strip trailing whitespace from an assistant prefix: the vendor refuses it."""
    if not written or written[-1]["role"] != Role.ASSISTANT.value:
        return
    content = written[-1]["content"]
    assert isinstance(content, list)  # noqa: S101  written above
    if isinstance(text := content[-1].get("text"), str):
        content[-1] = {"text": text.rstrip()}


def _leading(chat: Chat) -> int:
    """Return the number of system messages at the beginning."""
    return next((at for at, message in enumerate(chat.messages) if message.role is not Role.SYSTEM), len(chat.messages))


def _reminder(message: Message) -> list[Part]:
    """Write a later system message as marked text of the user: few models know the role in mid-conversation."""
    words = "\n\n".join(part.text for part in message.parts if isinstance(part, Text))
    return [Text(f"<system-reminder>\n{words}\n</system-reminder>")] if words.strip() else []


def _shown(message: Message) -> list[Part]:
    """Replace an assistant's images: the vendor accepts images only from the user."""
    if message.role is Role.USER:
        return list(message.parts)
    return [Text(NO_IMAGE) if isinstance(part, Image) else part for part in message.parts]


def _add(written: list[dict[str, object]], role: str, content: list[Block]) -> None:
    """Append a turn; an empty one is skipped, and the turns around it are joined."""
    if not content:
        return
    last = written[-1] if written else None
    if last is not None and last["role"] == role:
        before = last["content"]
        assert isinstance(before, list)  # noqa: S101  written below
        before += content
    else:
        written.append({"role": role, "content": content})


def _system(chat: Chat, writer: ConverseBlockWriter) -> list[Block]:
    """Return the leading system messages, then instructions for which the vendor has no field."""
    leading = instruct_json(chat, chat.messages[: _leading(chat)])
    blocks = [block for message in leading for block in writer.blocks(message.parts)]
    if _forbids_calls(chat):
        blocks.append({"text": _NO_CALLS})
    elif chat.tools and chat.parallel_calls is False:
        blocks.append({"text": _ONE_CALL})
    return blocks


def _forbids_calls(chat: Chat) -> bool:
    """Return whether calls must be forbidden by text: tools of earlier calls must be listed even if no further call is
    allowed.
    """
    return bool(_called(chat)) and (not chat.tools or _is_none(chat.tool_choice))


def _is_none(choice: ToolChoice | None) -> bool:
    return choice is not None and choice.mode is ToolChoiceMode.NONE


def _called(chat: Chat) -> dict[str, None]:
    """Return the names of called tools, in order; an empty name where only a result exists."""
    names: dict[str, None] = {}
    for message in chat.messages:
        for part in message.parts:
            if isinstance(part, (ToolCall, ToolResult)):
                names[part.name] = None
    return names


def _inference(chat: Chat, sampling: Sampling, max_output: int | None) -> dict[str, object]:
    return _some(
        maxTokens=max_output,
        temperature=_share(sampling.temperature),
        topP=_share(sampling.top_p),
        stopSequences=chat.stop,
    )


def _share(value: float | None) -> float | None:
    """Limit a value to 1, the vendor's maximum."""
    return value if value is None else min(value, 1)


def _tools(chat: Chat, options: VendorOptions, writer: ConverseBlockWriter) -> dict[str, object]:
    choice, called = chat.tool_choice, _called(chat)
    if _is_none(choice) and not called:
        return {}
    tools = callable_tools(chat)
    if not tools:
        tools = tuple(Tool(name) for name in called if name) or ((Tool("unknown"),) if called else ())
    rows: list[dict[str, object]] = []
    for tool in tools:
        rows.append({"toolSpec": _tool(tool, options)})
        rows += writer.mark(tool.cache)
    return _some(tools=rows, toolChoice=_choice(choice)) if rows else {}


def _tool(tool: Tool, options: VendorOptions) -> dict[str, object]:
    strict = tool.strict and "json_schema" in options.capabilities
    schema = close_objects(tool.schema) if strict and tool.schema is not None else tool.schema
    return {
        "name": fit(tool.name, SHORT),
        **_some(description=tool.description or None),
        "inputSchema": {"json": _NO_SCHEMA if schema is None else msgspec.Raw(schema)},
        **({"strict": True} if strict else {}),
    }


def _choice(choice: ToolChoice | None) -> dict[str, object] | None:
    if choice is None or choice.mode is ToolChoiceMode.NONE:
        return None
    if choice.mode is ToolChoiceMode.NAMED:
        return {"tool": {"name": fit(choice.names[0], SHORT)}}
    return {"any" if choice.mode is ToolChoiceMode.REQUIRED else "auto": {}}


def _format(format_: AnswerFormat | None) -> dict[str, object] | None:
    if format_ is None or format_.schema is None:
        return None
    named = _some(name=format_.name or None, description=format_.description or None)
    return {
        "type": "json_schema",
        "structure": {"jsonSchema": {"schema": close_objects(format_.schema).decode(), **named}},
    }
