"""What the readers of every dialect's usage share."""

MOST = 1_000_000_000
"""More tokens than any request has: a count beyond it is an error of the vendor's."""


class BadUsageError(ValueError):
    """The vendor's usage does not add up."""


def check_range(*counts: int) -> None:
    if min(counts) < 0 or max(counts) > MOST:
        raise BadUsageError("a count out of range")
