"""Gemini's whole answers: the facts for billing, and a check that the body is an answer."""

from tokenharbor.wire.dialects.gemini.answer_schema import GeminiChunk, candidate_size, decode_chunk, is_blocked
from tokenharbor.wire.dialects.gemini.ends import ENDS, failure_of
from tokenharbor.wire.dialects.gemini.failures import read_stream_failure
from tokenharbor.wire.dialects.gemini.usage import try_usage
from tokenharbor.wire.framing.body import has_too_many_values
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.dialect import AnswerFacts
from tokenharbor.wire.neutral.failure import GARBAGE_ANSWER, Failure


def read_answer(body: bytes) -> AnswerFacts | Failure:
    """Return the answer's facts; a Failure if it is an error or no answer of this dialect. A refused prompt counts as
    an answer.
    """
    if has_too_many_values(body):
        return GARBAGE_ANSWER
    try:
        if not body.isascii():
            body.decode()
        whole = decode_chunk(body)
    except UNREADABLE:
        return GARBAGE_ANSWER
    if (failure := read_stream_failure(whole.error)) is not None:
        return failure
    if not whole.candidates and not is_blocked(whole):
        return GARBAGE_ANSWER
    candidates = whole.candidates or ()
    for candidate in candidates:
        if (failure := failure_of(candidate, empty=not (candidate.content and candidate.content.parts))) is not None:
            return failure
    unknown = next((word for each in candidates if (word := ENDS.unknown(each.finish_reason or ""))), "")
    absent = len(whole.usage_metadata) <= 4
    usage = None if absent else try_usage(whole.usage_metadata)
    if usage is not None:
        return AnswerFacts(usage, finish_unknown=unknown)
    return AnswerFacts(None, _text_bytes(whole), quarantined=not absent, finish_unknown=unknown)


def measure(body: bytes) -> int:
    """Return the number of bytes generated; 0 if the body is not an answer."""
    try:
        return 0 if has_too_many_values(body) else _text_bytes(decode_chunk(body))
    except UNREADABLE:
        return 0


def _text_bytes(whole: GeminiChunk) -> int:
    return sum(map(candidate_size, whole.candidates or ()))
