"""How many examples of a property a test looks at, where each one is dear."""

from hypothesis import settings


def at_most(count: int) -> int:
    """As many as the profile in force says, and never more than this."""
    return min(count, settings().max_examples)
