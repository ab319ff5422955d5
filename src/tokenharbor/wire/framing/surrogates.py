"""Lone surrogates in a vendor's JSON: half a character, which no decoder here takes, read as U+FFFD instead."""

import re

# An escaped backslash and a whole pair are matched so that they are passed over; what is left is half a pair.
_ESCAPE = re.compile(
    rb"\\\\"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def replace_lone(data: bytes) -> bytes:
    """JSON as it came, but for lone surrogates. Vendors cut text between the halves of an emoji."""
    if data.find(b"\\") < 0 or (data.find(b"\\ud") < 0 and data.find(b"\\uD") < 0):
        return data
    return _ESCAPE.sub(_replaced, data)


def _replaced(match: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if match[1] else match[0]
