"""Embeddings: texts or tokens in, vectors out, billed by input tokens."""

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.count.most_tokens import text_size
from tokenharbor.wire.framing.fields import Check, wrong_shape
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.dialect import AnswerFacts
from tokenharbor.wire.neutral.failure import GARBAGE_ANSWER, Failure
from tokenharbor.wire.neutral.request import Edit, MediaDemand, Request
from tokenharbor.wire.neutral.usage import BadUsageError, check_range
from tokenharbor.wire.surfaces.surface import LISTED, decode_answer, one_of, read_body, with_demand, write_body

_MOST_INPUTS = 50_000
_CHECKS: dict[str, Check] = {"encoding_format": one_of("float", "base64", why="no other value is supported.")}

_Item = str | int | list[int]
_read_input = msgspec.json.Decoder(str | list[_Item]).decode


class _Counts(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


_counts = msgspec.json.Decoder(_Counts | None).decode


class Embeddings:
    """The surface `embeddings`."""

    name = "embeddings"
    path = "/embeddings"
    answers_audio = False

    def read_request(self, body: bytes) -> Request:
        request = read_body(body, _CHECKS, ("input", "dimensions"))
        raw = request.members.get("input")
        if raw is None:
            raise InvalidRequest("`input` is missing.", param="input")
        try:
            read = _read_input(raw)
        except UNREADABLE as error:
            raise wrong_shape("input", error) from None
        items = [read] if isinstance(read, str) else read
        if not items or len(items) > _MOST_INPUTS:
            raise InvalidRequest(f"`input` must have 1 to {_MOST_INPUTS} items.", param="input")
        text = "".join([item for item in items if isinstance(item, str)])
        return with_demand(request, _asks(items), text_size(text.encode()))

    def write_request(self, request: Request, edit: Edit) -> bytes:
        return write_body(request, edit)

    def read_answer(self, request: Request, body: bytes) -> AnswerFacts | Failure:
        whole = decode_answer(LISTED, body)
        if isinstance(whole, Failure):
            return whole
        if not whole.data or (request.demand is not None and len(whole.data) != request.demand.items):
            return GARBAGE_ANSWER
        try:
            return AnswerFacts(_usage(whole.usage))
        except BadUsageError:
            return AnswerFacts(None, quarantined=True)


def _asks(items: list[_Item]) -> MediaDemand:
    """Return the demand of the inputs; bare numbers are one input of tokens."""
    numbers = sum(isinstance(item, int) for item in items)
    if numbers and numbers != len(items):
        raise InvalidRequest(
            "`input` must be a string, strings, tokens or arrays of tokens, not a mixture.", param="input"
        )
    tokens = numbers + sum(len(item) for item in items if isinstance(item, list))
    return MediaDemand("embeddings", items=1 if numbers else len(items), tokens=tokens)


def _usage(raw: msgspec.Raw) -> Usage | None:
    """Read `prompt_tokens`; vendors that omit it send the total, which is the same here."""
    try:
        counts = _counts(raw)
    except UNREADABLE:
        raise BadUsageError("a count is not an integer") from None
    if counts is None:
        return None
    tokens = counts.prompt_tokens if counts.prompt_tokens is not None else counts.total_tokens
    if tokens is None:
        return None
    check_range(tokens, counts.total_tokens or 0, 0)
    if counts.total_tokens and counts.total_tokens != tokens:
        raise BadUsageError("the total is not the sum of the counts")
    return Usage(input=tokens)
