"""Whole Responses answers: the facts for billing, and a check that the body is an answer."""

from tokenharbor.wire.dialects.openai_responses.answer_schema import (
    ResponseObject,
    decode_item,
    decode_response,
    has_usage,
    item_size,
    usage_of,
)
from tokenharbor.wire.dialects.openai_responses.ends import ENDS
from tokenharbor.wire.dialects.openai_responses.failures import read_error
from tokenharbor.wire.framing.body import UnreadableError, check_text, edit, has_too_many_values, scan
from tokenharbor.wire.framing.cost import add_cost
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.dialect import AnswerFacts
from tokenharbor.wire.neutral.failure import GARBAGE_ANSWER, Failure, FailureKind

OVER = frozenset({"completed", "incomplete"})


def read_answer(body: bytes) -> AnswerFacts | Failure:
    """Return the answer's facts; a Failure if it is an error or no answer of this dialect."""
    if has_too_many_values(body):
        return GARBAGE_ANSWER
    try:
        check_text(body)
        response = decode_response(body)
        if (failure := failure_of(response)) is not None:
            return failure
        usage = usage_of(response)
        if usage is not None:
            return AnswerFacts(usage, finish_unknown=unknown_end(response))
        return AnswerFacts(
            None,
            _text_bytes(response),
            quarantined=has_usage(response),
            finish_unknown=unknown_end(response),
        )
    except UNREADABLE:
        return GARBAGE_ANSWER


def measure(body: bytes) -> int:
    """Return the number of bytes generated; 0 if the body is not an answer."""
    try:
        return 0 if has_too_many_values(body) else _text_bytes(decode_response(body))
    except UNREADABLE:
        return 0


def failure_of(response: ResponseObject) -> Failure | None:
    """Return why this is not a finished answer; None if it is one."""
    if (failure := read_error(response.error)) is not None:
        return failure
    if response.status in ("failed", "cancelled"):
        return Failure(FailureKind.SERVER, message="the answer failed without an error message")
    if response.output is None or response.status not in (*OVER, None) or not _holds_objects(response):
        return GARBAGE_ANSWER
    return ENDS.failure(reason_of(response), empty=not response.output)


def reason_of(response: ResponseObject) -> str:
    """Return why the answer is incomplete; "" if it is complete."""
    details = response.incomplete_details
    return "" if response.status != "incomplete" or details is None else details.reason or ""


def unknown_end(response: ResponseObject) -> str:
    return ENDS.unknown(reason_of(response))


def _holds_objects(response: ResponseObject) -> bool:
    return all(memoryview(raw)[0] == ord("{") for raw in response.output or ())


def _text_bytes(response: ResponseObject) -> int:
    return sum(item_size(decode_item(raw)) for raw in response.output or ())


def price_event(data: bytes, cost_usd: str) -> bytes | None:
    """Return the closing event with its cost; None if its answer has no usage."""
    try:
        members = scan(data)
        response = members.get("response")
        priced = add_cost(bytes(response), cost_usd) if response is not None else None
        return None if priced is None else edit(data, members, {"response": priced})
    except UnreadableError:
        return None
