"""The thinking settings in Gemini's dialect: a level, or a budget."""

from collections.abc import Mapping

from tokenharbor.wire.fitting.reasoning_effort import budget_of, effort_of
from tokenharbor.wire.neutral.chat import ReasoningRequest, VendorOptions

_LEVELS: Mapping[str, str] = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "HIGH",
    "max": "HIGH",
}
_LEAST_BUDGET = 128  # for models that always think


def thinking_of(asked: ReasoningRequest, options: VendorOptions) -> dict[str, object]:
    """Return `thinkingConfig`, including thoughts where allowed: the vendor refuses this if thinking is off."""
    said = stated(asked, options)
    off = asked.effort == "none" or asked.budget == 0
    if not off and said.get("thinkingBudget") != 0:
        said["includeThoughts"] = asked.shown is not False
    return said


def stated(asked: ReasoningRequest, options: VendorOptions) -> dict[str, object]:
    """Return how much to think. Newer models take a level, older ones a budget; none takes both."""
    always = "always_reasoning" in options.capabilities
    if "adaptive_reasoning" in options.capabilities:
        effort = asked.effort or (None if asked.budget is None else effort_of(asked.budget))
        level = None if effort is None else _LEVELS[effort]
        return {} if level is None else {"thinkingLevel": "LOW" if always and level == "MINIMAL" else level}
    budget = _budget(asked, options)
    return {} if budget is None else {"thinkingBudget": max(budget, _LEAST_BUDGET) if always else budget}


def _budget(asked: ReasoningRequest, options: VendorOptions) -> int | None:
    """Return a budget within the model's own limit, which the vendor enforces."""
    if asked.effort == "none" or asked.budget == 0:
        return 0
    if asked.budget is not None:
        budget = asked.budget
    elif asked.effort is not None:
        budget = budget_of(asked.effort, options.most_output if options.max_output is None else options.max_output)
    else:
        return None
    return budget if options.max_thinking is None else min(budget, options.max_thinking)
