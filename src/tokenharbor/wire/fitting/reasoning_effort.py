"""Reasoning effort: the words of some dialects, and the token budgets of others."""

from collections.abc import Mapping

BUDGETS: Mapping[str, int] = {
    "minimal": 1_024,
    "low": 4_096,
    "medium": 8_192,
    "high": 24_576,
    "xhigh": 32_768,
    "max": 65_536,
}
"""Each effort's budget in tokens, the least first. "none" has no budget: the model must not reason."""

_KNOWN_TO_ALL = ("low", "medium", "high")

EFFORTS = ("none", *BUDGETS)


def budget_of(effort: str, most: int) -> int:
    """Return an effort's tokens, where the whole answer has at most `most`: a quarter stays for the text."""
    return min(BUDGETS[effort], most * 3 // 4)


def effort_of(budget: int) -> str:
    """Return the least effort that covers a budget, of those that all models know."""
    if not budget:
        return "none"
    return next((effort for effort in _KNOWN_TO_ALL if BUDGETS[effort] >= budget), _KNOWN_TO_ALL[-1])
