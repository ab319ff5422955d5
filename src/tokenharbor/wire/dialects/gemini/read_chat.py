"""Reader of Gemini's requests for providers of other dialects."""

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.dialects.gemini import request_schema
from tokenharbor.wire.dialects.gemini.contents import GeminiContentReader
from tokenharbor.wire.dialects.gemini.schemas import standard
from tokenharbor.wire.fitting.json_schema import is_strict
from tokenharbor.wire.fitting.reasoning_effort import EFFORTS
from tokenharbor.wire.framing.fields import MOST_TOKENS, is_null, lax_whole, read_count
from tokenharbor.wire.framing.json_values import NULL
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
)
from tokenharbor.wire.neutral.request import Request
from tokenharbor.wire.neutral.strict_read import FeatureCollector, check_choice, read_stops, untranslatable_field

_CHOOSING = {
    "AUTO": ToolChoiceMode.AUTO,
    "MODE_UNSPECIFIED": ToolChoiceMode.AUTO,
    "VALIDATED": ToolChoiceMode.AUTO,
    "NONE": ToolChoiceMode.NONE,
    "ANY": ToolChoiceMode.REQUIRED,
    # their numbers in google.ai.generativelanguage.v1beta.FunctionCallingConfig.Mode
    "1": ToolChoiceMode.AUTO,
    "2": ToolChoiceMode.REQUIRED,
    "3": ToolChoiceMode.NONE,
    "4": ToolChoiceMode.AUTO,
}
_CONFIG = "generationConfig"
_JSON = "application/json"


_USUAL_TOP_K = 64
"""Gemini's default. Its CLI sends it in each request, so it is not advice for other vendors."""


def read_chat(request: Request) -> Chat:
    """Return the meaning of a request. Raises InvalidRequest."""
    features = FeatureCollector()
    body = request_schema.read_body(request, features.unknown)
    contents, config = body.contents, body.generation_config
    if request.choices > 1:
        features.note(Feature.CHOICES, f"{_CONFIG}.candidateCount")
    tools = _read_tools(body.tools, features) if body.tools else ()
    choice = _read_choice(body.tool_config.function_calling_config, tools, features) if body.tool_config else None
    if contents and contents[-1].role == "model":
        features.note(Feature.ASSISTANT_PREFIX, f"contents[{len(contents) - 1}]")
    said = GeminiContentReader(features, request).read(contents)
    _read_hints(body, features)
    return Chat(
        messages=_read_system(body.system_instruction) + said if body.system_instruction else said,
        features=features.found,
        advice=features.advice,
        unknown=features.unknown,
        tools=tools,
        tool_choice=choice,
        format=_read_format(config, features),
        thinking=_read_thinking(config.thinking_config, features) if config.thinking_config else None,
        sampling=_read_sampling(config, features),
        stop=read_stops(config.stop_sequences, f"{_CONFIG}.stopSequences"),
        choices=request.choices,
        logprobs=_read_logprobs(config, features) if config.response_logprobs else None,
    )


def _read_hints(body: request_schema.GeminiRequest, features: FeatureCollector) -> None:
    """Note the fields that only this dialect has and that do not change the meaning elsewhere."""
    config, tools = body.generation_config, body.tool_config
    resolution, retrieval = config.media_resolution, tools.retrieval_config if tools else NULL
    for name, raw in (
        ("safetySettings", body.safety_settings),
        ("labels", body.labels),
        (f"{_CONFIG}.mediaResolution", resolution),
        ("toolConfig.retrievalConfig", retrieval),
    ):
        if raw is not NULL and not is_null(raw) and bytes(raw) not in (b"[]", b"{}"):
            features.advise(Advice.OWN, name)


def _read_system(system: request_schema.SystemInstruction) -> tuple[Message, ...]:
    parts = tuple([Text(part.text) for part in system.parts])
    return (Message(Role.SYSTEM, parts),) if parts else ()


def _read_tools(groups: list[request_schema.GeminiTool], features: FeatureCollector) -> tuple[Tool, ...]:
    for index, group in enumerate(groups):
        if not is_null(group.computer_use):
            raise untranslatable_field(f"tools[{index}].computerUse")
    tools = [
        _read_tool(declared, f"tools[{index}].functionDeclarations[{inner}]")
        for index, group in enumerate(groups)
        for inner, declared in enumerate(group.function_declarations)
    ]
    if tools:
        features.note(Feature.TOOLS, "tools")
    return tuple(tools)


