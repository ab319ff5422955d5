"""Documents: what commands, paths and pages show of a thing, as frozen types, and how they become JSON."""

from typing import Any

import msgspec

from tokenharbor.kernel.money import Usd


class Document(msgspec.Struct, frozen=True):
    """What is shown of something: ids as people see them, times in UTC to the second (`to_second`), amounts of the
    books as decimal strings of US dollars with nine places. A field that is UNSET is not shown. Each has a class method
    `of` that makes it.
    """


def encode_document(document: Any) -> bytes:
    """As JSON: a document, or a list or mapping of them."""
    return msgspec.json.encode(document, enc_hook=_encode)


def plain_document(document: Any) -> Any:
    """As mappings, lists and text, which is what its JSON reads as; for tables and lines."""
    return msgspec.json.decode(encode_document(document))


def _encode(value: Any) -> str:
    if isinstance(value, Usd):
        return str(value)
    raise NotImplementedError(f"a document has no {type(value).__name__}")
