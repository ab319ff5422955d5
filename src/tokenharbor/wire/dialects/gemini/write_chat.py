"""Writer of any conversation as a Gemini request."""

import msgspec

from tokenharbor.wire.dialects.gemini.thinking import thinking_of
from tokenharbor.wire.dialects.gemini.turns import system_and_contents
from tokenharbor.wire.fitting.ids import LONG, fit_begun
from tokenharbor.wire.fitting.json_schema import strip_beside_references
from tokenharbor.wire.neutral.chat import (
    Advice,
    Chat,
    Feature,
    Sampling,
    Tool,
    ToolChoice,
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
        Feature.AUDIO,
    }
)

_SUPPORTED_ADVICE = frozenset(
    {
        Advice.TEMPERATURE,
        Advice.HOT,
        Advice.TOP_P,
        Advice.TOP_K,
        Advice.PENALTIES,
        Advice.SEED,
        Advice.REASONING,
        Advice.NAME,
    }
)

_MOST_STOPS = 5  # ai.google.dev/api/generate-content: "up to 5"
_MOST_SEED = (1 << 31) - 1  # an int32 there
_JSON = "application/json"
_CHOOSING = {
    ToolChoiceMode.AUTO: "AUTO",
    ToolChoiceMode.NONE: "NONE",
    ToolChoiceMode.REQUIRED: "ANY",
    ToolChoiceMode.NAMED: "ANY",
}
_BESIDE = frozenset({"description", "default"})  # allowed beside a `$ref` in a function's schema

_encode = msgspec.json.Encoder().encode


def supported_advice(chat: Chat, options: VendorOptions) -> frozenset[Advice]:
    heeded = _SUPPORTED_ADVICE if "reasoning" in options.capabilities else _SUPPORTED_ADVICE - {Advice.REASONING}
    return heeded if _has_seed(chat.sampling) else heeded - {Advice.SEED}


def _has_seed(sampling: Sampling) -> bool:
    return sampling.seed is not None and abs(sampling.seed) <= _MOST_SEED


def supported_stops(chat: Chat) -> tuple[str, ...]:
    return chat.stop[:_MOST_STOPS]


def write_chat(chat: Chat, options: VendorOptions) -> bytes:
    """Return the body. Raises InvalidRequest."""
    system, contents = system_and_contents(chat.messages, signed="adaptive_reasoning" in options.capabilities)
    body: dict[str, object] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": system}
    body.update(_tools(chat))
    if config := _config(chat, options):
        body["generationConfig"] = config
    return _encode(body)


def _config(chat: Chat, options: VendorOptions) -> dict[str, object]:
    config: dict[str, object] = {}
    if options.max_output is not None:
        config["maxOutputTokens"] = options.max_output
    config.update(_sampling(chat.sampling))
    if chat.stop:
        config["stopSequences"] = supported_stops(chat)
    if chat.format is not None:
        config["responseMimeType"] = _JSON
        if chat.format.schema is not None:
            config["responseJsonSchema"] = msgspec.Raw(strip_beside_references(chat.format.schema, frozenset()))
    if chat.thinking is not None and "reasoning" in options.capabilities:
        config["thinkingConfig"] = thinking_of(chat.thinking, options)
    return config


def _sampling(sampling: Sampling) -> dict[str, object]:
    said = {
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "topK": sampling.top_k,
        "frequencyPenalty": sampling.frequency_penalty,
        "presencePenalty": sampling.presence_penalty,
        "seed": sampling.seed if _has_seed(sampling) else None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _tools(chat: Chat) -> dict[str, object]:
    tools = callable_tools(chat)
    if not tools:
        return {}
    said: dict[str, object] = {"tools": [{"functionDeclarations": [_tool(tool) for tool in tools]}]}
    if chat.tool_choice is not None:
        said["toolConfig"] = {"functionCallingConfig": _choice(chat.tool_choice)}
    return said


def _choice(choice: ToolChoice) -> dict[str, object]:
    said: dict[str, object] = {"mode": _CHOOSING[choice.mode]}
    if choice.mode is ToolChoiceMode.NAMED:
        said["allowedFunctionNames"] = [fit_begun(name, LONG) for name in choice.names]
    return said


def _tool(tool: Tool) -> dict[str, object]:
    said: dict[str, object] = {"name": fit_begun(tool.name, LONG)}
    if tool.description:
        said["description"] = tool.description
    if tool.schema is not None:
        said["parametersJsonSchema"] = msgspec.Raw(strip_beside_references(tool.schema, _BESIDE))
    return said
