"""The four timeouts of a provider: each ends in a 504 that names it and closes the connection, whatever pings come."""

from typing import Any

import pytest
from tests.gateway.house import ANSWER, QUICK, House
from tests.gateway.raw import RawAnswer

pytestmark = pytest.mark.asyncio(loop_scope="session")

DIALECTS = pytest.mark.parametrize("dialect", ["chat", "message"])
SLOW_MS = int(QUICK * 1000) * 2
PING = {"chat": b"\n: ", "message": b"event: ping"}
DONE = {"chat": b"[DONE]", "message": b"message_stop"}


async def ask(house: House, dialect: str, timer: str, fault: str, *, stream: bool) -> RawAnswer:
    house.script(f"{ANSWER}[[rules]]\nfault = {{ {fault} }}\n")
    asked: Any = {"chat": house.chat, "message": house.message}[dialect]
    said: RawAnswer = await asked(f"quick-{timer}", stream=stream)
    return said


async def check_late(house: House, timer: str, error: Any) -> None:
    """What callers hear of a time-out, and what stays of it."""
    assert (error["code"], error["type"], error["provider"]) == ("upstream_timeout", "api_error", f"quick_{timer}")
    assert await house.money() == ("100.000000000", "0.000000000")
    (row,) = (await house.get("/v1/requests?limit=5")).json()["data"]
    receipt = await house.receipt(row["id"])
    assert (receipt["status"], receipt["refusal"], receipt["cost_usd"]) == (
        "failed",
        "upstream_timeout",
        "0.000000000",
    )
    (attempt,) = receipt["attempts"]
    assert (attempt["provider"], attempt["outcome"]) == (f"quick_{timer}", "timeout")
    assert attempt["ms"] >= QUICK * 1000 * 0.9


async def check_left(house: House) -> None:
    (record,) = await house.seen()
    assert record.hung_up, "the vendor went on for nobody"


@DIALECTS
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_connect(house: House, dialect: str, stream: bool) -> None:
    said = await ask(house, dialect, "connect", "kind = 'stall'", stream=stream)
    assert said.status == 504
    await check_late(house, "connect", said.error)
    assert await house.called() == []


@DIALECTS
@pytest.mark.parametrize(
    "where", ["'before_head'", "'after_head'", "'before_content'", "'before_content', pings_ms = 20"]
)
async def test_first_event(house: House, dialect: str, where: str) -> None:
    said = await ask(house, dialect, "first_event", f"kind = 'stall', where = {where}", stream=True)
    assert said.status == 504
    await check_late(house, "first_event", said.error)
    await check_left(house)


@DIALECTS
@pytest.mark.parametrize("pings", ["", ", pings_ms = 20"], ids=["silence", "pings"])
async def test_between_events(house: House, dialect: str, pings: str) -> None:
    fault = f"kind = 'stall', where = 'mid', after_content = 2{pings}"
    said = await ask(house, dialect, "between_events", fault, stream=True)
    assert (said.status, said.ended) == (200, "complete")
    assert (said.body.count(PING[dialect]) > 3) is bool(pings), "after the first content pings pass"
    assert DONE[dialect] not in said.body
    await check_late(house, "between_events", said.data[-1]["error"])
    await check_left(house)


@DIALECTS
async def test_total_of_a_stream_that_never_pauses(house: House, dialect: str) -> None:
    house.script("answer = { tokens = 500, chunk_chars = 4, delay_ms = 10 }")
    asked: Any = {"chat": house.chat, "message": house.message}[dialect]
    said = await asked("quick-total", stream=True, max_tokens=500)
    assert (said.status, said.ended) == (200, "complete")
    assert DONE[dialect] not in said.body
    await check_late(house, "total", said.data[-1]["error"])
    await check_left(house)


@DIALECTS
@pytest.mark.parametrize("where", ["before_head", "after_head", "mid"])
async def test_total_of_a_whole_answer(house: House, dialect: str, where: str) -> None:
    said = await ask(house, dialect, "total", f"kind = 'stall', where = '{where}'", stream=False)
    assert said.status == 504
    await check_late(house, "total", said.error)
    await check_left(house)


@DIALECTS
@pytest.mark.parametrize(
    ("timer", "where"), [("first_event", "before_head"), ("first_event", "after_head"), ("between_events", "mid")]
)
async def test_a_whole_answer_obeys_connect_and_total_only(house: House, dialect: str, timer: str, where: str) -> None:
    said = await ask(house, dialect, timer, f"kind = 'stall', where = '{where}', ms = {SLOW_MS}", stream=False)
    assert said.status == 200
    assert b"one two three four" in said.body


@DIALECTS
async def test_content_that_keeps_coming_resets_the_timer(house: House, dialect: str) -> None:
    pieces = 40
    house.script(f'answer = {{ text = "{"four" * pieces}", chunk_chars = 4, delay_ms = {SLOW_MS // pieces} }}')
    asked: Any = {"chat": house.chat, "message": house.message}[dialect]
    said = await asked("quick-between_events", stream=True)
    assert DONE[dialect] in said.body
