"""Replacement of lone surrogates in a vendor's JSON, which no decoder here accepts, by U+FFFD."""

import re

# Escaped backslashes and whole pairs are matched to skip them; any other surrogate is half a pair.
_ESCAPE = re.compile(
    rb"\\\\"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def replace_lone(data: bytes) -> bytes:
    """Return JSON with lone surrogates replaced. Vendors split text between the halves of an emoji."""
    if data.find(b"\\") < 0 or (data.find(b"\\ud") < 0 and data.find(b"\\uD") < 0):
        return data
    return _ESCAPE.sub(_replaced, data)


def _replaced(match: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if match[1] else match[0]
