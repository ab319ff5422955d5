"""Reader of OpenAI's chat requests for providers of other dialects."""

from collections.abc import Mapping
from functools import partial

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.dialects.openai_chat import request_schema
from tokenharbor.wire.dialects.openai_chat.messages import ChatMessageReader
from tokenharbor.wire.dialects.openai_chat.requests import KNOWN
from tokenharbor.wire.fitting.reasoning_effort import EFFORTS
from tokenharbor.wire.framing.body import Members
from tokenharbor.wire.framing.fields import is_null, read_count, read_flag
from tokenharbor.wire.neutral.chat import (
    Advice,
    AnswerFormat,
    Chat,
    Feature,
    ReasoningRequest,
    Sampling,
    Tool,
    ToolChoice,
    ToolChoiceMode,
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

_HINTS = frozenset(
    {"user", "safety_identifier", "metadata", "prompt_cache_options"} | {"min_p", "top_a", "repetition_penalty"}
)
"""Fields that only this dialect has and that do not change the meaning elsewhere."""

_NOTHING: Mapping[str, float] = {"min_p": 0, "top_a": 0, "repetition_penalty": 1}
"""Values without effect."""

_SHAPES: Mapping[str, object] = {
    "messages": list[request_schema.RequestMessage],
    "tools": list[request_schema.ChatTool],
    "functions": list[request_schema.FunctionTool],
    "tool_choice": request_schema.ChatToolChoice,
    "function_call": request_schema.ToolName,
    "response_format": request_schema.ResponseFormat,
    "reasoning": request_schema.ChatReasoning,
    "thinking": request_schema.ChatThinking,
}

_decode_number = msgspec.json.Decoder(float).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_stops = msgspec.json.Decoder(str | list[str]).decode
_decode_biases = msgspec.json.Decoder(dict[str, float]).decode
_decode_tools = msgspec.json.Decoder(list[request_schema.ChatTool]).decode
_decode_functions = msgspec.json.Decoder(list[request_schema.FunctionTool]).decode
_decode_choice = msgspec.json.Decoder(str | request_schema.ChatToolChoice).decode
_decode_function_choice = msgspec.json.Decoder(str | request_schema.ToolName).decode
_decode_format = msgspec.json.Decoder(request_schema.ResponseFormat).decode
_decode_reasoning = msgspec.json.Decoder(request_schema.ChatReasoning).decode
_decode_thinking = msgspec.json.Decoder(request_schema.ChatThinking).decode

_THINKING = ("reasoning_effort", "reasoning", "thinking", "enable_thinking", "thinking_budget")
_PENALTIES = ("frequency_penalty", "presence_penalty")
_BARE = frozenset(
    {"model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p"}
)


def read_chat(request: Request) -> Chat:
    """Return the meaning of a request. Raises InvalidRequest."""
    return read_twice(partial(_read, request.choices), request.members, _SHAPES)


def _read(choices: int, members: Members, features: FeatureCollector) -> Chat:
    if _BARE.issuperset(members):  # most requests without tools: skip the checks that would double the time
        said = decode(members["messages"], request_schema.decode_messages, "messages")
        sampling = features.sample(read_sampling(members))
        return Chat(
            ChatMessageReader(features).read(said), features.found, features.advice, features.unknown, sampling=sampling
        )
    features.read_hints({name: members[name] for name in members if not _is_nothing(name, members)}, KNOWN, _HINTS)
    sampling, stops = _sampling(members, features), decode_field(members, "stop", _decode_stops) or ()
    _note_numbers(members, features)
    tools = _read_tools(members, features)
    choice = _read_choice(members)
    check_choice(choice, tools, features)
    said = decode(members["messages"], request_schema.decode_messages, "messages")
    return Chat(
        messages=ChatMessageReader(features).read(said),
        features=features.found,
        advice=features.advice,
        unknown=features.unknown,
        tools=tools,
        tool_choice=choice,
        parallel_calls=_read_parallel(members, features),
        format=_read_format(members, features),
        thinking=_read_thinking(members, features),
        sampling=sampling,
        stop=read_stops([stops] if isinstance(stops, str) else stops, "stop"),
        choices=choices,
        logprobs=_read_logprobs(members, features),
        verbosity=_advised(members, "verbosity", features, Advice.VERBOSITY),
        cache_key=_advised(members, "prompt_cache_key", features, Advice.CACHE_KEY) or "",
    )


def _is_nothing(name: str, members: Members) -> bool:
    return name in _NOTHING and decode_field(members, name, _decode_number) == _NOTHING[name]


def _advised(members: Members, name: str, features: FeatureCollector, advice: Advice) -> str | None:
    text = decode_field(members, name, _decode_text)
    if text:
        features.advise(advice, name)
    return text


def _read_parallel(members: Members, features: FeatureCollector) -> bool | None:
    if is_null(members.get("parallel_tool_calls")):
        return None
    parallel = read_flag(members, "parallel_tool_calls")
    features.advise(Advice.PARALLEL_CALLS if parallel else Advice.SINGLE_CALL, "parallel_tool_calls")
    return parallel


def _sampling(members: Members, features: FeatureCollector) -> Sampling:
    """Read the sampling; values without effect are not advice."""
    sampling = features.sample(read_sampling(members))
    penalties = {name: decode_field(members, name, _decode_number) or None for name in _PENALTIES if name in members}
    seed, top_k = read_count(members, "seed", -(1 << 63), 1 << 63), read_count(members, "top_k", -1) or None
    for name, penalty in penalties.items():
        if penalty is not None:
            features.advise(Advice.PENALTIES, name)
    if seed is not None:
        features.advise(Advice.SEED, "seed")
    if top_k is not None and top_k > 0:  # 0 and -1 mean "all" at some vendors of this dialect
        features.advise(Advice.TOP_K, "top_k")
    else:
        top_k = None
    if not penalties and seed is None and top_k is None:
        return sampling
    return msgspec.structs.replace(sampling, seed=seed, top_k=top_k, **penalties)


def _note_numbers(members: Members, features: FeatureCollector) -> None:
    """Note `logit_bias` as advice that no other vendor can read, because token ids differ; note `n`."""
    biases = decode_field(members, "logit_bias", _decode_biases)
    if biases:
        features.advise(Advice.OWN, "logit_bias")
    if (read_count(members, "n", 1) or 1) > 1:
        features.note(Feature.CHOICES, "n")


def _read_logprobs(members: Members, features: FeatureCollector) -> int | None:
    beside = read_count(members, "top_logprobs", 0)
    if not read_flag(members, "logprobs"):
        return None
    features.note(Feature.LOGPROBS, "logprobs")
    return beside or 0


def _read_tools(members: Members, features: FeatureCollector) -> tuple[Tool, ...]:
    shapes = decode_field(members, "tools", _decode_tools) or []
    tools = [_tool(shape, f"tools[{index}]", features) for index, shape in enumerate(shapes)]
    older = decode_field(members, "functions", _decode_functions) or ()
    tools += [_function(function, None, features, f"functions[{index}]") for index, function in enumerate(older)]
    if tools:
        features.note(Feature.TOOLS, "tools" if shapes else "functions")
    return tuple(tools)


def _tool(shape: request_schema.ChatTool, place: str, features: FeatureCollector) -> Tool:
    cache = cache_of(shape.cache_control)
    if shape.custom is not None:
        features.note(Feature.CUSTOM_TOOLS, place)
        custom = shape.custom
        grammar = bytes(custom.format) if b'"grammar"' in bytes(custom.format) else None
        if grammar:
            features.note(Feature.GRAMMAR, f"{place}.custom.format")
        return Tool(custom.name, custom.description or "", custom=True, grammar=grammar, cache=cache)
    if shape.function is None:
        raise InvalidRequest(f"`{place}.function` is missing.", param=f"{place}.function")
    return _function(shape.function, cache, features, f"{place}.function")


def _function(function: request_schema.FunctionTool, cache: str | None, features: FeatureCollector, place: str) -> Tool:
    if function.strict:
        features.advise(Advice.STRICT, f"{place}.strict")
    if cache:
        features.advise(Advice.CACHE, "cache_control")
    schema = None if is_null(function.parameters) else bytes(function.parameters)
    return Tool(function.name, function.description or "", schema, function.strict, cache=cache)


def _read_choice(members: Members) -> ToolChoice | None:
    choice = decode_field(members, "tool_choice", _decode_choice)
    if choice is None:
        older = decode_field(members, "function_call", _decode_function_choice)
        choice = (
            request_schema.ChatToolChoice("function", older) if isinstance(older, request_schema.ToolName) else older
        )
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in ("auto", "none", "required"):
            raise untranslatable_field("tool_choice")
        return ToolChoice(ToolChoiceMode(choice))
    if choice.allowed_tools is not None:
        return _allowed(choice.allowed_tools)
    named = choice.function or choice.custom
    if named is None:
        raise untranslatable_field("tool_choice.type")
    return ToolChoice(ToolChoiceMode.NAMED, (named.name,))


def _allowed(allowed: request_schema.AllowedTools) -> ToolChoice:
    if allowed.mode not in ("auto", "required"):
        raise untranslatable_field("tool_choice.allowed_tools.mode")
    names = []
    for index, tool in enumerate(allowed.tools):
        named = tool.function or tool.custom
        name = named.name if named else tool.name
        if name is None:
            raise untranslatable_field(f"tool_choice.allowed_tools.tools[{index}]")
        names.append(name)
    return ToolChoice(ToolChoiceMode(allowed.mode), tuple(names))


def _read_format(members: Members, features: FeatureCollector) -> AnswerFormat | None:
    shape = decode_field(members, "response_format", _decode_format)
    if shape is None or shape.type == "text":
        return None
    if shape.type == "json_object":
        return AnswerFormat()
    if shape.type != "json_schema" or shape.json_schema is None or is_null(shape.json_schema.schema):
        raise untranslatable_field("response_format")
    features.note(Feature.JSON_SCHEMA, "response_format")
    schema = shape.json_schema
    return AnswerFormat(bytes(schema.schema), schema.name, schema.description or "", schema.strict)


def _read_thinking(members: Members, features: FeatureCollector) -> ReasoningRequest | None:
    """Read how much to think from the vendors' several fields; the standard one has priority."""
    effort = decode_field(members, "reasoning_effort", _decode_text)
    reasoning = decode_field(members, "reasoning", _decode_reasoning) or request_schema.ChatReasoning()
    thinking = decode_field(members, "thinking", _decode_thinking) or request_schema.ChatThinking("")
    enabled = read_flag(members, "enable_thinking") if "enable_thinking" in members else reasoning.enabled
    off = thinking.type == "disabled" or enabled is False
    effort = effort or reasoning.effort or ("none" if off else None)
    if effort is not None and effort not in EFFORTS:
        field = "reasoning_effort" if "reasoning_effort" in members else "reasoning.effort"
        raise InvalidRequest(f"`{field}` must be one of {', '.join(EFFORTS)}.", param=field)
    budget = reasoning.max_tokens or thinking.budget_tokens or read_count(members, "thinking_budget", 0)
    shown = (True if reasoning.summary else None) if reasoning.exclude is None else not reasoning.exclude
    if effort is None and budget is None and shown is None and not thinking.type and not enabled:
        return None
    if effort != "none":
        features.advise(Advice.REASONING, next(name for name in _THINKING if not is_null(members.get(name))))
    return ReasoningRequest(effort, budget, shown)
