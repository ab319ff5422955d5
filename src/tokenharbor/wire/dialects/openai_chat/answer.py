"""OpenAI's whole answers: the facts for billing, and a check that the body is an answer."""

import msgspec

from tokenharbor.wire.dialects.openai_chat.answer_schema import (
    ChatChoice,
    ChatChunk,
    ChoiceEnd,
    decode_chunk,
    delta_size,
    try_usage,
    usage_of,
)
from tokenharbor.wire.dialects.openai_chat.ends import ENDS, failure_of, is_empty, is_usual
from tokenharbor.wire.dialects.openai_chat.failures import read_status, read_stream_failure
from tokenharbor.wire.dialects.openai_chat.usage import OpenAICounts, usage_of_counts
from tokenharbor.wire.framing.body import has_too_many_values
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.neutral.dialect import AnswerFacts
from tokenharbor.wire.neutral.failure import GARBAGE_ANSWER, Failure
from tokenharbor.wire.neutral.usage import BadUsageError


class _Message(msgspec.Struct, frozen=True, gc=False):
    """A message that is present, unread."""


class _Glanced(ChoiceEnd, frozen=True, gc=False, kw_only=True):
    """A choice of a whole answer, which must have a message."""

    message: _Message


class _Glance(msgspec.Struct, frozen=True, gc=False):
    """An answer without its text, which is decoded only if it must be counted."""

    choices: list[_Glanced] | None = None
    usage: OpenAICounts | None = None
    error: msgspec.Raw = NULL


_glance = msgspec.json.Decoder(_Glance).decode


def read_answer(body: bytes) -> AnswerFacts | Failure:
    """Return the answer's facts; a Failure if it is an error or no answer of this dialect."""
    try:
        if not body.isascii():
            body.decode()
    except UnicodeDecodeError:
        return GARBAGE_ANSWER
    try:
        glance = _glance(body)
    except UNREADABLE:
        return _read_closely(body)
    if glance.usage is not None and len(glance.error) <= 4 and glance.choices and all(map(is_usual, glance.choices)):
        try:
            usage = usage_of_counts(glance.usage)
        except BadUsageError:
            return _read_closely(body)
        if usage.output:
            return AnswerFacts(usage)
    return _read_closely(body)


def _read_closely(body: bytes) -> AnswerFacts | Failure:
    if has_too_many_values(body):
        return GARBAGE_ANSWER
    try:
        whole = decode_chunk(body)
    except UNREADABLE:
        return GARBAGE_ANSWER
    if not whole.choices:
        return read_stream_failure(whole) or GARBAGE_ANSWER
    if (failure := read_stream_failure(whole) or _ended_in(whole.choices)) is not None:
        return failure
    if any(choice.message is None for choice in whole.choices):
        return GARBAGE_ANSWER
    unknown = next((word for choice in whole.choices if (word := ENDS.unknown(choice.finish_reason or ""))), "")
    raw = usage_of(whole)
    usage = try_usage(raw) if raw is not None else None
    if not (usage and (usage.output or usage.reasoning)) and all(is_empty(choice.message) for choice in whole.choices):
        failure = read_status(whole)
        if failure is not None:
            return failure
    if usage is not None:
        return AnswerFacts(usage, finish_unknown=unknown)
    return AnswerFacts(None, _text_bytes(whole), quarantined=raw is not None, finish_unknown=unknown)


def _ended_in(choices: list[ChatChoice]) -> Failure | None:
    """Return the failure with which a choice ended, if any."""
    for choice in choices:
        if not is_usual(choice) and (failure := failure_of(choice, empty=is_empty(choice.message))) is not None:
            return failure
    return None


def measure(body: bytes) -> int:
    """Return the number of bytes generated; 0 if the body is not an answer."""
    try:
        return 0 if has_too_many_values(body) else _text_bytes(decode_chunk(body))
    except UNREADABLE:
        return 0


def _text_bytes(whole: ChatChunk) -> int:
    return sum(delta_size(choice.message) for choice in whole.choices or () if choice.message is not None)
