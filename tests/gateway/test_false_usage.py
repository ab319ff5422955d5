"""Providers with false usage: quarantined, replaced by our own count, alarmed, and never billed above the hold."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.gateway.across import CLIENTS, ask
from tests.gateway.house import CHAT, HELLO, PLAYED, House
from tests.gateway.test_hostile_vendor import streamed, whole

from tokenharbor.billing.alarms import Alarm
from tokenharbor.kernel.money import Usd

pytestmark = pytest.mark.asyncio(loop_scope="session")

MODELS = ("solo", *(f"only-{wire}" for wire in PLAYED))


def ways() -> Iterator[tuple[str, str, bool]]:
    """Every dialect of callers, its own vendor and each foreign one, whole and as a stream."""
    for dialect in CLIENTS:
        for model in MODELS:
            for stream in (False, True):
                yield dialect, model, stream


def alarms(house: House) -> dict[Alarm, int]:
    """How often each was raised since the test began."""
    counts: dict[Alarm, int] = {}
    for (kind, _, _), count in house.parts.metrics._alarms.counts.items():
        counts[kind] = counts.get(kind, 0) + count
    return counts


@pytest.fixture(autouse=True)
def no_alarms(house: House) -> None:
    house.parts.metrics._alarms.counts.clear()


async def check_estimated(house: House, said: Any, name: object) -> Any:
    """The receipt of an answer whose usage nobody believes."""
    assert said.status == 200, (name, said.body)
    receipt = await house.receipt(said.headers["x-request-id"])
    assert (receipt["status"], receipt["usage_source"]) == ("complete", "estimated"), name
    assert Usd(0) < Usd.parse(receipt["cost_usd"]) <= Usd.parse(receipt["hold_usd"]), name
    assert receipt["overrun_usd"] == "0.000000000", name
    return receipt


def lie(house: House, usage: str) -> None:
    house.script(f'answer = {{ text = "two words", usage = {{ {usage} }} }}')


async def test_F6_more_output_than_the_maximum_is_not_believed_in_any_dialect(house: House) -> None:
    lie(house, "output = 1_000_000_000")
    for count, way in enumerate(ways(), 1):
        dialect, model, stream = way
        receipt = await check_estimated(house, await ask(house, dialect, model, stream=stream), way)
        assert receipt["usage_quarantined"], way
        assert receipt["usage"]["output"] <= 3, way
        assert alarms(house) == {Alarm.USAGE_QUARANTINED: count}, way


async def test_F6_one_token_more_than_the_maximum_is_too_many(house: House) -> None:
    for tokens, source in ((50, "vendor"), (51, "estimated")):
        lie(house, f"output = {tokens - 20}, reasoning = 20")
        for stream in (False, True):
            said = await house.chat(max_tokens=50, stream=stream)
            assert (await house.receipt(said.headers["x-request-id"]))["usage_source"] == source, (tokens, stream)


async def test_F6_several_choices_may_have_the_maximum_each(house: House) -> None:
    usage = {"prompt_tokens": 20, "completion_tokens": 100, "total_tokens": 120}
    house.tape.put(whole("chat", "two words", usage), b"application/json")
    for choices, source in ((2, "vendor"), (1, "estimated")):
        said = await house.chat("tape", max_tokens=50, n=choices)
        assert (await house.receipt(said.headers["x-request-id"]))["usage_source"] == source


async def test_F6_without_a_maximum_the_models_own_counts(house: House) -> None:
    for tokens, source in ((8_192, "vendor"), (8_193, "estimated")):
        lie(house, f"output = {tokens}")
        said = await house.post(CHAT, {"model": "solo", "messages": HELLO})
        assert (await house.receipt(said.headers["x-request-id"]))["usage_source"] == source


async def test_F6_more_input_than_the_models_context_is_not_believed(house: House) -> None:
    """However it is divided between what was read, cached and written."""
    for usage in (
        "input = 200_001",
        "input = 100_000, cache_read = 100_001",
        "input = 5, cache_write_5m = 199_996",
    ):
        lie(house, f"output = 5, {usage}")
        for dialect in ("openai_chat", "anthropic_messages"):
            for stream in (False, True):
                said = await ask(house, dialect, "solo", stream=stream)
                receipt = await check_estimated(house, said, (usage, dialect, stream))
                assert receipt["usage_quarantined"], usage
                assert receipt["usage"]["input"] < 100, usage


async def test_F6_searches_that_nobody_asked_for_are_not_believed(house: House) -> None:
    usage = {"input_tokens": 20, "output_tokens": 5, "server_tool_use": {"web_search_requests": 1_000}}
    for stream in (False, True):
        if stream:
            house.tape.put(streamed("message", "two words", usage))
        else:
            house.tape.put(whole("message", "two words", usage), b"application/json")
        said = await house.message("tape", stream=stream)
        assert (await check_estimated(house, said, stream))["usage_quarantined"]


async def test_F6_a_count_of_nothing_at_all_is_quarantined(house: House) -> None:
    lie(house, "input = 0, output = 0, reasoning = 0")
    for count, way in enumerate(ways(), 1):
        dialect, model, stream = way
        receipt = await check_estimated(house, await ask(house, dialect, model, stream=stream), way)
        assert receipt["usage_quarantined"], way
        assert alarms(house) == {Alarm.USAGE_QUARANTINED: count}, way


async def test_F6_usage_that_never_comes_is_an_alarm_of_its_own(house: House) -> None:
    house.fail("kind = 'usage', how = 'none'")
    house.script("answer = { text = 'two words' }\n[[rules]]\nfault = { kind = 'usage', how = 'none' }")
    for count, way in enumerate(ways(), 1):
        dialect, model, stream = way
        receipt = await check_estimated(house, await ask(house, dialect, model, stream=stream), way)
        assert not receipt["usage_quarantined"], way
        assert alarms(house) == {Alarm.USAGE_MISSING: count}, way


async def test_F6_what_is_believed_raises_no_alarm(house: House) -> None:
    for dialect, model, stream in ways():
        said = await ask(house, dialect, model, stream=stream)
        assert (await house.receipt(said.headers["x-request-id"]))["usage_source"] == "vendor", (dialect, model, stream)
    assert alarms(house) == {}


@pytest.mark.parametrize("usage", ["output = 0", "input = 0"])
async def test_R5_no_answer_has_no_output_and_no_request_no_input(house: House, usage: str) -> None:
    lie(house, usage)
    for dialect, model, stream in ways():
        receipt = await check_estimated(
            house, await ask(house, dialect, model, stream=stream), (dialect, model, stream)
        )
        assert receipt["usage_quarantined"], (dialect, model, stream)
        assert receipt["usage"]["input"], (dialect, model, stream)
        assert receipt["usage"]["output"], (dialect, model, stream)
