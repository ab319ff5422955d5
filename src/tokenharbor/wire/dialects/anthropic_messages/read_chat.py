"""Reader of Anthropic's messages requests for providers of other dialects."""

from collections.abc import Mapping
from functools import partial

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.dialects.anthropic_messages import request_schema
from tokenharbor.wire.dialects.anthropic_messages.messages import AnthropicMessageReader
from tokenharbor.wire.dialects.anthropic_messages.requests import KNOWN, SEARCH
from tokenharbor.wire.fitting.json_schema import is_strict
from tokenharbor.wire.fitting.reasoning_effort import EFFORTS
from tokenharbor.wire.framing.body import Members
from tokenharbor.wire.framing.fields import is_null, read_count
from tokenharbor.wire.neutral.chat import (
    Advice,
    AnswerFormat,
    Chat,
    Feature,
    Message,
    ReasoningRequest,
    Role,
    Sampling,
    Text,
    Tool,
    ToolChoice,
    ToolChoiceMode,
    WebSearch,
)
from tokenharbor.wire.neutral.request import Request
from tokenharbor.wire.neutral.strict_read import (
    FeatureCollector,
    cache_of,
    check_choice,
    decode,
    decode_field,
    read_sampling,
    read_stops,
    read_twice,
    untranslatable_field,
)

_decode_stops = msgspec.json.Decoder(list[str]).decode
_decode_system = msgspec.json.Decoder(str | list[request_schema.TextBlock]).decode
_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_tool = msgspec.json.Decoder(request_schema.AnthropicTool).decode
_decode_search = msgspec.json.Decoder(request_schema.WebSearchTool).decode
_decode_choice = msgspec.json.Decoder(request_schema.AnthropicToolChoice).decode
_decode_thinking = msgspec.json.Decoder(request_schema.AnthropicThinking).decode
_decode_config = msgspec.json.Decoder(request_schema.OutputConfig).decode
_decode_format = msgspec.json.Decoder(request_schema.OutputFormat).decode

_BARE = frozenset({"model", "messages", "system", "max_tokens", "stream", "temperature", "top_p"})
_CHOOSING = {
    "auto": ToolChoiceMode.AUTO,
    "any": ToolChoiceMode.REQUIRED,
    "tool": ToolChoiceMode.NAMED,
    "none": ToolChoiceMode.NONE,
}
_THINKING = ("enabled", "disabled", "adaptive", "between_tools")


_HINTS = frozenset(
    {"metadata", "betas", "context_management", "diagnostics", "user_profile_id", "workspace_id", "cache_control"}
)
"""Fields that only this dialect has and that do not change the meaning elsewhere."""

_SHAPES: Mapping[str, object] = {
    "messages": list[request_schema.AnthropicMessage],
    "system": list[request_schema.TextBlock],
    "tools": list[request_schema.AnthropicTool],
    "tool_choice": request_schema.AnthropicToolChoice,
    "thinking": request_schema.AnthropicThinking,
    "output_config": request_schema.OutputConfig,
    "output_format": request_schema.OutputFormat,
}


def read_chat(request: Request) -> Chat:
    """Return the meaning of a request. Raises InvalidRequest."""
    if request.max_output == 0:
        raise untranslatable_field("max_tokens")  # 0 fills the vendor's cache without an answer
    return read_twice(partial(_read, request.cache_writes), request.members, _SHAPES)


def _read(cached: bool, members: Members, features: FeatureCollector) -> Chat:  # noqa: FBT001  private, one caller
    if cached:
        features.advise(Advice.CACHE, "cache_control")
    reader = AnthropicMessageReader(features)
    said = _read_system(members) + reader.read(decode(members["messages"], request_schema.decode_messages, "messages"))
    if _BARE.issuperset(members):  # most requests without tools: skip the checks that would double the time
        sampling = features.sample(read_sampling(members))
        return Chat(said, features.found, features.advice, features.unknown, sampling=sampling)
    features.read_hints(members, KNOWN, _HINTS)
    tools, search = _read_tools(members, features, reader.known)
    shape = decode_field(members, "tool_choice", _decode_choice)
    choice = _read_choice(shape) if shape else None
    check_choice(choice, tools, features)
    config = decode_field(members, "output_config", _decode_config) or request_schema.OutputConfig()
    stops = decode_field(members, "stop_sequences", _decode_stops)
    if shape and shape.disable_parallel_tool_use:
        features.advise(Advice.SINGLE_CALL, "tool_choice.disable_parallel_tool_use")
    return Chat(
        messages=said,
        features=features.found,
        advice=features.advice,
        unknown=features.unknown,
        tools=tools,
        tool_choice=choice,
        parallel_calls=False if shape and shape.disable_parallel_tool_use else None,
        format=_read_format(members, config, features),
        thinking=_read_thinking(members, config, features),
        sampling=_read_sampling(members, features),
        stop=read_stops(stops or (), "stop_sequences"),
        search=search,
    )


