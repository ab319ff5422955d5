"""The protocol of a surface, and the parts that all surfaces share."""

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.count.most_tokens import text_size
from tokenharbor.wire.dialects.openai_chat.answer_schema import decode_chunk
from tokenharbor.wire.dialects.openai_chat.failures import read_stream_failure
from tokenharbor.wire.framing.body import Members, edit, has_too_many_values, read_members, refuse_variants
from tokenharbor.wire.framing.fields import Check, is_null, only, read_model, refuse_if_set, run_checks
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.neutral import extensions
from tokenharbor.wire.neutral.dialect import AnswerFacts
from tokenharbor.wire.neutral.failure import GARBAGE_ANSWER, Failure
from tokenharbor.wire.neutral.request import Edit, InputSize, MediaDemand, Request

_LONGEST_WORD = 40
_COMMON: Mapping[str, Check] = {
    "service_tier": only("auto", "default", "standard"),
    "store": refuse_if_set("must not be true: the gateway does not let providers store requests."),
}


class ListedAnswer(msgspec.Struct, frozen=True):
    """An answer that lists its results and states the usage."""

    data: list[msgspec.Raw]
    usage: msgspec.Raw = NULL


LISTED = msgspec.json.Decoder(ListedAnswer)

_text = msgspec.json.Decoder(str).decode
T = TypeVar("T")


class Surface(Protocol):
    """One call of OpenAI's API beside chat. Pure: no socket, clock or await."""

    name: str
    path: str  # under the vendor's base URL
    answers_audio: bool  # the answer is audio bytes, which pass as they come

    def read_request(self, body: bytes) -> Request:
        """Check and read a request. Raises InvalidRequest."""

    def write_request(self, request: Request, edit: Edit) -> bytes:
        """Return the body for a vendor: the model's name is changed, other bytes stay."""

    def read_answer(self, request: Request, body: bytes) -> AnswerFacts | Failure:
        """Read a whole answer body that came with a 2xx."""


def read_body(body: bytes, checks: Mapping[str, Check], known: Iterable[str]) -> Request:
    """Read the parts of a request that all surfaces share; the surface adds the rest. Raises InvalidRequest."""
    members = read_members(body)
    model = read_model(members)
    names = frozenset((*known, *checks, *_COMMON, *extensions.NAMES, "model", "user"))
    refuse_variants(members, names)
    run_checks(members, _COMMON)
    run_checks(members, checks)
    ours = extensions.read_extensions(members)
    return Request(
        dialect="",
        body=body,
        members=members,
        model=model,
        size=text_size(body),
        rules=ours.rules,
        cache=ours.cache,
        include_cost=ours.include_cost,
        extended=not members.keys().isdisjoint(extensions.NAMES),
    )


def with_demand(request: Request, demand: MediaDemand, size: InputSize) -> Request:
    """Return the request with its demand, under its surface's name."""
    return msgspec.structs.replace(request, dialect=demand.surface, demand=demand, size=size)


def write_body(request: Request, change: Edit) -> bytes:
    """Return the body for a vendor."""
    changes: dict[str, bytes | None] = dict(extensions.REMOVED) if request.extended else {}
    if change.model != request.model:
        changes["model"] = msgspec.json.encode(change.model)
    changes.update({name: msgspec.json.encode(value) for name, value in change.variant})
    return edit(request.body, request.members, changes) if changes else request.body


def read_text(members: Members, name: str) -> str:
    """Return a required string."""
    raw = members.get(name)
    if raw is None:
        raise InvalidRequest(f"`{name}` is missing.", param=name)
    try:
        return _text(raw)
    except UNREADABLE:
        raise InvalidRequest(f"`{name}` must be a string.", param=name) from None


def read_word(members: Members, name: str) -> str | None:
    """Return a short string that a price may depend on; absent, null and `auto` are None."""
    if is_null(members.get(name)):
        return None
    word = read_text(members, name)
    if len(word) > _LONGEST_WORD:
        raise InvalidRequest(f"`{name}` must have at most {_LONGEST_WORD} characters.", param=name)
    return None if word == "auto" else word


def one_of(*values: str, why: str) -> Check:
    """Return a check that accepts these strings and null."""
    allowed = {b"null", *(b'"%b"' % value.encode() for value in values)}
    shown = " or ".join(f'"{value}"' for value in values)

    def check(raw: msgspec.Raw) -> str | None:
        return None if len(raw) < 64 and bytes(raw) in allowed else f"must be {shown}: {why}"

    return check


def decode_answer(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T | Failure:
    """Decode an answer; return a Failure if it is an error or has another shape."""
    if has_too_many_values(body):
        return GARBAGE_ANSWER
    try:
        if not body.isascii():
            body.decode()
        return decoder.decode(body)
    except UNREADABLE:
        return _error_in(body) or GARBAGE_ANSWER


def _error_in(body: bytes) -> Failure | None:
    """Return the error that came with a 2xx, if any."""
    try:
        return read_stream_failure(decode_chunk(body))
    except UNREADABLE:
        return None
