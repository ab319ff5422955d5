"""Any conversation written as a Gemini request."""

import msgspec

from tokenharbor.wire.dialects.gemini.turns import system_and_contents
from tokenharbor.wire.fitting.ids import LONG, fit_begun
from tokenharbor.wire.fitting.json_schema import strip_beside_references
from tokenharbor.wire.fitting.reasoning_effort import budget_of, effort_of
from tokenharbor.wire.neutral.chat import (
    Advice,
    Chat,
    Feature,
    ReasoningRequest,
    Sampling,
    Tool,
    ToolChoice,
    ToolChoiceMode,
    VendorOptions,
    callable_tools,
)

CARRIES = frozenset(
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

_HEEDS = frozenset(
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
_LEVELS = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "HIGH",
    "max": "HIGH",
}
_BESIDE = frozenset({"description", "default"})  # what may stand next to a reference in a function's schema
_LEAST_BUDGET = 128  # of models that cannot but think

_encode = msgspec.json.Encoder().encode


def heeds(chat: Chat, order: VendorOptions) -> frozenset[Advice]:
    heeded = _HEEDS if "reasoning" in order.capabilities else _HEEDS - {Advice.REASONING}
    return heeded if _has_seed(chat.sampling) else heeded - {Advice.SEED}


def _has_seed(sampling: Sampling) -> bool:
    return sampling.seed is not None and abs(sampling.seed) <= _MOST_SEED


def stops(chat: Chat) -> tuple[str, ...]:
    return chat.stop[:_MOST_STOPS]


def write_chat(chat: Chat, order: VendorOptions) -> bytes:
    """Raises InvalidRequest."""
    system, contents = system_and_contents(chat.messages, signed="adaptive_reasoning" in order.capabilities)
    body: dict[str, object] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": system}
    body.update(_tools(chat))
    if config := _config(chat, order):
        body["generationConfig"] = config
    return _encode(body)


def _config(chat: Chat, order: VendorOptions) -> dict[str, object]:
    config: dict[str, object] = {}
    if order.max_output is not None:
        config["maxOutputTokens"] = order.max_output
    config.update(_sampling(chat.sampling))
    if chat.stop:
        config["stopSequences"] = stops(chat)
    if chat.format is not None:
        config["responseMimeType"] = _JSON
        if chat.format.schema is not None:
            config["responseJsonSchema"] = msgspec.Raw(strip_beside_references(chat.format.schema, frozenset()))
    if chat.thinking is not None and "reasoning" in order.capabilities:
        config["thinkingConfig"] = _thinking(chat.thinking, order)
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


def _thinking(asked: ReasoningRequest, order: VendorOptions) -> dict[str, object]:
    """Newer models take a level, older ones a budget; none of them both."""
    said: dict[str, object] = {}
    off, always = asked.effort == "none" or asked.budget == 0, "always_reasoning" in order.capabilities
    if "adaptive_reasoning" in order.capabilities:
        effort = asked.effort or (None if asked.budget is None else effort_of(asked.budget))
        if effort is not None:
            level = _LEVELS[effort]
            said["thinkingLevel"] = "LOW" if always and level == "MINIMAL" else level
    elif (budget := _budget(asked, order)) is not None:
        said["thinkingBudget"] = max(budget, _LEAST_BUDGET) if always else budget
    if not off and said.get("thinkingBudget") != 0:  # thoughts of a model that has none may not be asked for
        said["includeThoughts"] = asked.shown is not False
    return said


def _budget(asked: ReasoningRequest, order: VendorOptions) -> int | None:
    """The vendor refuses more than the model's own limit."""
    if asked.effort == "none" or asked.budget == 0:
        return 0
    if asked.budget is not None:
        budget = asked.budget
    elif asked.effort is not None:
        budget = budget_of(asked.effort, order.most_output if order.max_output is None else order.max_output)
    else:
        return None
    return budget if order.max_thinking is None else min(budget, order.max_thinking)


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
