"""What the readers of every dialect's usage share."""

MOST = 1_000_000_000
"""More tokens than any request has: a count beyond it is an error of the vendor's."""


class BadUsageError(ValueError):
    """The vendor's usage does not add up."""


def check_range(before: int, after: int, parts: int) -> None:
    """Refuse totals out of range, and negative ones among the `parts`, given joined by `|`: parts within their totals
    are in range then.
    """
    if before | after | parts < 0 or before > MOST or after > MOST:
        raise BadUsageError("a count is out of range")
