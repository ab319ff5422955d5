"""Whatever a provider does wrong, the caller's library raises the documented error, and nothing is billed."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest
from tests.editions.derived import derive
from tests.gateway.house import HELLO, House

from tokenharbor.kernel.money import Usd

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXT = "one two three four"
UNTOUCHED = ("100.000000000", "0.000000000")
STATUSES = {
    "upstream_error": 502,
    "upstream_timeout": 504,
    "rate_limit_exceeded": 429,
}


@dataclass(frozen=True)
class Fault:
    """`stream` and `whole`: the code that callers hear, or None where the answer is good all the same. `late`: the
    stream has begun by then. `outcome` is what the receipt calls the attempt.
    """

    script: str
    stream: str | None = "upstream_error"
    whole: str | None = "upstream_error"
    outcome: str = "broken"
    late: bool = False


def status(number: int, code: str, outcome: str) -> Fault:
    return Fault(f"kind = 'status', status = {number}", code, code, outcome)


def event(number: int, code: str, outcome: str) -> Fault:
    return Fault(f"kind = 'error_event', status = {number}, after_events = 0", code, code, outcome)


def garbage(how: str, outcome: str = "garbage") -> Fault:
    return Fault(f"kind = 'garbage', how = '{how}'", outcome=outcome)


FAULTS = {
    "closed": Fault("kind = 'refuse', how = 'close'"),
    "reset": Fault("kind = 'refuse', how = 'reset'"),
    "401": status(401, "upstream_error", "credential"),
    "402": status(402, "upstream_error", "credential"),
    "403": status(403, "upstream_error", "credential"),
    "404": status(404, "upstream_error", "not_found"),
    "429": status(429, "rate_limit_exceeded", "rate_limit"),
    "500": status(500, "upstream_error", "server"),
    "502": status(502, "upstream_error", "server"),
    "503": status(503, "upstream_error", "server"),
    "504": status(504, "upstream_timeout", "timeout"),
    "529": status(529, "rate_limit_exceeded", "overloaded"),
    "418": status(418, "upstream_error", "server"),
    "a page for a 500": Fault("kind = 'status', status = 500, body = '<h1>Oh no</h1>'", outcome="server"),
    "reset in the answer": Fault("kind = 'break', how = 'reset'", late=True),
    "closed in the answer": Fault("kind = 'break', how = 'close'", late=True),
    "reset after the head": Fault("kind = 'break', how = 'reset', after_events = 0"),
    "closed after the head": Fault("kind = 'break', how = 'close', after_events = 0"),
    "closed before content": Fault("kind = 'break', how = 'close', after_content = 0"),
    "closed before the end": Fault("kind = 'break', how = 'close', after_content = 5", late=True),
    "error event 529": event(529, "rate_limit_exceeded", "overloaded"),
    "error event 429": event(429, "rate_limit_exceeded", "rate_limit"),
    "error event 500": event(500, "upstream_error", "server"),
    "error event 401": event(401, "upstream_error", "credential"),
    "error event late": Fault("kind = 'error_event', status = 500, after_content = 2", outcome="server", late=True),
    "no terminator": Fault("kind = 'no_terminator'", stream=None, whole=None),
    "no finish": Fault("kind = 'no_terminator', finish = true", whole=None, late=True),
    "html": garbage("html"),
    "text": garbage("text"),
    "other json": garbage("other_json"),
    "broken json": garbage("broken_json"),
    "bad utf8": garbage("bad_utf8"),
    "truncated at once": Fault("kind = 'truncated', bytes = 0"),
    "truncated": Fault("kind = 'truncated'", late=True),
    "much before the content": Fault(
        "kind = 'huge_event', where = 'before_content', bytes = 900_000", whole=None, outcome="garbage"
    ),
    "an endless event": Fault("kind = 'huge_event', bytes = 1_100_000", whole=None, outcome="garbage"),
}


@dataclass(frozen=True)
class Caller:
    """One of the vendors' libraries. `ask` gives the pieces of text as they come; `classes` are the exceptions that
    stand for statuses, 500 for all from there on.
    """

    ask: Callable[..., AsyncIterator[str]]
    code: Callable[[Any], str]
    classes: Mapping[int, type[Exception]]
    late_class: type[Exception]
    patient: bool = False  # its dialect has longer events

    def script(self, fault: Fault) -> str:
        """The fault, at a size that is too large for the dialect."""
        return fault.script.replace("1_100_000", "5_000_000") if self.patient else fault.script

    def check(self, error: Exception | None, code: str, status: int | None = None) -> None:
        """The exception that stands for the code's status."""
        status = status or STATUSES[code]
        named = self.classes.get(status) or self.classes[500]
        assert type(error) is named
        assert isinstance(error, (openai.APIStatusError, anthropic.APIStatusError))
        assert (error.status_code, self.code(error)) == (status, code)

    def check_late(self, error: Exception | None, code: str) -> None:
        """The exception that stands for an error inside a stream."""
        assert type(error) is self.late_class
        assert self.code(error) == code


