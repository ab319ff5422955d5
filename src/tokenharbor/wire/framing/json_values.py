"""What every reader of JSON shares: its null, the errors of what cannot be read, and the size of a text."""

import msgspec

NULL = msgspec.Raw(b"null")

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoders raise: no JSON of the shape, no UTF-8, nested too deep."""


def text_size(text: str) -> int:
    """In bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
