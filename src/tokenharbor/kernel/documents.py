"""Documents: the frozen types that commands, paths and pages show, and their JSON."""

from typing import Any

import msgspec

from tokenharbor.kernel.money import Usd


class Document(msgspec.Struct, frozen=True):
    """The shown form of a thing. Ids have their prefixes, times are UTC to the second (`to_second`), amounts are
    decimal strings of US dollars with nine places. UNSET fields are left out. The class method `of` makes a document.
    """


def encode_document(document: Any) -> bytes:
    """Return the JSON of a document, or of a list or mapping of documents."""
    return msgspec.json.encode(document, enc_hook=_encode)


def plain_document(document: Any) -> Any:
    """Return a document as mappings, lists and text, as its JSON reads; for tables and lines."""
    return msgspec.json.decode(encode_document(document))


def _encode(value: Any) -> str:
    if isinstance(value, Usd):
        return str(value)
    raise NotImplementedError(f"a document cannot hold a {type(value).__name__}")
