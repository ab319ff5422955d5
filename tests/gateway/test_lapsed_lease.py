"""A gateway whose lease has lapsed ends open answers in their dialects, and serves again once it is renewed."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from tests.gateway.house import CHAT, HELLO, MESSAGES, RESPONSES, House
from tests.gateway.raw import PATIENCE, RawAnswer, read_answer
from tests.gateway.test_hang_ups import begin, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass
class _Renewals:
    """Whether the gateway's lease is renewed."""

    go_on: bool = False


@pytest_asyncio.fixture(loop_scope="session")
async def renewals(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[_Renewals]:
    """They have ceased, until the test's end or until it says so."""
    lease, renewals = house.harbor.lease, _Renewals()
    renew = lease.renew

    async def if_it_may() -> bool:
        return renewals.go_on and await renew()

    monkeypatch.setattr(lease, "renew", if_it_may)
    yield renewals
    await _resume(house, renewals)


async def _resume(house: House, renewals: _Renewals) -> None:
    renewals.go_on = True
    await until(house.harbor.lease.is_held)


def _lapse(house: House) -> None:
    lease = house.harbor.lease
    lease._ends_seconds = 0
    lease.check()


def _body(path: str, *, stream: bool) -> bytes:
    asked = {"messages": HELLO, "max_tokens": 50} if path != RESPONSES else {"input": HELLO, "max_output_tokens": 50}
    return json.dumps({"model": "solo", "stream": stream, **asked}).encode()


async def _rest(reader: asyncio.StreamReader, begun: bytes = b"") -> RawAnswer:
    async with asyncio.timeout(PATIENCE):
        return read_answer(begun + await reader.read())


async def _receipt(house: House) -> Any:
    await until(lambda: bool(house.parts.metrics._requests))
    await house.harbor.books.drain()
    (row,) = (await house.get("/v1/requests")).json()["data"]
    return await house.receipt(row["id"])


@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES], ids=["chat", "responses", "messages"])
async def test_an_open_stream_ends_with_an_error_and_costs_nothing(
    house: House, renewals: _Renewals, path: str
) -> None:
    house.fail("kind = 'stall', where = 'mid', after_events = 5")
    reader, writer = await begin(house, path, _body(path, stream=True))
    async with asyncio.timeout(PATIENCE):
        begun = await reader.readuntil(b'"one ')
    _lapse(house)
    said = await _rest(reader, begun)
    assert (said.status, said.ended) == (200, "complete")
    assert b"had to end" in said.body
    writer.close()
    receipt = await _receipt(house)
    assert (receipt["status"], receipt["refusal"], receipt["cost_usd"]) == ("failed", "unavailable", "0.000000000")
    assert await house.money() == ("100.000000000", "0.000000000")


async def test_a_request_without_an_answer_yet_is_told_503(house: House, renewals: _Renewals) -> None:
    house.fail("kind = 'stall'")
    reader, writer = await begin(house, CHAT, _body(CHAT, stream=False))
    await until(lambda: bool(house.simulator.requests))
    _lapse(house)
    said = await _rest(reader)
    assert (said.status, said.error["code"], said.headers["connection"]) == (503, "unavailable", "close")
    writer.close()
    assert (await _receipt(house))["cost_usd"] == "0.000000000"


async def test_new_requests_are_refused_until_it_is_renewed_and_what_holds_nothing_is_served(
    house: House, renewals: _Renewals
) -> None:
    _lapse(house)
    said = await house.chat()
    assert (said.status, said.error["code"]) == (503, "unavailable")
    assert await house.called() == [], "no vendor works for a request that holds nothing"
    assert ((await house.get("/readyz")).status, (await house.get("/v1/models")).status) == (503, 200)
    await _resume(house, renewals)
    assert ((await house.get("/readyz")).status, (await house.chat()).status) == (200, 200)


async def test_a_request_that_holds_nothing_any_more_is_left_alone(
    house: House, renewals: _Renewals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settlement is under way, and is taken once: the caller gets what it pays for."""
    settle = house.parts.settler.settle

    async def lapse_then_settle(meter: Any) -> Any:
        asyncio.get_running_loop().call_soon(_lapse, house)
        return await settle(meter)

    monkeypatch.setattr(type(house.parts.settler), "settle", lambda _, meter: lapse_then_settle(meter))
    said = await house.chat()
    assert (said.status, said.ended) == (200, "complete")
    assert (await _receipt(house))["status"] == "complete"
