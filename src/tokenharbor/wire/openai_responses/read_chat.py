"""A Responses request read into the neutral conversation."""

from collections.abc import Iterator

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.body import Members
from tokenharbor.wire.chat import (
    Chat,
    Choosing,
    Feature,
    Format,
    Sampling,
    Search,
    Thinking,
    Tool,
    ToolChoice,
)
from tokenharbor.wire.fields import NULL, wrong_shape
from tokenharbor.wire.openai_responses import asked
from tokenharbor.wire.openai_responses.conversation import Conversation
from tokenharbor.wire.openai_responses.requests import KNOWN
from tokenharbor.wire.openai_responses.shapes import UNREADABLE
from tokenharbor.wire.request import Request

_CHOICES = {"auto": Choosing.AUTO, "none": Choosing.NONE, "required": Choosing.REQUIRED}
_INCLUDED = b"logprobs"


def read_chat(request: Request) -> Chat:
    """Raises InvalidRequest that names the field which no other dialect could be told."""
    members = request.members
    for name, raw in members.items():
        if name not in KNOWN and bytes(raw) != b"null":
            raise InvalidRequest(f"`{name[:60]}` has no meaning for the model's providers: leave it out.", param=name)
    settings = _read_settings(members)
    conversation = Conversation(settings.instructions)
    conversation.read(members["input"])
    features = conversation.features
    tools = tuple(_tools(members, features))
    reasoning = settings.reasoning or asked.Reasoning()
    return Chat(
        messages=conversation.messages(),
        features=features,
        tools=tools,
        tool_choice=_choice(settings.tool_choice),
        parallel_calls=settings.parallel_tool_calls,
        format=_format(settings, features),
        thinking=_thinking(settings.reasoning, reasoning.summary or reasoning.generate_summary),
        sampling=Sampling(temperature=settings.temperature, top_p=settings.top_p),
        logprobs=_logprobs(settings, members, features),
        search=_search(members, request.web_search_uses, features),
        verbosity=settings.text.verbosity if settings.text else None,
        user=settings.user or "",
        cache_key=settings.prompt_cache_key or "",
    )


def _read_settings(members: Members) -> asked.Settings:
    """Each field by itself, so that what is wrong is named."""
    read: dict[str, object] = {}
    for field in msgspec.structs.fields(asked.Settings):
        raw = members.get(field.name)
        if raw is not None:
            try:
                read[field.name] = msgspec.json.decode(raw, type=field.type)
            except UNREADABLE as error:
                raise wrong_shape(field.name, error) from None
    return asked.Settings(**read)  # type: ignore[arg-type]  # each was decoded as its field's type


def _tools(members: Members, features: dict[Feature, str]) -> Iterator[Tool]:
    try:
        tools = asked.decode_tools(members.get("tools", NULL)) or []
    except UNREADABLE as error:
        raise wrong_shape("tools", error) from None
    for index, tool in enumerate(tools):
        if tool.type == "namespace":
            for inner, function in enumerate(tool.tools or ()):
                yield _tool(function, tool.name, f"tools[{index}].tools[{inner}]", features)
        elif not tool.type.startswith("web_search"):
            yield _tool(tool, None, f"tools[{index}]", features)


def _tool(tool: asked.Tool, namespace: str | None, param: str, features: dict[Feature, str]) -> Tool:
    name, description = asked.full_name(tool.name, namespace), tool.description or ""
    features.setdefault(Feature.TOOLS, "tools")
    if tool.type in ("function", ""):
        schema = None if bytes(tool.parameters) == b"null" else bytes(tool.parameters)
        return Tool(name, description, schema, tool.strict)
    if tool.type != "custom":
        raise InvalidRequest(
            f"`{param}.type` names a tool that the model's providers do not know: define it as a function.",
            param=f"{param}.type",
        )
    features.setdefault(Feature.CUSTOM_TOOLS, f"{param}.type")
    grammar = bytes(tool.format)
    if b'"grammar"' not in grammar:
        return Tool(name, description, custom=True)
    features.setdefault(Feature.GRAMMAR, f"{param}.format")
    return Tool(name, description, custom=True, grammar=grammar)


def _choice(choice: str | asked.Choice | None) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in _CHOICES:
            raise InvalidRequest('`tool_choice` must be "auto", "none" or "required".', param="tool_choice")
        return ToolChoice(_CHOICES[choice])
    if choice.type in ("function", "custom"):
        return ToolChoice(Choosing.NAMED, (asked.full_name(choice.name, choice.namespace),))
    if choice.type == "allowed_tools" and choice.mode in ("auto", "required"):
        names = tuple(asked.full_name(tool.name, tool.namespace) for tool in choice.tools or ())
        return ToolChoice(_CHOICES[choice.mode], names)
    raise InvalidRequest(
        "`tool_choice.type` has no meaning for the model's providers: name a function.", param="tool_choice.type"
    )


def _format(settings: asked.Settings, features: dict[Feature, str]) -> Format | None:
    form = settings.text.format if settings.text else None
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        features[Feature.JSON_OBJECT] = "text.format"
        return Format()
    if form.type != "json_schema" or bytes(form.schema) == b"null":
        raise InvalidRequest(
            "`text.format` must be text, json_object, or json_schema with a schema.", param="text.format"
        )
    features[Feature.JSON_SCHEMA] = "text.format"
    return Format(bytes(form.schema), form.name, form.description or "", form.strict)


def _thinking(reasoning: asked.Reasoning | None, summary: str | None) -> Thinking | None:
    """A summary that is not asked for is not sent in this dialect."""
    if reasoning is None or (reasoning.effort is None and summary is None):
        return None
    return Thinking(effort=reasoning.effort, shown=summary is not None)


def _logprobs(settings: asked.Settings, members: Members, features: dict[Feature, str]) -> int | None:
    if settings.top_logprobs:
        features[Feature.LOGPROBS] = "top_logprobs"
        return settings.top_logprobs
    if _INCLUDED in bytes(members.get("include", NULL)):
        features[Feature.LOGPROBS] = "include"
        return 0
    return None


def _search(members: Members, uses: int, features: dict[Feature, str]) -> Search | None:
    """Only a search that is bounded; one that is merely listed is left out, as within this dialect."""
    if not uses:
        return None
    features[Feature.WEB_SEARCH] = "tools"
    filters = asked.Filters()
    for tool in asked.decode_tools(members["tools"]) or ():
        if tool.type.startswith("web_search"):
            filters = tool.filters or filters
    return Search(uses, tuple(filters.allowed_domains or ()), tuple(filters.blocked_domains or ()))
