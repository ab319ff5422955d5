"""The event loops of the tests: uvloop's, closed whatever is still open in it."""

import warnings

import uvloop


class ClosingLoop(uvloop.Loop):
    """What a test leaves to its peer may still be open at the end. uvloop warns of each such handle while it walks
    them; with warnings as errors that walk stops, the handle stays, and the loop is "busy" or is never left.
    """

    def close(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            super().close()
