"""Faults of the books: what `ledger verify` finds."""


class FaultError(Exception):
    """What is wrong, in one line."""
