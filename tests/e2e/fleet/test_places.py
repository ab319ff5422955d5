"""Places among requests that are open at once: free before an answer's last byte, and after a hang-up."""

import asyncio

import pytest
from tests.e2e.fleet.rush import Rush
from tests.e2e.raw_client import PATHS, ClientAnswer, ask, question, until

pytestmark = pytest.mark.slow

PLACES = 6


@pytest.fixture
def key(rush: Rush) -> str:
    rush.vendor.set_answer({"text": "x" * 400, "chunk_chars": 4, "delay_ms": 20})
    return rush.fleet.new_key(rush.fleet.new_account(), "--concurrency", str(PLACES))


async def test_a_place_is_free_before_the_last_byte_of_an_answer(rush: Rush) -> None:
    """Whoever has read an answer to its end may ask again at once, at any gateway."""
    rush.vendor.set_answer({"text": "x" * 30})
    key = rush.fleet.new_key(rush.fleet.new_account(), "--concurrency", "1")
    for number in range(60):
        url = rush.fleet.urls[number % 3]
        heard = await ask(url, question(PATHS[number % 2], key, stream=number % 4 < 2, max_tokens=100))
        assert heard.how == "complete", (number, heard.raw)


async def test_a_place_is_free_a_second_after_a_hang_up(rush: Rush, key: str) -> None:
    asked = [question(PATHS[place % 2], key, stream=True, max_tokens=500) for place in range(PLACES)]
    heard = [ClientAnswer(one) for one in asked]
    asking = [asyncio.create_task(ask(rush.fleet.urls[0], one.question, one)) for one in heard]
    await until(lambda: all(one.text_bytes for one in heard))
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)
    await asyncio.sleep(1)
    again = await asyncio.gather(*(ask(rush.fleet.urls[1], one) for one in asked))
    assert [one.how for one in again] == ["complete"] * PLACES
