"""OpenAI's chat requests read for providers of other dialects."""

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.across import (
    Features,
    cache_of,
    check_choice,
    decode,
    decode_field,
    no_meaning,
    read_sampling,
    refuse_unknown,
)
from tokenharbor.wire.body import Members
from tokenharbor.wire.chat import (
    Chat,
    Choosing,
    Feature,
    Format,
    Sampling,
    Thinking,
    Tool,
    ToolChoice,
)
from tokenharbor.wire.efforts import EFFORTS
from tokenharbor.wire.fields import is_null, read_count, read_flag
from tokenharbor.wire.openai_chat import asked
from tokenharbor.wire.openai_chat.messages import Reader
from tokenharbor.wire.openai_chat.requests import KNOWN
from tokenharbor.wire.request import Request

_KNOWN = KNOWN | {"thinking_budget"}

_decode_number = msgspec.json.Decoder(float).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_stops = msgspec.json.Decoder(str | list[str]).decode
_decode_biases = msgspec.json.Decoder(dict[str, float]).decode
_decode_tools = msgspec.json.Decoder(list[asked.ToolShape]).decode
_decode_functions = msgspec.json.Decoder(list[asked.FunctionTool]).decode
_decode_choice = msgspec.json.Decoder(str | asked.Choice).decode
_decode_function_choice = msgspec.json.Decoder(str | asked.Named).decode
_decode_format = msgspec.json.Decoder(asked.FormatShape).decode
_decode_reasoning = msgspec.json.Decoder(asked.ReasoningShape).decode
_decode_thinking = msgspec.json.Decoder(asked.ThinkingShape).decode

_FEATURES = {
    "seed": Feature.SEED,
    "top_k": Feature.TOP_K,
    "frequency_penalty": Feature.PENALTIES,
    "presence_penalty": Feature.PENALTIES,
}
_PENALTIES = ("frequency_penalty", "presence_penalty")
_BARE = frozenset(
    {"model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p"}
)


def read_chat(request: Request) -> Chat:
    """Raises InvalidRequest."""
    members, features = request.members, Features()
    if _BARE.issuperset(members):  # most requests without tools: looking for all else would take half of the time
        said = decode(members["messages"], asked.decode_messages, "messages")
        return Chat(Reader(features).read(said), features.found, sampling=read_sampling(members))
    refuse_unknown(members, _KNOWN)
    sampling, stop = _sampling(members, features), _stop(members, features)
    _refuse_biases(members, features)
    tools = _read_tools(members, features)
    choice = _read_choice(members)
    check_choice(choice, tools, features)
    answer = _read_format(members, features)
    said = decode(members["messages"], asked.decode_messages, "messages")
    return Chat(
        messages=Reader(features).read(said),
        features=features.found,
        tools=tools,
        tool_choice=choice,
        parallel_calls=read_flag(members, "parallel_tool_calls") if "parallel_tool_calls" in members else None,
        format=answer,
        thinking=_read_thinking(members),
        sampling=sampling,
        stop=stop,
        choices=request.choices,
        logprobs=_read_logprobs(members, features),
        verbosity=decode_field(members, "verbosity", _decode_text),
        user=decode_field(members, "safety_identifier", _decode_text)
        or decode_field(members, "user", _decode_text)
        or "",
        cache_key=decode_field(members, "prompt_cache_key", _decode_text) or "",
    )


def _sampling(members: Members, features: Features) -> Sampling:
    """Values that change nothing ask for nothing."""
    numbers = {name: decode_field(members, name, _decode_number) for name in ("temperature", "top_p")}
    penalties = {
        name: decode_field(members, name, _decode_number) or None for name in _FEATURES if name.endswith("penalty")
    }
    counts = {"seed": read_count(members, "seed", -(1 << 63), 1 << 63), "top_k": read_count(members, "top_k", 0)}
    for name, feature in _FEATURES.items():
        if {**penalties, **counts}[name] is not None:
            features.note(feature, name)
    return Sampling(**numbers, **penalties, **counts)  # type: ignore[arg-type]  # floats and whole numbers by name


