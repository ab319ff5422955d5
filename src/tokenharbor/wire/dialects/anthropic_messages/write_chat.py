"""Writer of any conversation as an Anthropic messages request."""

from collections.abc import Iterable

import msgspec

from tokenharbor.wire.dialects.anthropic_messages.json_arguments import cached, object_of
from tokenharbor.wire.dialects.anthropic_messages.thinking import most_output, thinking_of, thinks
from tokenharbor.wire.dialects.anthropic_messages.turns import system_and_turns
from tokenharbor.wire.fitting.ids import LONG, fit
from tokenharbor.wire.fitting.json_mode_hint import instruct_json
from tokenharbor.wire.fitting.json_schema import close_objects
from tokenharbor.wire.fitting.unique_call_ids import unique_call_ids
from tokenharbor.wire.neutral.chat import (
    SAMPLING,
    Advice,
    Chat,
    Feature,
    Message,
    Sampling,
    Tool,
    ToolCall,
    ToolChoiceMode,
    VendorOptions,
    callable_tools,
)

SUPPORTED_FEATURES = frozenset(
    {
        Feature.TOOLS,
        Feature.FORCED_CALL,
        Feature.JSON_SCHEMA,
        Feature.IMAGE,
        Feature.IMAGE_URL,
        Feature.FILE,
        Feature.FILE_URL,
        Feature.CITATIONS,
        Feature.ASSISTANT_PREFIX,
    }
)

_SUPPORTED_ADVICE = frozenset(
    {
        Advice.TEMPERATURE,
        Advice.TOP_P,
        Advice.TOP_K,
        Advice.REASONING,
        Advice.PARALLEL_CALLS,
        Advice.SINGLE_CALL,
        Advice.STRICT,
        Advice.NAME,
        Advice.CACHE,
    }
)

_CHOOSING = {
    ToolChoiceMode.AUTO: "auto",
    ToolChoiceMode.REQUIRED: "any",
    ToolChoiceMode.NAMED: "tool",
    ToolChoiceMode.NONE: "none",
}

_encode = msgspec.json.Encoder().encode


def supported_advice(chat: Chat, options: VendorOptions) -> frozenset[Advice]:
    """Return the advice to pass on. The vendor refuses sampling settings while the model thinks, and `top_p` beside a
    temperature.
    """
    heeded, sampling, said = _SUPPORTED_ADVICE, chat.sampling, thinking_of(chat, options)
    if not said:
        heeded -= {Advice.REASONING}
    if thinks(said):
        heeded -= SAMPLING
    elif sampling.temperature not in (None, 1):
        heeded -= {Advice.TOP_P}
    return heeded if "json_schema" in options.capabilities else heeded - {Advice.STRICT}


def supported_stops(chat: Chat) -> tuple[str, ...]:
    """Return the stop sequences except blank ones, which the vendor refuses."""
    return tuple([stop for stop in chat.stop if stop.strip()])


def write_chat(chat: Chat, options: VendorOptions) -> bytes:
    """Return the body. Raises InvalidRequest."""
    said = thinking_of(chat, options)
    thinking, config = said.get("thinking"), said.get("output_config")
    system, turns = system_and_turns(instruct_json(chat, unique_call_ids(chat.messages)))
    body: dict[str, object] = {"model": options.model, "max_tokens": most_output(options)}
    if system:
        body["system"] = system
    body["messages"] = turns
    body.update(_tools(chat, options))
    _sample(body, chat.sampling, thinks=thinks(said))
    if chat.stop and (sequences := supported_stops(chat)):
        body["stop_sequences"] = sequences
    if thinking is not None:
        body["thinking"] = thinking
    if chat.format is not None and chat.format.schema is not None:
        config = {
            **(config or {}),
            "format": {"type": "json_schema", "schema": msgspec.Raw(close_objects(chat.format.schema))},
        }
    if config is not None:
        body["output_config"] = config
    if options.stream:
        body["stream"] = True
    return _encode(body)


def _sample(body: dict[str, object], sampling: Sampling, *, thinks: bool) -> None:
    """Set the sampling. Default values are omitted, and so is `top_p` beside a temperature: newer models refuse both.
    The vendor's highest temperature is 1.
    """
    if thinks:
        return  # the vendor refuses them while the model thinks
    if sampling.temperature is not None and sampling.temperature < 1:
        body["temperature"] = sampling.temperature
    elif sampling.top_p is not None and sampling.top_p != 1 and sampling.temperature in (None, 1):
        body["top_p"] = sampling.top_p
    if sampling.top_k is not None:
        body["top_k"] = sampling.top_k


def _tools(chat: Chat, options: VendorOptions) -> dict[str, object]:
    tools = callable_tools(chat)
    if not tools:
        return _called(chat.messages)
    strict = "json_schema" in options.capabilities
    said: dict[str, object] = {"tools": [_tool(tool, strict=strict) for tool in tools]}
    asked = chat.tool_choice
    mode = asked.mode if asked else None
    single = chat.parallel_calls is False and mode is not ToolChoiceMode.NONE
    if mode is not None or single:
        choice: dict[str, object] = {"type": _CHOOSING[mode or ToolChoiceMode.AUTO]}
        if asked and mode is ToolChoiceMode.NAMED:
            choice["name"] = fit(asked.names[0], LONG)
        if single:
            choice["disable_parallel_tool_use"] = True
        said["tool_choice"] = choice
    return said


def _called(messages: Iterable[Message]) -> dict[str, object]:
    """Return the tools of earlier calls, which the vendor requires even if no further call is allowed."""
    calls = [part.name for message in messages for part in message.parts if isinstance(part, ToolCall)]
    if not calls:
        return {}
    tools = [_tool(Tool(name), strict=False) for name in dict.fromkeys(calls)]
    return {"tools": tools, "tool_choice": {"type": "none"}}


def _tool(tool: Tool, *, strict: bool) -> dict[str, object]:
    said: dict[str, object] = {"name": fit(tool.name, LONG)}
    if tool.description:
        said["description"] = tool.description
    if not (tool.strict and strict):
        return {**said, "input_schema": object_of(tool.schema), **cached(tool.cache)}
    schema = None if tool.schema is None else close_objects(tool.schema)
    return {**said, "input_schema": object_of(schema), "strict": True, **cached(tool.cache)}
