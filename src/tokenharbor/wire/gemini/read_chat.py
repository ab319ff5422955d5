"""Gemini's requests read for providers of other dialects."""

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.across import Features, check_choice, no_meaning
from tokenharbor.wire.chat import (
    Chat,
    Choosing,
    Feature,
    Format,
    Message,
    Role,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolChoice,
)
from tokenharbor.wire.efforts import EFFORTS
from tokenharbor.wire.fields import read_count
from tokenharbor.wire.gemini.asked import Object
from tokenharbor.wire.gemini.contents import CONTENT, Reader
from tokenharbor.wire.gemini.requests import CONFIG_FIELDS, KNOWN
from tokenharbor.wire.gemini.schemas import standard
from tokenharbor.wire.json_schema import is_strict
from tokenharbor.wire.request import Request

_CHOOSING = {
    "AUTO": Choosing.AUTO,
    "MODE_UNSPECIFIED": Choosing.AUTO,
    "VALIDATED": Choosing.AUTO,
    "NONE": Choosing.NONE,
    "ANY": Choosing.REQUIRED,
}
_TOOL = frozenset({"functionDeclarations"})
_DECLARATION = frozenset(
    {"name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema", "behavior"}
)
_TOOL_CONFIG = frozenset({"functionCallingConfig", "retrievalConfig"})
_CALLING = frozenset({"mode", "allowedFunctionNames"})
_THINKING = frozenset({"thinkingBudget", "thinkingLevel", "includeThoughts"})
_CONFIG = "generationConfig"
_JSON = "application/json"


def read_chat(request: Request) -> Chat:
    """Raises InvalidRequest."""
    features = Features()
    body = Object(msgspec.Raw(request.body), "", KNOWN)
    config = _Config(body, features)
    if request.choices > 1:
        features.note(Feature.CHOICES, f"{_CONFIG}.candidateCount")
    tools = _read_tools(body, features)
    choice = _read_choice(body)
    contents = body.objects("contents", CONTENT)
    if contents and contents[-1].text("role") == "model":
        features.note(Feature.ASSISTANT_PREFIX, contents[-1].place)
    check_choice(choice, tools, features, "toolConfig.functionCallingConfig.allowedFunctionNames")
    return Chat(
        messages=_read_system(body) + Reader(features).read(contents),
        features=features.found,
        tools=tools,
        tool_choice=choice,
        format=config.format(),
        thinking=config.thinking(),
        sampling=config.sampling(),
        stop=config.stop(),
        choices=request.choices,
        logprobs=config.logprobs(),
    )


def _read_system(body: Object) -> tuple[Message, ...]:
    system = body.object("systemInstruction", CONTENT)
    if system is None:
        return ()
    parts = tuple(Text(part.text("text")) for part in system.objects("parts", frozenset({"text"})))
    return (Message(Role.SYSTEM, parts),) if parts else ()


def _read_tools(body: Object, features: Features) -> tuple[Tool, ...]:
    tools = [
        _read_tool(declared)
        for group in body.objects("tools", _TOOL)
        for declared in group.objects("functionDeclarations", _DECLARATION)
    ]
    if tools:
        features.note(Feature.TOOLS, "tools")
    return tuple(tools)


def _read_tool(declared: Object) -> Tool:
    schema: bytes | None = None
    if "parametersJsonSchema" in declared:
        schema = bytes(declared.members["parametersJsonSchema"])
    elif "parameters" in declared:
        schema = standard(declared.members["parameters"])
    if declared.text("behavior") not in ("", "UNSPECIFIED", "BLOCKING"):
        raise no_meaning(declared.at("behavior"))
    return Tool(declared.text("name"), declared.text("description"), schema)


def _read_choice(body: Object) -> ToolChoice | None:
    config = body.object("toolConfig", _TOOL_CONFIG)
    calling = config.object("functionCallingConfig", _CALLING) if config else None
    if calling is None:
        return None
    names = calling.words("allowedFunctionNames")
    mode = _CHOOSING.get((calling.text("mode") or "AUTO").upper())
    if mode is None:
        raise no_meaning(calling.at("mode"))
    if mode is Choosing.REQUIRED and len(names) == 1:
        mode = Choosing.NAMED
    return ToolChoice(mode, () if mode is Choosing.NONE else names)


_USUAL_TOP_K = 64
"""What Gemini does unless told otherwise. Its CLI says so in each request, and asks nothing of another vendor by it."""


class _Config:
    """`generationConfig`, read piece by piece."""

    def __init__(self, body: Object, features: Features) -> None:
        self._features = features
        self._said = body.object(_CONFIG, CONFIG_FIELDS) or Object(msgspec.Raw(b"{}"), _CONFIG, CONFIG_FIELDS)

    def _count(self, name: str, least: int) -> int | None:
        return read_count(self._said.members, name, least, 1 << 40, f"{_CONFIG}.")

    def sampling(self) -> Sampling:
        said = self._said
        top_k = said.number("topK")
        if top_k == _USUAL_TOP_K:
            top_k = None
        for name, feature in (
            *((("topK", Feature.TOP_K),) if top_k is not None else ()),
            ("frequencyPenalty", Feature.PENALTIES),
            ("presencePenalty", Feature.PENALTIES),
            ("seed", Feature.SEED),
        ):
            if name in said:
                self._features.note(feature, said.at(name))
        return Sampling(
            said.number("temperature"),
            said.number("topP"),
            None if top_k is None else int(top_k),
            said.number("frequencyPenalty"),
            said.number("presencePenalty"),
            self._count("seed", -(1 << 40)),
        )

    def stop(self) -> tuple[str, ...]:
        stops = self._said.words("stopSequences")
        if stops:
            self._features.note(Feature.STOP, self._said.at("stopSequences"))
        return stops

    def logprobs(self) -> int | None:
        if not self._said.flag("responseLogprobs"):
            return None
        self._features.note(Feature.LOGPROBS, self._said.at("responseLogprobs"))
        return self._count("logprobs", 0) or 0

    def format(self) -> Format | None:
        said = self._said
        kind = said.text("responseMimeType")
        if kind not in ("", "text/plain", _JSON):
            raise no_meaning(said.at("responseMimeType"))
        if kind != _JSON:
            return None
        for name in ("responseJsonSchema", "responseSchema"):
            if name in said:
                self._features.note(Feature.JSON_SCHEMA, said.at(name))
                raw = said.members[name]
                schema = standard(raw) if name == "responseSchema" else bytes(raw)
                return Format(schema, strict=is_strict(schema))
        self._features.note(Feature.JSON_OBJECT, said.at("responseMimeType"))
        return Format()

    def thinking(self) -> Thinking | None:
        asked = self._said.object("thinkingConfig", _THINKING)
        if asked is None:
            return None
        shown = bool(asked.flag("includeThoughts"))
        level = asked.text("thinkingLevel").lower()
        if level in EFFORTS and level != "none":
            return Thinking(level, shown=shown)
        if level not in ("", "thinking_level_unspecified"):
            raise InvalidRequest(
                f"`{asked.at('thinkingLevel')}` must be one of MINIMAL, LOW, MEDIUM, HIGH.",
                param=asked.at("thinkingLevel"),
            )
        budget = read_count(asked.members, "thinkingBudget", -1, within=f"{asked.place}.")
        if budget == 0:
            return Thinking("none")
        return Thinking(None, None if budget is None or budget < 0 else budget, shown)
