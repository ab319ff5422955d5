"""Checks that the usage readers of every dialect share."""

MOST = 1_000_000_000
"""More tokens than any request has: a larger count is an error of the vendor's."""


class BadUsageError(ValueError):
    """The vendor's usage is inconsistent."""


def check_range(before: int, after: int, parts: int) -> None:
    """Refuse totals out of range and negative parts. `parts` is the bitwise OR of the parts, which only shows their
    sign: parts within their totals are in range.
    """
    if before | after | parts < 0 or before > MOST or after > MOST:
        raise BadUsageError("a count is out of range")
