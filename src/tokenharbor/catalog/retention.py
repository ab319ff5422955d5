"""Retention: how long a provider may keep what it is sent: `none`, `days:N`, or `training`, which is for ever."""

import re

_DAYS = re.compile(r"days:([0-9]{1,5})")
_FOR_EVER = 1_000_000  # more than any number of days that can be stated


def retention_days(text: str) -> int:
    """As days, to compare. ValueError for what is none of the three."""
    if text == "none":
        return 0
    if text == "training":
        return _FOR_EVER
    match = _DAYS.fullmatch(text)
    if match is None:
        raise ValueError(f"retention must be none, days:N or training, not {text[:40]!r}")
    return int(match[1])


def keeps_no_longer(has: str | None, bound: str) -> bool:
    """Whether a provider's retention lies within the bound; what is unknown is taken for the worst."""
    return retention_days(has or "training") <= retention_days(bound)
