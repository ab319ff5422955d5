"""Retention: how long a provider may keep requests: `none`, `days:N`, or `training`, which is for ever."""

import re

_DAYS = re.compile(r"days:([0-9]{1,5})")
_FOR_EVER = 1_000_000  # more than any number of days that can be stated


def retention_days(text: str) -> int:
    """Return a retention in days, for comparison. Raises ValueError for any other text."""
    if text == "none":
        return 0
    if text == "training":
        return _FOR_EVER
    match = _DAYS.fullmatch(text)
    if match is None:
        raise ValueError(f"retention must be none, days:N or training, not {text[:40]!r}")
    return int(match[1])


def keeps_no_longer(has: str | None, bound: str) -> bool:
    """Return whether a provider's retention is within the bound; unknown counts as the worst."""
    return retention_days(has or "training") <= retention_days(bound)
