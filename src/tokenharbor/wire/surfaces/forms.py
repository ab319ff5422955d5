"""Shared parts of the surfaces whose requests are forms with files."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.framing.multipart import FormField, FormReader, edit_form
from tokenharbor.wire.neutral.dialect import AnswerFacts
from tokenharbor.wire.neutral.failure import Failure
from tokenharbor.wire.neutral.request import Edit, Request

_LONGEST_MODEL = 256
_LONGEST_WORD = 40


class UploadForm(msgspec.Struct, frozen=True):
    """A form that was read in part or in full. `buffered` has its first bytes, or all of them; `length` is the most
    bytes that the form can have.
    """

    buffered: bytes
    boundary: bytes
    reader: FormReader
    length: int

    @property
    def fields(self) -> Mapping[str, FormField]:
        return self.reader.fields


class FormSurface(Protocol):
    """A surface whose requests are forms. `passes`: files are streamed to the vendor, once the model is known."""

    name: str
    path: str
    passes: bool
    known: frozenset[str]  # the names of its fields and files; other spellings are refused

    def check_field(self, name: str, value: bytes) -> None:
        """Check one field, also one after a file. Raises InvalidRequest if it is not supported."""

    def read_form(self, form: UploadForm) -> Request:
        """Read the request. Raises InvalidRequest."""

    def read_answer(self, request: Request, body: bytes) -> AnswerFacts | Failure:
        """Read a whole answer body that came with a 2xx."""


def read_text(form: UploadForm, name: str) -> str:
    field = form.fields.get(name)
    if field is None:
        raise InvalidRequest(f"`{name}` is missing.", param=name)
    try:
        return field.value.decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"`{name}` is not UTF-8.", param=name) from None


def read_model(form: UploadForm) -> str:
    model = read_text(form, "model")
    if not model or len(model) > _LONGEST_MODEL:
        raise InvalidRequest(f"`model` must have 1 to {_LONGEST_MODEL} characters.", param="model")
    return model


def read_word(form: UploadForm, name: str) -> str | None:
    """Return a short text that a price may depend on; absent, empty and `auto` are None."""
    if name not in form.fields:
        return None
    word = read_text(form, name)
    if len(word) > _LONGEST_WORD:
        raise InvalidRequest(f"`{name}` must have at most {_LONGEST_WORD} characters.", param=name)
    return None if word in ("", "auto") else word


def read_count(form: UploadForm, name: str, most: int) -> int | None:
    if name not in form.fields:
        return None
    text = read_text(form, name)
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= most):
        raise InvalidRequest(f"`{name}` must be an integer between 1 and {most}.", param=name)
    return int(text)


def refuse(name: str, value: bytes, allowed: frozenset[bytes], why: str) -> None:
    """Raise InvalidRequest unless the value is allowed."""
    if value not in allowed:
        raise InvalidRequest(f"`{name}` {why}", param=name)


COMMON = frozenset({"model", "prompt", "user", "service_tier", "store", "provider"})
"""The names that every surface has."""

_TIERS = frozenset({b"auto", b"default", b"standard", b""})


def refuse_tiers(name: str, value: bytes) -> None:
    """Check the fields that change the price, the vendor's retention or the caller's boundaries, on every surface."""
    if name == "provider":
        raise InvalidRequest(
            "`provider` is not supported in a form: send the header x-tokenharbor-provider.", param=name
        )
    if name == "service_tier":
        refuse(name, value, _TIERS, "has a value with a separate price, which is not supported: remove it.")
    if name == "store":
        refuse(name, value, NOT_TRUE, "must not be true: the gateway does not let providers store requests.")


NOT_TRUE = frozenset({b"false", b"", b"null", b"False", b"0"})


def write_form(form: UploadForm, request: Request, change: Edit) -> bytes:
    """Return the buffered part of the form, edited for a vendor."""
    changes = {name: value.encode() for name, value in change.variant}
    if change.model != request.model:
        changes["model"] = change.model.encode()
    return edit_form(form.buffered, form.boundary, form.fields, changes) if changes else form.buffered