def _read_system(members: Members) -> tuple[Message, ...]:
    system = decode_field(members, "system", _decode_system)
    if not system:
        return ()
    if isinstance(system, str):
        return (Message(Role.SYSTEM, (Text(system),)),)
    return (Message(Role.SYSTEM, tuple(Text(block.text, cache_of(block.cache_control)) for block in system)),)


def _read_sampling(members: Members, features: FeatureCollector) -> Sampling:
    top_k = read_count(members, "top_k", 0)
    if top_k is not None:
        features.advise(Advice.TOP_K, "top_k")
    sampling = features.sample(read_sampling(members))
    return sampling if top_k is None else msgspec.structs.replace(sampling, top_k=top_k)


def _read_tools(
    members: Members, features: FeatureCollector, known: Mapping[str, bool]
) -> tuple[tuple[Tool, ...], WebSearch | None]:
    """Return the tools that may be called now; deferred ones only if the conversation added them."""
    tools: list[Tool] = []
    search = None
    raws = decode_field(members, "tools", _decode_raws)
    for index, raw in enumerate(raws or ()):
        place = f"tools[{index}]"
        kind = decode(raw, request_schema.decode_kind, place).type or "custom"
        if kind.startswith(SEARCH):
            features.note(Feature.WEB_SEARCH, f"{place}.type")
            shape = decode(raw, _decode_search, place)
            search = WebSearch(shape.max_uses, tuple(shape.allowed_domains or ()), tuple(shape.blocked_domains or ()))
        elif kind != "custom":
            raise InvalidRequest(
                f"`{place}.type` is {kind[:60]!r}, a tool type that the providers of this model do"
                " not support: define the tool with `input_schema`, or use a model with a provider that uses the API of"
                " this path.",
                param=f"{place}.type",
            )
        else:
            tool = decode(raw, _decode_tool, place)
            if known.get(tool.name, not tool.defer_loading):
                tools.append(_read_tool(tool, place, features))
    if tools:
        features.note(Feature.TOOLS, "tools")
    return tuple(tools), search


def _read_tool(shape: request_schema.AnthropicTool, place: str, features: FeatureCollector) -> Tool:
    if shape.allowed_callers not in (None, [], ["direct"]):
        raise untranslatable_field(f"{place}.allowed_callers")
    if not is_null(shape.input_examples) and bytes(shape.input_examples) != b"[]":
        raise untranslatable_field(f"{place}.input_examples")
    if shape.strict:
        features.advise(Advice.STRICT, f"{place}.strict")
    if shape.eager_input_streaming:
        features.advise(Advice.OWN, f"{place}.eager_input_streaming")
    schema = None if is_null(shape.input_schema) else bytes(shape.input_schema)
    cache = cache_of(shape.cache_control)
    return Tool(shape.name, shape.description or "", schema, shape.strict, cache=cache)


def _read_choice(choice: request_schema.AnthropicToolChoice) -> ToolChoice:
    mode = _CHOOSING.get(choice.type)
    if mode is None:
        raise untranslatable_field("tool_choice.type")
    return ToolChoice(mode, (choice.name,) if mode is ToolChoiceMode.NAMED else ())


def _read_format(
    members: Members, config: request_schema.OutputConfig, features: FeatureCollector
) -> AnswerFormat | None:
    older = decode_field(members, "output_format", _decode_format)
    shape, field = (config.format, "output_config.format") if config.format else (older, "output_format")
    if shape is None:
        return None
    if shape.type != "json_schema" or is_null(shape.schema):
        raise untranslatable_field(f"{field}.type")
    features.note(Feature.JSON_SCHEMA, field)
    schema = bytes(shape.schema)
    return AnswerFormat(schema, shape.name or "", strict=is_strict(schema))


def _read_thinking(
    members: Members, config: request_schema.OutputConfig, features: FeatureCollector
) -> ReasoningRequest | None:
    effort = config.effort
    if effort is not None and effort not in EFFORTS:
        raise InvalidRequest(f"`output_config.effort` must be one of {', '.join(EFFORTS[2:])}.", param="output_config")
    shape = decode_field(members, "thinking", _decode_thinking)
    if effort is not None and effort != "none":
        features.advise(Advice.REASONING, "output_config.effort")
    if shape is None:
        return ReasoningRequest(effort) if effort else None
    if shape.type not in _THINKING:
        raise untranslatable_field("thinking.type")
    if shape.type == "disabled":
        return ReasoningRequest("none")
    features.advise(Advice.REASONING, "thinking")
    shown = None if shape.display is None else shape.display != "omitted"
    return ReasoningRequest(effort, shape.budget_tokens, shown)