def _read_user(members: Members) -> str:
    newer, older = (decode_field(members, name, _decode_text) for name in ("safety_identifier", "user"))
    return newer or older or ""


def _stop(members: Members, features: Features) -> tuple[str, ...]:
    stop = decode_field(members, "stop", _decode_stops)
    if not stop:
        return ()
    features.note(Feature.STOP, "stop")
    return (stop,) if isinstance(stop, str) else tuple(stop)


def _refuse_biases(members: Members, features: Features) -> None:
    if decode_field(members, "logit_bias", _decode_biases):
        features.note(Feature.LOGIT_BIAS, "logit_bias")
    if (read_count(members, "n", 1) or 1) > 1:
        features.note(Feature.CHOICES, "n")


def _read_logprobs(members: Members, features: Features) -> int | None:
    beside = read_count(members, "top_logprobs", 0)
    if not read_flag(members, "logprobs"):
        return None
    features.note(Feature.LOGPROBS, "logprobs")
    return beside or 0


def _read_tools(members: Members, features: Features) -> tuple[Tool, ...]:
    shapes = decode_field(members, "tools", _decode_tools) or []
    tools = [_tool(shape, f"tools[{index}]", features) for index, shape in enumerate(shapes)]
    tools += [_function(function, None) for function in decode_field(members, "functions", _decode_functions) or ()]
    if tools:
        features.note(Feature.TOOLS, "tools" if shapes else "functions")
    return tuple(tools)


def _tool(shape: asked.ToolShape, place: str, features: Features) -> Tool:
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
    return _function(shape.function, cache)


def _function(function: asked.FunctionTool, cache: str | None) -> Tool:
    schema = None if is_null(function.parameters) else bytes(function.parameters)
    return Tool(function.name, function.description or "", schema, function.strict, cache=cache)


def _read_choice(members: Members) -> ToolChoice | None:
    choice = decode_field(members, "tool_choice", _decode_choice)
    if choice is None:
        older = decode_field(members, "function_call", _decode_function_choice)
        choice = asked.Choice("function", older) if isinstance(older, asked.Named) else older
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in ("auto", "none", "required"):
            raise no_meaning("tool_choice")
        return ToolChoice(Choosing(choice))
    if choice.allowed_tools is not None:
        return _allowed(choice.allowed_tools)
    named = choice.function or choice.custom
    if named is None:
        raise no_meaning("tool_choice.type")
    return ToolChoice(Choosing.NAMED, (named.name,))


def _allowed(allowed: asked.Allowed) -> ToolChoice:
    if allowed.mode not in ("auto", "required"):
        raise no_meaning("tool_choice.allowed_tools.mode")
    names = []
    for index, tool in enumerate(allowed.tools):
        named = tool.function or tool.custom
        name = named.name if named else tool.name
        if name is None:
            raise no_meaning(f"tool_choice.allowed_tools.tools[{index}]")
        names.append(name)
    return ToolChoice(Choosing(allowed.mode), tuple(names))


def _read_format(members: Members, features: Features) -> Format | None:
    shape = decode_field(members, "response_format", _decode_format)
    if shape is None or shape.type == "text":
        return None
    if shape.type == "json_object":
        features.note(Feature.JSON_OBJECT, "response_format")
        return Format()
    if shape.type != "json_schema" or shape.json_schema is None or is_null(shape.json_schema.schema):
        raise no_meaning("response_format")
    features.note(Feature.JSON_SCHEMA, "response_format")
    schema = shape.json_schema
    return Format(bytes(schema.schema), schema.name, schema.description or "", schema.strict)


def _read_thinking(members: Members) -> Thinking | None:
    """Vendors of this dialect have several words for it; the standard one comes first."""
    effort = decode_field(members, "reasoning_effort", _decode_text)
    reasoning = decode_field(members, "reasoning", _decode_reasoning) or asked.ReasoningShape()
    thinking = decode_field(members, "thinking", _decode_thinking) or asked.ThinkingShape("")
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
    return Thinking(effort, budget, shown)
