"""The error by which `ledger verify` reports a fault of the books."""


class FaultError(Exception):
    """A fault of the books, described in one line."""