async def ask_openai(house: House, model: str, *, stream: bool) -> AsyncIterator[str]:
    client = house.chats()
    if not stream:
        answer = await client.chat.completions.create(model=model, messages=HELLO, max_tokens=100)
        yield answer.choices[0].message.content or ""
        return
    finishes = []
    async with await client.chat.completions.create(model=model, messages=HELLO, max_tokens=100, stream=True) as chunks:
        async for chunk in chunks:
            finishes += [choice.finish_reason for choice in chunk.choices if choice.finish_reason]
            yield "".join(choice.delta.content or "" for choice in chunk.choices)
    assert finishes == ["stop"], "the stream ended as if it were complete"


async def ask_responses(house: House, model: str, *, stream: bool) -> AsyncIterator[str]:
    client = house.chats()
    if not stream:
        answer = await client.responses.create(model=model, input=HELLO, max_output_tokens=100)
        yield answer.output_text
        return
    ends = []
    async with await client.responses.create(model=model, input=HELLO, max_output_tokens=100, stream=True) as events:
        async for event in events:
            if event.type == "response.output_text.delta":
                yield event.delta
            if event.type == "response.completed":
                ends.append(event.response.status)
    assert ends == ["completed"]


async def ask_anthropic(house: House, model: str, *, stream: bool) -> AsyncIterator[str]:
    client = house.messages()
    if not stream:
        answer = await client.messages.create(model=model, messages=HELLO, max_tokens=100)
        yield "".join(block.text for block in answer.content if block.type == "text")
        return
    ends = []
    async with await client.messages.create(model=model, messages=HELLO, max_tokens=100, stream=True) as events:
        async for event in events:
            if event.type == "message_delta":
                ends.append(event.delta.stop_reason)
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                yield event.delta.text
    assert (ends, event.type) == (["end_turn"], "message_stop")


OPENAIS = {
    400: openai.BadRequestError,
    413: openai.APIStatusError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
}
CALLERS = {
    "openai": Caller(ask_openai, lambda error: error.code, OPENAIS, openai.APIError),
    "responses": Caller(ask_responses, lambda error: error.code, OPENAIS, openai.APIError, patient=True),
    "anthropic": Caller(
        ask_anthropic,
        lambda error: error.body["error"]["code"],
        {
            400: anthropic.BadRequestError,
            413: anthropic.RequestTooLargeError,
            422: anthropic.UnprocessableEntityError,
            429: anthropic.RateLimitError,
            504: anthropic.DeadlineExceededError,
            500: anthropic.InternalServerError,
        },
        anthropic.APIStatusError,
    ),
}
EACH = pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)


async def received(pieces: AsyncIterator[str]) -> tuple[str, Exception | None]:
    """The text that came, and what ended it."""
    text = ""
    try:
        async for piece in pieces:
            text += piece
    except (openai.APIError, anthropic.APIError) as error:
        return text, error
    return text, None


async def latest_receipt(house: House) -> Any:
    await house.harbor.books.drain()
    (latest,) = (await house.get("/v1/requests?limit=2")).json()["data"]
    return await house.receipt(latest["id"])


async def check_nobody_paid(house: House, code: str, outcome: str) -> None:
    assert await house.money() == UNTOUCHED
    receipt = await latest_receipt(house)
    assert (receipt["status"], receipt["cost_usd"], receipt["refusal"]) == ("failed", "0.000000000", code)
    (attempt,) = receipt["attempts"]
    assert attempt["provider"] == "alpha"
    assert "entry" not in receipt, "no money moved"
    assert attempt["outcome"] == outcome


BAD_WHOLE = {name: fault for name, fault in FAULTS.items() if fault.whole}
BAD_STREAM = {name: fault for name, fault in FAULTS.items() if fault.stream and not fault.late}
BAD_LATE = {name: fault for name, fault in FAULTS.items() if fault.late}
GOOD_WHOLE = {name: fault for name, fault in FAULTS.items() if not fault.whole}


@EACH
@pytest.mark.parametrize("fault", BAD_WHOLE.values(), ids=BAD_WHOLE)
async def test_a_whole_answer_that_fails(house: House, caller: Caller, fault: Fault) -> None:
    house.fail(caller.script(fault))
    text, error = await received(caller.ask(house, "solo", stream=False))
    assert fault.whole is not None
    assert text == ""
    caller.check(error, fault.whole)
    await check_nobody_paid(house, fault.whole, fault.outcome)


@EACH
@pytest.mark.parametrize("fault", BAD_STREAM.values(), ids=BAD_STREAM)
async def test_a_stream_that_fails_before_its_first_content(house: House, caller: Caller, fault: Fault) -> None:
    """Nothing has been sent: the caller gets a status, as for a whole answer."""
    house.fail(caller.script(fault))
    text, error = await received(caller.ask(house, "solo", stream=True))
    assert fault.stream is not None
    assert text == ""
    caller.check(error, fault.stream)
    await check_nobody_paid(house, fault.stream, fault.outcome)


