"""Shared basics of every JSON reader: null, the decoders' errors, and the size of a text."""

import msgspec

NULL = msgspec.Raw(b"null")

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The exceptions of decoders: not JSON of the schema, not UTF-8, nested too deeply."""


def text_size(text: str) -> int:
    """Return the size in bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
