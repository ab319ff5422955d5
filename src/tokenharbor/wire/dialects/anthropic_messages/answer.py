"""Anthropic's whole answers: the facts for billing, and a check that the body is an answer."""

import msgspec

from tokenharbor.wire.dialects.anthropic_messages.answer_schema import block_size, decode_block, decode_whole
from tokenharbor.wire.dialects.anthropic_messages.ends import ENDS
from tokenharbor.wire.dialects.anthropic_messages.failures import read_stream_failure
from tokenharbor.wire.dialects.anthropic_messages.usage import add_up, read_counts
from tokenharbor.wire.framing.body import has_too_many_values
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.neutral.dialect import AnswerFacts
from tokenharbor.wire.neutral.failure import GARBAGE_ANSWER, Failure
from tokenharbor.wire.neutral.usage import BadUsageError


class _Glance(msgspec.Struct, frozen=True, gc=False):
    """An answer without its content, which is decoded only if it must be counted."""

    type: str = ""
    content: msgspec.Raw = NULL
    stop_reason: str | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL


_glance = msgspec.json.Decoder(_Glance).decode


def read_answer(body: bytes) -> AnswerFacts | Failure:
    """Return the answer's facts; a Failure if it is an error or no answer of this dialect."""
    try:
        if not body.isascii():
            body.decode()
        glance = _glance(body)
    except UNREADABLE:
        return GARBAGE_ANSWER
    if glance.type == "error" or len(glance.error) > 4:
        return read_stream_failure(glance.error)
    if memoryview(glance.content)[0] != ord("["):
        return GARBAGE_ANSWER
    word = glance.stop_reason or ""
    unknown = ENDS.unknown(word)
    if word not in ENDS.usual and (failure := ENDS.failure(word, empty=_is_empty(glance.content))) is not None:
        return failure
    absent = len(glance.usage) <= 4
    if not absent:
        try:
            return AnswerFacts(add_up(read_counts(glance.usage)), finish_unknown=unknown)
        except BadUsageError:
            pass
    if has_too_many_values(body):
        return GARBAGE_ANSWER
    try:
        return AnswerFacts(None, _text_bytes(body), quarantined=not absent, finish_unknown=unknown)
    except UNREADABLE:
        return GARBAGE_ANSWER


def _is_empty(content: msgspec.Raw) -> bool:
    return not bytes(content)[1:-1].strip()


def measure(body: bytes) -> int:
    """Return the number of bytes generated; 0 if the body is not an answer."""
    try:
        return 0 if has_too_many_values(body) else _text_bytes(body)
    except UNREADABLE:
        return 0


def _text_bytes(body: bytes) -> int:
    return sum([block_size(decode_block(raw)) for raw in decode_whole(body).content or ()])
