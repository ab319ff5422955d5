"""Masking of our credential in a provider's answers, in each form in which it may be repeated."""

import base64
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

import msgspec

from tokenharbor.wire.neutral.failure import Failure

_SHORTEST = 6  # a shorter credential would match ordinary text by chance
_MARK = "[secret]"


class MaskedFailure(Failure, frozen=True):
    """A failure whose text contained our credential, which was removed."""


class CredentialMask:
    """A credential as a provider could repeat it: verbatim, percent-encoded, in base64, or with JSON escapes."""

    __slots__ = ("_escaped", "_forms", "_least", "_percent", "_slashed", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        known = len(text) >= _SHORTEST
        self._forms = tuple(dict.fromkeys(_forms(text))) if known else ()
        self._least = len(text) if known else 1 << 62  # no form is shorter
        self._slashed = known and any(sign in text for sign in '/"\\')
        first = f"%{ord(text[0]):02x}" if known else ""
        self._percent = tuple({first.encode(), first.upper().encode()})
        self._escaped = re.compile("".join(map(_any_escape, text)).encode()) if known else None

    def mask(self, data: bytes) -> bytes:
        """Return the data with the credential masked, at the same length; the same object if it is not in it."""
        if len(data) < self._least:
            return data
        find = data.find  # `in` takes twice as long: it first checks whether the operand is an int
        for form in self._forms:
            if find(form) >= 0:
                return self._masked(data)
        if self._escaped is not None and (find(b"\\u00") >= 0 or (self._slashed and find(b"\\") >= 0)):
            return self._mask_escaped(data)
        if find(b"%") >= 0 and any(find(first) >= 0 for first in self._percent):
            return self._mask_escaped(data)
        return data

    def partial_match(self, data: bytes) -> int:
        """Return the number of bytes at the end that may be the beginning of a form, depending on the next bytes."""
        return max([_begun_bytes(form, data) for form in self._forms], default=0)

    def mask_failure(self, failure: Failure) -> Failure:
        """Return the failure without the credential in its text."""
        words = {name: text for name in ("message", "code", "type", "param") if (text := getattr(failure, name))}
        found = {name: masked for name, text in words.items() if (masked := self._mask_text(text)) != text}
        return MaskedFailure(**(msgspec.structs.asdict(failure) | found)) if found else failure

    def _mask_text(self, text: str) -> str:
        if not self._forms:
            return text
        text = text.replace(self._text, _MARK)
        return self.mask(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def _masked(self, data: bytes) -> bytes:
        for form in self._forms:
            data = data.replace(form, b"*" * len(form))
        return self._mask_escaped(data)

    def _mask_escaped(self, data: bytes) -> bytes:
        assert self._escaped is not None  # noqa: S101  for mypy
        return self._escaped.sub(_stars, data) if self._escaped.search(data) else data


def _begun_bytes(form: bytes, data: bytes) -> int:
    return next((size for size in range(min(len(form) - 1, len(data)), 0, -1) if data.endswith(form[:size])), 0)


class StreamMask:
    """Masks a credential in a stream of bytes, across the borders of pieces. Calls `on_masked` when it was found."""

    __slots__ = ("_credential", "_kept", "_on_masked")

    def __init__(self, credential: CredentialMask, on_masked: Callable[[], None]) -> None:
        self._credential = credential
        self._on_masked = on_masked
        self._kept = b""

    def feed(self, piece: bytes) -> bytes:
        """Return the bytes that may be sent on now."""
        data = self._kept + piece
        clean = self._credential.mask(data)
        if clean is not data:
            self._on_masked()
        passed = len(clean) - self._credential.partial_match(clean)
        self._kept = clean[passed:]
        return clean[:passed]

    def rest(self) -> bytes:
        """Return the bytes that were held back, at the end."""
        rest, self._kept = self._kept, b""
        return rest


def _stars(found: re.Match[bytes]) -> bytes:
    return b"*" * len(found[0])


def _forms(text: str) -> Iterator[bytes]:
    raw = text.encode("ascii")
    yield raw
    for safe in ("", "/"):
        encoded = quote(text, safe=safe)
        yield encoded.encode()
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), encoded).encode()
    for before in range(3):  # the length of the text before it, modulo 3, changes its encoding
        whole = base64.b64encode(bytes(before) + raw)
        inner = whole[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))


def _any_escape(letter: str) -> str:
    """Return a pattern for a letter: verbatim, percent-encoded, or escaped as JSON, also within another JSON string."""
    return rf"(?:{re.escape(letter)}|(?:%|\\+u00)(?i:{ord(letter):02x})|\\+{re.escape(letter)})"
