"""Ranking: a query and documents in, their order out, billed by search units or by tokens."""

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.count.most_tokens import text_size
from tokenharbor.wire.framing.fields import Check, need_list, read_count
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.neutral.dialect import AnswerFacts
from tokenharbor.wire.neutral.failure import GARBAGE_ANSWER, Failure
from tokenharbor.wire.neutral.request import Edit, InputSize, MediaDemand, Request
from tokenharbor.wire.neutral.usage import BadUsageError, check_range
from tokenharbor.wire.surfaces.surface import decode_answer, read_body, read_text, with_demand, write_body

_MOST_DOCUMENTS = 10_000
_CHECKS: dict[str, Check] = {}
_KNOWN = (
    "query",
    "documents",
    "top_n",
    "return_documents",
    "max_chunks_per_doc",
    "max_tokens_per_doc",
    "rank_fields",
)

_documents = msgspec.json.Decoder(list[str | dict[str, msgspec.Raw]]).decode


class _Billed(msgspec.Struct, frozen=True):
    search_units: int | float | None = None
    input_tokens: int | float | None = None


class _Meta(msgspec.Struct, frozen=True):
    billed_units: _Billed | None = None


class _Counts(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Whole(msgspec.Struct, frozen=True):
    results: list[msgspec.Raw]
    meta: msgspec.Raw = NULL
    usage: msgspec.Raw = NULL


_ANSWER = msgspec.json.Decoder(_Whole)
_meta = msgspec.json.Decoder(_Meta | None).decode
_counts = msgspec.json.Decoder(_Counts | None).decode


class Rerank:
    """The surface `rerank`."""

    name = "rerank"
    path = "/rerank"
    answers_audio = False

    def read_request(self, body: bytes) -> Request:
        request = read_body(body, _CHECKS, _KNOWN)
        query = read_text(request.members, "query")
        raw = need_list(request.members, "documents")
        try:
            documents = _documents(raw)
        except UNREADABLE:
            raise InvalidRequest("`documents` must be an array of strings or objects.", param="documents") from None
        if not documents or len(documents) > _MOST_DOCUMENTS:
            raise InvalidRequest(f"`documents` must have 1 to {_MOST_DOCUMENTS} items.", param="documents")
        read_count(request.members, "top_n", 1)
        # Token-billed vendors count the query again with each document.
        whole, each, count = text_size(bytes(raw)), text_size(query.encode()), len(documents)
        size = InputSize(
            whole.text_bytes + count * each.text_bytes, text_tokens=whole.text_tokens + count * each.text_tokens
        )
        return with_demand(request, MediaDemand(self.name, items=count), size)

    def write_request(self, request: Request, edit: Edit) -> bytes:
        return write_body(request, edit)

    def read_answer(self, request: Request, body: bytes) -> AnswerFacts | Failure:
        whole = decode_answer(_ANSWER, body)
        if isinstance(whole, Failure):
            return whole
        if not whole.results or request.demand is None or len(whole.results) > request.demand.items:
            return GARBAGE_ANSWER
        try:
            return AnswerFacts(_usage(whole))
        except BadUsageError:
            return AnswerFacts(None, quarantined=True)


def _usage(whole: _Whole) -> Usage | None:
    """Read the usage: search units from `meta.billed_units`, tokens from `usage`."""
    try:
        meta, counts = _meta(whole.meta), _counts(whole.usage)
    except UNREADABLE:
        raise BadUsageError("a count is not an integer") from None
    billed = meta.billed_units if meta is not None and meta.billed_units is not None else _Billed()
    tokens = _whole(billed.input_tokens)
    if counts is not None and tokens is None:
        tokens = counts.total_tokens if counts.total_tokens is not None else counts.prompt_tokens
    units = _whole(billed.search_units)
    if tokens is None and units is None:
        return None
    check_range(tokens or 0, units or 0, 0)
    return Usage(input=tokens or 0, search_units=units or 0)


def _whole(count: float | None) -> int | None:
    """Convert a count; some vendors write whole numbers with a decimal point."""
    if count is None:
        return None
    if not float(count).is_integer():
        raise BadUsageError("a count is not an integer")
    return int(count)
