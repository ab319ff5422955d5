"""Media providers without usage, or with false usage: our own count is billed, never 0, never above the hold."""

from typing import Any

import pytest
from tests.gateway.house import House
from tests.gateway.raw import RawAnswer
from tests.gateway.test_false_usage import alarms, no_alarms
from tests.gateway.test_forms import EDITS, FILE, TRANSCRIPTIONS, Part, send
from tests.gateway.test_surfaces import BODIES, EMBEDDINGS, IMAGES

from tokenharbor.billing.alarms import Alarm
from tokenharbor.kernel.money import Usd

__all__ = ["no_alarms"]

pytestmark = pytest.mark.asyncio(loop_scope="session")

PICTURE: Part = ("image", "a.png", b"\x89PNG" * 100)
FAULTS = ("none", "negative")
ZERO = "answer = { usage = { input = 0, output = 0, reasoning = 0 } }\n"


async def ask(house: House, path: str, **more: Any) -> RawAnswer:
    """Some request of each surface, at a model that is priced by the provider's tokens where there is one."""
    if path == EDITS:
        fields = {"model": "token-painter", "prompt": "a tug", **more}
        return await send(house, path, PICTURE, *((name, str(value).encode()) for name, value in fields.items()))
    if path == TRANSCRIPTIONS:
        return await send(house, path, FILE, ("model", str(more.get("model", "token-scribe")).encode()))
    body = BODIES[path] | more
    if path == IMAGES:
        body = {"model": "token-painter", "prompt": "a tug", **more}
    return await house.post(path, body)


def break_usage(house: House, how: str) -> None:
    """At every provider."""
    house.script(f"answer = {{ text = 'ahoy' }}\n[[rules]]\nfault = {{ kind = 'usage', how = '{how}' }}\n")


async def check(house: House, said: RawAnswer, name: object) -> Any:
    assert said.status == 200, (name, said.body)
    receipt = await house.receipt(said.headers["x-request-id"])
    assert Usd(0) < Usd.parse(receipt["cost_usd"]) <= Usd.parse(receipt["hold_usd"]), name
    return receipt


async def test_R5_whatever_was_made_costs_something_on_every_surface(house: House) -> None:
    """Usage that is missing, below zero, or zero of everything."""
    for path in (*BODIES, EDITS, TRANSCRIPTIONS):
        for how in FAULTS:
            break_usage(house, how)
            await check(house, await ask(house, path), (path, how))
        house.script(ZERO)
        await check(house, await ask(house, path), (path, "zero"))
    for model in ("scribe", "token-scribe"):
        break_usage(house, "none")
        await check(house, await ask(house, TRANSCRIPTIONS, model=model), model)


async def test_R5_pictures_are_counted_by_their_size_and_quality(house: House) -> None:
    """At 40 USD per million tokens."""
    break_usage(house, "none")
    for path in (IMAGES, EDITS):
        for size, quality, tokens in (
            ("1024x1024", "low", 272),
            ("1024x1024", "medium", 1_056),
            ("1536x1024", "high", 5_000),  # the most that the model makes; by the table 6,240
            ("1024x1536", "medium", 1_584),
            (None, None, 272),
            ("strange", "strange", 272),
        ):
            more = {"size": size, "quality": quality} if size else {}
            receipt = await check(house, await ask(house, path, **more), (path, size, quality))
            assert (receipt["usage_source"], receipt["usage"]["output"]) == ("estimated", tokens)
            assert receipt["usage"]["input"] > 0
    said = await ask(house, IMAGES, n=3, quality="medium")
    assert (await check(house, said, "three"))["usage"]["output"] == 3 * 1_056
    assert set(alarms(house)) == {Alarm.USAGE_MISSING}


async def test_R5_tokens_of_which_none_made_a_picture_are_no_count(house: House) -> None:
    house.script("answer = { usage = { input = 10, reasoning = 1 } }")
    said = await ask(house, IMAGES, n=2)
    assert (await check(house, said, "one each"))["usage_source"] == "vendor"
    house.script("answer = { usage = { input = 10, reasoning = 5_001 } }")
    receipt = await check(house, await ask(house, IMAGES), "too many")
    assert (receipt["usage_source"], receipt["usage_quarantined"]) == ("estimated", True)
    assert Alarm.USAGE_QUARANTINED in alarms(house)


async def test_R5_what_is_billed_by_the_piece_needs_no_usage(house: House) -> None:
    break_usage(house, "none")
    for path, more in ((IMAGES, {"model": "painter"}), (EDITS, {"model": "painter"}), ("/v1/audio/speech", {})):
        receipt = await check(house, await ask(house, path, **more), path)
        assert receipt["usage_source"] == "counted", path
    assert alarms(house) == {}


async def test_R5_more_seconds_than_were_sent_are_not_believed(house: House) -> None:
    """Nor more tokens than the model reads."""
    house.script("answer = { text = 'ahoy', usage = { reasoning = 900_000 } }")
    receipt = await check(house, await ask(house, TRANSCRIPTIONS), "tokens")
    assert (receipt["usage_source"], receipt["usage_quarantined"]) == ("estimated", True)


async def test_R5_embeddings_whose_total_is_another_are_counted_by_us(house: House) -> None:
    break_usage(house, "not_adding_up")
    receipt = await check(house, await ask(house, EMBEDDINGS), "embeddings")
    assert (receipt["usage_source"], receipt["usage_quarantined"]) == ("estimated", True)
