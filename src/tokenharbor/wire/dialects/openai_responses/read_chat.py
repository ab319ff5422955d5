"""Reader of Responses requests for providers of other dialects."""

from collections.abc import Iterator, Mapping
from functools import partial

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.dialects.openai_responses import request_schema
from tokenharbor.wire.dialects.openai_responses.conversation import ResponsesInputReader
from tokenharbor.wire.dialects.openai_responses.requests import KNOWN
from tokenharbor.wire.fitting.reasoning_effort import EFFORTS
from tokenharbor.wire.framing.body import Members
from tokenharbor.wire.framing.fields import is_null, read_count, read_flag
from tokenharbor.wire.framing.json_values import NULL
from tokenharbor.wire.neutral.chat import (
    Advice,
    AnswerFormat,
    Chat,
    Feature,
    ReasoningRequest,
    Tool,
    ToolChoice,
    ToolChoiceMode,
    WebSearch,
)
from tokenharbor.wire.neutral.request import Request
from tokenharbor.wire.neutral.strict_read import (
    FeatureCollector,
    check_choice,
    decode_field,
    read_sampling,
    read_twice,
    untranslatable_field,
)

_LEFT_OUT = ("web_search", "tool_search")
"""Tools that clients list by default: a search without a limit, and one for tools in reserve."""

_WORDS = (ToolChoiceMode.AUTO.value, ToolChoiceMode.NONE.value, ToolChoiceMode.REQUIRED.value)

_BARE = frozenset({"model", "input", "instructions", "stream", "store", "max_output_tokens", "temperature", "top_p"})

_decode_text = msgspec.json.Decoder(str).decode


_HINTS = frozenset({"user", "safety_identifier", "metadata", "client_metadata", "prompt_cache_options"})
"""Fields that only this dialect has and that do not change the meaning elsewhere."""

_SHAPES: Mapping[str, object] = {
    "input": list[request_schema.InputItem],
    "tools": list[request_schema.ResponsesTool],
    "tool_choice": request_schema.ResponsesToolChoice,
    "text": request_schema.TextSettings,
    "reasoning": request_schema.ResponsesReasoning,
}


def read_chat(request: Request) -> Chat:
    """Return the meaning of a request. Raises InvalidRequest that names a field no other dialect can express."""
    return read_twice(partial(_read, request.web_search_uses), request.members, _SHAPES)


def _read(searches: int, members: Members, features: FeatureCollector) -> Chat:
    conversation = ResponsesInputReader(features, decode_field(members, "instructions", _decode_text))
    if _BARE.issuperset(members):  # most requests without tools: skip the checks, a third of the time
        conversation.read(members["input"])
        sampling = features.sample(read_sampling(members))
        return Chat(conversation.messages(), features.found, features.advice, features.unknown, sampling=sampling)
    features.read_hints(members, KNOWN, _HINTS)
    conversation.read(members["input"])
    listed = decode_field(members, "tools", request_schema.decode_tools) or []
    tools = tuple(
        tool for place, some in (("tools", listed), *conversation.tools) for tool in _tools(some, place, features)
    )
    choice = _choice(decode_field(members, "tool_choice", request_schema.decode_choice))
    check_choice(choice, tools, features)
    text = decode_field(members, "text", request_schema.decode_text) or request_schema.TextSettings()
    if text.verbosity:
        features.advise(Advice.VERBOSITY, "text.verbosity")
    if bytes(members.get("truncation", NULL)) not in (b"null", b'"disabled"'):
        features.advise(Advice.OWN, "truncation")
    return Chat(
        messages=conversation.messages(),
        features=features.found,
        advice=features.advice,
        unknown=features.unknown,
        tools=tools,
        tool_choice=choice,
        parallel_calls=_parallel(members, features),
        format=_format(text.format, features),
        thinking=_thinking(decode_field(members, "reasoning", request_schema.decode_reasoning), features),
        sampling=features.sample(read_sampling(members)),
        logprobs=_logprobs(members, features),
        search=_search(listed, searches, features),
        verbosity=text.verbosity,
        cache_key=_cache_key(members, features),
    )


def _parallel(members: Members, features: FeatureCollector) -> bool | None:
    if is_null(members.get("parallel_tool_calls")):
        return None
    parallel = read_flag(members, "parallel_tool_calls")
    features.advise(Advice.PARALLEL_CALLS if parallel else Advice.SINGLE_CALL, "parallel_tool_calls")
    return parallel


