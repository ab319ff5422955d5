"""The thinking settings in Anthropic's dialect, and the cases in which the vendor refuses them."""

from collections.abc import Iterable

from tokenharbor.wire.dialects.anthropic_messages.turns import is_own
from tokenharbor.wire.fitting.reasoning_effort import budget_of, effort_of
from tokenharbor.wire.neutral.chat import (
    Chat,
    Message,
    Reasoning,
    ReasoningRequest,
    Role,
    ToolCall,
    ToolChoiceMode,
    ToolResult,
    VendorOptions,
)

_LEAST_BUDGET = 1_024


def most_output(options: VendorOptions) -> int:
    return options.most_output if options.max_output is None else options.max_output


def thinks(said: dict[str, dict[str, object]]) -> bool:
    return "thinking" in said and said["thinking"]["type"] in ("enabled", "adaptive")


def thinking_of(chat: Chat, options: VendorOptions) -> dict[str, dict[str, object]]:
    """Return `thinking`, and the effort in `output_config`; empty if the vendor would refuse them."""
    asked = chat.thinking
    if asked is None or "reasoning" not in options.capabilities:
        return {}
    if asked.effort == "none" or asked.budget == 0:
        # Models that always think refuse "disabled": the least effort is nearest to it.
        always = "always_reasoning" in options.capabilities
        return {"output_config": {"effort": "low"}} if always else {"thinking": {"type": "disabled"}}
    forced = chat.tool_choice is not None and chat.tool_choice.mode in (ToolChoiceMode.REQUIRED, ToolChoiceMode.NAMED)
    # The vendor refuses thinking before a forced call and after an assistant prefix.
    if forced or (chat.messages and chat.messages[-1].role is Role.ASSISTANT):
        return {}
    shown: dict[str, object] = {}
    if asked.shown is not None:
        shown["display"] = "summarized" if asked.shown else "omitted"
    if "adaptive_reasoning" in options.capabilities:
        return {"thinking": {"type": "adaptive", **shown}, **_effort(asked)}
    budget = _budget(asked, most_output(options))
    # Thinking may continue after a call and its result only if signed thinking came before the call, which is not so
    # for another vendor's call.
    if budget is None or not _signed(chat.messages):
        return {}
    return {"thinking": {"type": "enabled", "budget_tokens": budget, **shown}}


def stated(chat: Chat, options: VendorOptions) -> dict[str, dict[str, object]]:
    """Return the thinking settings to add to a caller's own body. A model with an effort gets only that: whether it
    thinks stays the caller's choice.
    """
    said = thinking_of(chat, options)
    if "adaptive_reasoning" in options.capabilities:
        said.pop("thinking", None)
    return said


def _effort(asked: ReasoningRequest) -> dict[str, dict[str, object]]:
    effort = asked.effort
    if effort is None and asked.budget is not None:
        effort = effort_of(asked.budget)
    return {"output_config": {"effort": "low" if effort == "minimal" else effort}} if effort else {}


def _budget(asked: ReasoningRequest, most: int) -> int | None:
    """Return a budget below the whole answer's maximum; None if that leaves no room to think."""
    if asked.budget is None:
        budget = budget_of(asked.effort or "medium", most)
    else:
        budget = min(max(asked.budget, _LEAST_BUDGET), most - 1)
    return budget if budget >= _LEAST_BUDGET else None


def _signed(messages: Iterable[Message]) -> bool:
    """Return whether the current turn, if it continues, began with thinking that the vendor signed. A turn reaches back
    over calls and results to the user's last message.
    """
    turn: list[Message] = []
    for message in reversed(tuple(messages)):
        if message.role is Role.ASSISTANT:
            turn.append(message)
        elif turn and any(not isinstance(part, ToolResult) for part in message.parts if message.role is Role.USER):
            break
    if not turn or not any(isinstance(part, ToolCall) for part in turn[0].parts):
        return True
    return any(isinstance(part, Reasoning) and is_own(part) for part in turn[-1].parts)