def _read_tool(declared: request_schema.FunctionDeclaration, place: str) -> Tool:
    schema: bytes | None = None
    if not is_null(declared.parameters_json_schema):
        schema = bytes(declared.parameters_json_schema)
    elif not is_null(declared.parameters):
        schema = standard(declared.parameters)
    if declared.behavior not in ("", "UNSPECIFIED", "BLOCKING"):
        raise untranslatable_field(f"{place}.behavior")
    return Tool(declared.name, declared.description, schema)


def _read_choice(
    calling: request_schema.FunctionCallingConfig | request_schema.Absent,
    tools: tuple[Tool, ...],
    features: FeatureCollector,
) -> ToolChoice | None:
    if not calling:
        return None
    mode = _CHOOSING.get(str(calling.mode or "AUTO").upper())
    if mode is None:
        raise untranslatable_field("toolConfig.functionCallingConfig.mode")
    names = tuple(calling.allowed_function_names)
    if mode is ToolChoiceMode.REQUIRED and len(names) == 1:
        mode = ToolChoiceMode.NAMED
    choice = ToolChoice(mode, () if mode is ToolChoiceMode.NONE else names)
    check_choice(choice, tools, features, "toolConfig.functionCallingConfig.allowedFunctionNames")
    return choice


def _count(raw: msgspec.Raw, name: str, least: int, most: int = 1 << 40) -> int | None:
    return None if is_null(raw) else read_count({name: lax_whole(raw)}, name, least, most, f"{_CONFIG}.")


def _read_sampling(config: request_schema.GenerationConfig, features: FeatureCollector) -> Sampling:
    top_k = None if config.top_k is None or config.top_k == _USUAL_TOP_K else int(config.top_k)
    seed = None if config.seed is NULL else _count(config.seed, "seed", -(1 << 40))
    for name, advice, value in (
        ("topK", Advice.TOP_K, top_k),
        ("frequencyPenalty", Advice.PENALTIES, config.frequency_penalty or None),
        ("presencePenalty", Advice.PENALTIES, config.presence_penalty or None),
        ("seed", Advice.SEED, seed),
    ):
        if value is not None:
            features.advise(advice, f"{_CONFIG}.{name}")
    sampling = Sampling(
        config.temperature,
        config.top_p,
        top_k,
        config.frequency_penalty,
        config.presence_penalty,
        seed,
    )
    return features.sample(sampling, f"{_CONFIG}.temperature", f"{_CONFIG}.topP")


def _read_logprobs(config: request_schema.GenerationConfig, features: FeatureCollector) -> int:
    features.note(Feature.LOGPROBS, f"{_CONFIG}.responseLogprobs")
    return _count(config.logprobs, "logprobs", 0) or 0


def _read_format(config: request_schema.GenerationConfig, features: FeatureCollector) -> AnswerFormat | None:
    kind = config.response_mime_type
    if kind != _JSON:
        if kind not in ("", "text/plain"):
            raise untranslatable_field(f"{_CONFIG}.responseMimeType")
        return None
    if not is_null(config.response_json_schema):
        features.note(Feature.JSON_SCHEMA, f"{_CONFIG}.responseJsonSchema")
        schema = bytes(config.response_json_schema)
        return AnswerFormat(schema, strict=is_strict(schema))
    if not is_null(config.response_schema):
        features.note(Feature.JSON_SCHEMA, f"{_CONFIG}.responseSchema")
        schema = standard(config.response_schema)
        return AnswerFormat(schema, strict=is_strict(schema))
    return AnswerFormat()


def _read_thinking(shape: request_schema.ThinkingConfig, features: FeatureCollector) -> ReasoningRequest | None:
    level = shape.thinking_level.lower()
    if level in EFFORTS and level != "none":
        features.advise(Advice.REASONING, f"{_CONFIG}.thinkingConfig")
        return ReasoningRequest(level, shown=shape.include_thoughts)
    if level not in ("", "thinking_level_unspecified"):
        param = f"{_CONFIG}.thinkingConfig.thinkingLevel"
        raise InvalidRequest(f"`{param}` must be one of MINIMAL, LOW, MEDIUM, HIGH.", param=param)
    name = "thinkingConfig.thinkingBudget"
    budget = _count(shape.thinking_budget, name, -1, MOST_TOKENS)
    if budget == 0:
        return ReasoningRequest("none")
    if budget is not None:
        features.advise(Advice.REASONING, f"{_CONFIG}.thinkingConfig")
    return ReasoningRequest(None, None if budget is None or budget < 0 else budget, shape.include_thoughts)
