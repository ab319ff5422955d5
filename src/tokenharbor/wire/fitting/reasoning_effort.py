"""How much to reason: the words that some dialects have for it, and the budgets in tokens that others take."""

from collections.abc import Mapping

BUDGETS: Mapping[str, int] = {
    "minimal": 1_024,
    "low": 4_096,
    "medium": 8_192,
    "high": 24_576,
    "xhigh": 32_768,
    "max": 65_536,
}
"""Each effort's budget, the least first. "none" has none: the model is not to reason."""

_KNOWN_TO_ALL = ("low", "medium", "high")

EFFORTS = ("none", *BUDGETS)


def budget_of(effort: str, most: int) -> int:
    """The tokens that an effort comes to, where the whole answer has at most `most`: a quarter stays for the words."""
    return min(BUDGETS[effort], most * 3 // 4)


def effort_of(budget: int) -> str:
    """The least effort that has room for a budget, of those that all models know."""
    if not budget:
        return "none"
    return next((effort for effort in _KNOWN_TO_ALL if BUDGETS[effort] >= budget), _KNOWN_TO_ALL[-1])