@EACH
@pytest.mark.parametrize("fault", BAD_LATE.values(), ids=BAD_LATE)
async def test_a_stream_that_fails_after_its_first_content(house: House, caller: Caller, fault: Fault) -> None:
    """What came is true, then the library raises: an error event has told it, and no terminator came."""
    house.fail(caller.script(fault))
    text, error = await received(caller.ask(house, "solo", stream=True))
    assert text
    assert TEXT.startswith(text)
    assert fault.stream is not None
    caller.check_late(error, fault.stream)
    await check_nobody_paid(house, fault.stream, fault.outcome)


@EACH
@pytest.mark.parametrize("fault", GOOD_WHOLE.values(), ids=GOOD_WHOLE)
async def test_what_only_streams_can_have_does_no_harm_to_a_whole_answer(
    house: House, caller: Caller, fault: Fault
) -> None:
    house.fail(caller.script(fault))
    text, error = await received(caller.ask(house, "solo", stream=False))
    assert error is None
    assert text
    assert (await latest_receipt(house))["status"] == "complete"


@EACH
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("how", ["none", "negative", "not_adding_up", "huge", "text"])
async def test_usage_that_cannot_be_believed_is_replaced_by_our_own_count(
    house: House, caller: Caller, how: str, stream: bool
) -> None:
    house.fail(f"kind = 'usage', how = '{how}'")
    text, error = await received(caller.ask(house, "solo", stream=stream))
    assert (text, error) == (TEXT, None)
    receipt = await latest_receipt(house)
    assert (receipt["status"], receipt["usage_source"]) == ("complete", "estimated")
    assert receipt["usage_quarantined"] is (how != "none")
    assert 0 < receipt["usage"]["output"] <= len(TEXT)
    balance, held = await house.money()
    assert held == "0.000000000"
    assert Usd.parse(balance) == Usd.parse("100") - Usd.parse(receipt["cost_usd"]) < Usd.parse("100")


@EACH
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_an_answer_that_comes_in_crumbs_is_whole(house: House, caller: Caller, stream: bool) -> None:
    house.fail("kind = 'drip', bytes = 7, ms = 0")
    assert await received(caller.ask(house, "solo", stream=stream)) == (TEXT, None)
    receipt = await latest_receipt(house)
    assert (receipt["status"], receipt["usage_source"]) == ("complete", "vendor")


@EACH
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("number", [400, 413, 422])
async def test_the_vendors_refusal_of_the_request_is_the_callers(
    house: House, caller: Caller, number: int, stream: bool
) -> None:
    house.fail(f"kind = 'status', status = {number}, message = 'temperature is above 2', code = 'too_hot'")
    text, error = await received(caller.ask(house, "solo", stream=stream))
    assert text == ""
    caller.check(error, "too_hot", number)
    assert "temperature is above 2" in str(error)
    await check_nobody_paid(house, "too_hot", "request")


@EACH
@pytest.mark.parametrize("late", [True, False], ids=["late", "first"])
async def test_the_vendors_refusal_inside_a_stream(house: House, caller: Caller, late: bool) -> None:
    """It is the callers', whenever it is said: asking again would not help."""
    house.fail(f"kind = 'error_event', status = 400, message = 'no such seed', after_content = {int(late)}")
    _, error = await received(caller.ask(house, "solo", stream=True))
    assert error is not None
    assert "no such seed" in str(error)
    if late:
        caller.check_late(error, caller.code(error))
        assert caller.code(error).startswith("invalid")
    else:
        caller.check(error, caller.code(error), 400)
    assert await house.money() == UNTOUCHED


@EACH
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_too_long_an_input_has_the_contracts_code(house: House, caller: Caller, stream: bool) -> None:
    house.fail("kind = 'status', status = 400, message = 'the maximum context length is 8 tokens'")
    _, error = await received(caller.ask(house, "solo", stream=stream))
    caller.check(error, "context_length_exceeded", 400)
    await check_nobody_paid(house, "context_length_exceeded", "context")


@EACH
@pytest.mark.parametrize("how", ["none", "vendor"])
async def test_a_broken_stream_is_billed_only_where_the_edition_says_so(house: House, caller: Caller, how: str) -> None:
    policy = house.parts.snapshots.current.policy
    house.use_policy(derive(policy.name, billing={"broken_streams": how == "vendor"}))
    try:
        house.fail("kind = 'break', after_content = 3")
        text, error = await received(caller.ask(house, "solo", stream=True))
    finally:
        house.use_policy(policy)
    caller.check_late(error, "upstream_error")
    receipt = await latest_receipt(house)
    assert receipt["status"] == "failed"
    billed = Usd.parse(receipt["cost_usd"])
    if how == "none":
        assert billed == 0
        assert "Nothing was billed" in str(error)
    else:
        assert 0 < receipt["usage"]["output"] <= len(text)
        assert billed > 0
        assert "Nothing was billed" not in str(error)
    balance, held = await house.money()
    assert (Usd.parse(balance), held) == (Usd.parse("100") - billed, "0.000000000")
