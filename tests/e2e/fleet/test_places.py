"""Places among requests that are open at once: free before an answer's last byte, after a hang-up, after a death."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from tests.e2e.fleet.evidence import at_rest
from tests.e2e.fleet.rush import Rush, equals
from tests.e2e.raw_client import PATHS, ClientAnswer, ask, question, until

from tokenharbor.kernel import ids

pytestmark = pytest.mark.slow

PLACES = 6
LEASE_SECONDS = 15


@pytest.fixture
def key(rush: Rush) -> str:
    rush.vendor.set_answer({"text": "x" * 400, "chunk_chars": 4}, rules=[{"fault": {"kind": "stall", "where": "mid"}}])
    return rush.fleet.new_key(rush.fleet.new_account(), "--concurrency", str(PLACES))


async def test_a_place_is_free_before_the_last_byte_of_an_answer(rush: Rush) -> None:
    """Whoever has read an answer to its end may ask again at once, at any gateway."""
    rush.vendor.set_answer({"text": "x" * 30})
    key = rush.fleet.new_key(rush.fleet.new_account(), "--concurrency", "1")
    for number in range(60):
        url = rush.fleet.urls[number % 3]
        heard = await ask(url, question(PATHS[number % 2], key, stream=number % 4 < 2, max_tokens=100))
        assert heard.how == "complete", (number, heard.raw)


async def test_a_place_is_free_after_a_hang_up(rush: Rush, key: str) -> None:
    """A second after it, where the machine is idle: the vendor, that goes on for ever, is not read to its end."""
    asked = [question(PATHS[place % 2], key, stream=True, max_tokens=500) for place in range(PLACES)]
    heard = [ClientAnswer(one) for one in asked]
    asking = [asyncio.create_task(ask(rush.fleet.urls[0], one.question, one)) for one in heard]
    await until(lambda: all(one.text_bytes for one in heard))
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)
    await at_rest(rush.fleet, 5)
    rush.vendor.set_answer({"text": "x" * 30})
    again = await asyncio.gather(*(ask(rush.fleet.urls[1], one) for one in asked))
    assert [one.how for one in again] == ["complete"] * PLACES


async def test_places_of_a_dead_gateway_are_free_when_its_lease_has_ended_and_its_money_is_not(rush: Rush) -> None:
    fleet = rush.fleet
    account = fleet.new_account()
    key = fleet.new_key(account, "--concurrency", str(PLACES))
    quoted = await rush.quote(equals([key], 1)[0])
    rush.vendor.set_answer({"text": "x" * 30})
    async with _killed_while_it_serves(rush, key):
        refused = await ask(fleet.urls[1], question(PATHS[0], key, max_tokens=100))
        assert refused.status == 429, refused.raw
        async with asyncio.timeout(LEASE_SECONDS + 10):
            while (seen := await _open_and_held(rush, account)) == (PLACES, PLACES * quoted.amount):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert seen == (PLACES - 2, PLACES * quoted.amount)
        others = [ClientAnswer(one) for one in equals([key], 4)]
        asking = asyncio.gather(*(ask(fleet.urls[1 + n % 2], one.question, one) for n, one in enumerate(others)))
        await until(lambda: sum(one.closed for one in others) + rush.vendor.waiting == PLACES + 2)
        assert sorted(one.status or 0 for one in others) == [0, 0, 429, 429]
    await asking
    await at_rest(fleet)


@contextlib.asynccontextmanager
async def _killed_while_it_serves(rush: Rush, key: str) -> AsyncIterator[None]:
    """The first of three gateways, each of which has two open; it is started again at the end."""
    doomed = rush.fleet.gateways[0]
    assert doomed.server is not None
    try:
        async with rush.of(equals([key], PLACES)) as heard:
            assert not any(one.closed for one in heard)
            doomed.server.process.kill()
            doomed.server.process.wait()
            await until(lambda: rush.vendor.waiting == PLACES - 2)
            yield
    finally:
        await rush.fleet.start([doomed])


async def _open_and_held(rush: Rush, account: str) -> tuple[int, int]:
    async with rush.fleet.connected() as conn:
        row = await conn.fetchrow("select open, held from wallet where account_id = $1", ids.parse("acct", account))
    return row["open"], row["held"]