def _cache_key(members: Members, features: FeatureCollector) -> str:
    key = decode_field(members, "prompt_cache_key", _decode_text) or ""
    if key:
        features.advise(Advice.CACHE_KEY, "prompt_cache_key")
    return key


def _tools(tools: list[request_schema.ResponsesTool], place: str, features: FeatureCollector) -> Iterator[Tool]:
    for index, tool in enumerate(tools):
        if tool.type == "namespace":
            for inner, function in enumerate(tool.tools or ()):
                yield _tool(function, tool.name, f"{place}[{index}].tools[{inner}]", features)
        elif not tool.type.startswith(_LEFT_OUT):
            yield _tool(tool, None, f"{place}[{index}]", features)


def _tool(tool: request_schema.ResponsesTool, namespace: str | None, place: str, features: FeatureCollector) -> Tool:
    name, description = request_schema.full_name(tool.name, namespace), tool.description or ""
    features.note(Feature.TOOLS, place.partition("[")[0])
    if tool.type in ("function", ""):
        schema = None if is_null(tool.parameters) else bytes(tool.parameters)
        if tool.strict:
            features.advise(Advice.STRICT, f"{place}.strict")
        return Tool(name, description, schema, tool.strict)
    if tool.type != "custom":
        raise untranslatable_field(f"{place}.type")
    features.note(Feature.CUSTOM_TOOLS, place)
    grammar = bytes(tool.format)
    if b'"grammar"' not in grammar:
        return Tool(name, description, custom=True)
    features.note(Feature.GRAMMAR, f"{place}.format")
    return Tool(name, description, custom=True, grammar=grammar)


def _choice(choice: str | request_schema.ResponsesToolChoice | None) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in _WORDS:
            raise InvalidRequest('`tool_choice` must be "auto", "none" or "required".', param="tool_choice")
        return ToolChoice(ToolChoiceMode(choice))
    if choice.type in ("function", "custom"):
        return ToolChoice(ToolChoiceMode.NAMED, (request_schema.full_name(choice.name, choice.namespace),))
    if choice.type == "allowed_tools" and choice.mode in ("auto", "required"):
        names = tuple(request_schema.full_name(tool.name, tool.namespace) for tool in choice.tools or () if tool.name)
        return ToolChoice(ToolChoiceMode(choice.mode), names)
    raise untranslatable_field("tool_choice.type")


def _format(form: request_schema.TextFormat | None, features: FeatureCollector) -> AnswerFormat | None:
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return AnswerFormat()
    if form.type != "json_schema" or is_null(form.schema):
        raise untranslatable_field("text.format")
    features.note(Feature.JSON_SCHEMA, "text.format")
    return AnswerFormat(bytes(form.schema), form.name, form.description or "", form.strict)


def _thinking(
    reasoning: request_schema.ResponsesReasoning | None, features: FeatureCollector
) -> ReasoningRequest | None:
    """Read how much to reason; without a requested summary, reasoning is not shown."""
    if reasoning is None:
        return None
    summary, effort = reasoning.summary or reasoning.generate_summary, reasoning.effort
    if effort is not None and effort not in EFFORTS:
        raise InvalidRequest(f"`reasoning.effort` must be one of {', '.join(EFFORTS)}.", param="reasoning.effort")
    if effort is None and summary is None:
        return None
    if effort is not None and effort != "none":
        features.advise(Advice.REASONING, "reasoning")
    return ReasoningRequest(effort, shown=summary is not None)


def _logprobs(members: Members, features: FeatureCollector) -> int | None:
    beside = read_count(members, "top_logprobs", 0)
    if not beside and b"logprobs" not in bytes(members.get("include", NULL)):
        return None
    features.note(Feature.LOGPROBS, "top_logprobs" if beside else "include")
    return beside or 0


def _search(tools: list[request_schema.ResponsesTool], uses: int, features: FeatureCollector) -> WebSearch | None:
    """Return a limited search; one without a limit is omitted, as within this dialect."""
    if not uses:
        return None
    features.note(Feature.WEB_SEARCH, "tools")
    filters = next((tool.filters for tool in tools if tool.filters is not None), request_schema.SearchFilters())
    return WebSearch(uses, tuple(filters.allowed_domains or ()), tuple(filters.blocked_domains or ()))
