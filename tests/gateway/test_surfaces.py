"""The surfaces other than chat through the real gateway, called by OpenAI's library, and billed exactly."""

import base64
import json
from typing import Any

import openai
import pytest
from tests.gateway.house import House

from tokenharbor.billing.alarms import Alarm
from tokenharbor.kernel.money import Usd
from tokenharbor.simulator.surfaces import simulated_wav

pytestmark = pytest.mark.asyncio(loop_scope="session")

EMBEDDINGS, IMAGES, SPEECH, RERANK = "/v1/embeddings", "/v1/images/generations", "/v1/audio/speech", "/v1/rerank"
BODIES: dict[str, dict[str, Any]] = {
    EMBEDDINGS: {"model": "vectors", "input": "ahoy there"},
    IMAGES: {"model": "painter", "prompt": "a harbour"},
    SPEECH: {"model": "voice", "voice": "alloy", "input": "ahoy"},
    RERANK: {"model": "ranker", "query": "ships", "documents": ["a tug", "a hill"]},
}


async def spent(house: House) -> Usd:
    balance, held = await house.money()
    assert held == "0.000000000"
    return Usd(Usd.parse("100") - Usd.parse(balance))


async def sent(house: House) -> Any:
    return json.loads((await house.seen())[-1].body or "")


# Embeddings


async def test_embeddings_come_as_numbers_and_packed_alike(house: House) -> None:
    create = house.chats().embeddings.create
    packed = await create(model="vectors", input=["ahoy", "there"])
    assert (await sent(house))["encoding_format"] == "base64", "the library's own choice"
    plain = await create(model="vectors", input=["ahoy", "there"], encoding_format="float")
    assert [row.embedding for row in packed.data] == [row.embedding for row in plain.data]
    assert (plain.usage.prompt_tokens, plain.usage.total_tokens) == (3, 3)
    assert await spent(house) == Usd.parse("0.000000600"), "six tokens at 0.10 USD per million"


async def test_embeddings_of_tokens_and_of_many_texts(house: House) -> None:
    create = house.chats().embeddings.create
    assert len((await create(model="vectors", input=[5, 6, 7])).data) == 1
    assert len((await create(model="vectors", input=[[5, 6, 7], [8]])).data) == 2
    assert len((await create(model="vectors", input=["tide"] * 300)).data) == 300
    assert await spent(house) == Usd.parse("0.0000307"), "3 + 4 + 300 tokens"


async def test_an_embedding_is_held_for_by_its_bytes_or_its_tokens(house: House) -> None:
    async def quoted(given: Any) -> Any:
        said = await house.post(f"{EMBEDDINGS}?dry_run=1", {"model": "vectors", "input": given})
        return said.json()["quote"]["input_tokens"]

    assert await quoted("x" * 300) == 226
    assert await quoted(list(range(300))) == 301
    assert await quoted(["x" * 300_000, "y"]) == 16_000, "no input is longer than the context"


async def test_a_receipt_of_an_embedding_says_what_was_done(house: House) -> None:
    said = await house.post(EMBEDDINGS, BODIES[EMBEDDINGS])
    receipt = await house.receipt(said.headers["x-request-id"])
    assert said.headers["x-tokenharbor-cost-usd"] == receipt["cost_usd"] == "0.000000300"
    assert (receipt["dialect"], receipt["model"], receipt["usage_source"]) == ("embeddings", "vectors", "vendor")
    assert receipt["price"]["lines"] == [
        {"unit": "input", "count": 3, "pico_usd_each": 100_000, "pico_usd": 300_000},
    ]


# Images


OTHER_WORDS: tuple[dict[str, Any], ...] = (
    {"batch_size": 4},
    {"num_images": 4},
    {"image_size": "1792x1024"},
    {"resolution": "4k"},
    {"width": 4096},
    {"parameters": {"n": 4}},
    {"sequential_image_generation": "auto"},
    {"Batch_Size": 4},
)


async def test_F2_other_vendors_words_for_how_many_and_how_large_are_refused(house: House) -> None:
    for more in OTHER_WORDS:
        said = await house.post(IMAGES, BODIES[IMAGES] | more)
        assert said.status == 400, more
        assert said.json()["error"]["param"] == next(iter(more))
    assert await house.called() == []


async def test_F6_more_images_than_were_asked_for_are_an_alarm(house: House) -> None:
    four = json.dumps({"created": 1, "data": [{"url": f"http://example.com/{place}"} for place in range(4)]})
    house.script(f"[[rules]]\nfault = {{ kind = 'body', body = '{four}', content_type = 'application/json' }}\n")
    counts = house.parts.metrics._alarms.counts
    before = counts[Alarm.USAGE_QUARANTINED, "alpha", "painter"]
    said = await house.post(IMAGES, BODIES[IMAGES] | {"n": 2})
    receipt = await house.receipt(said.headers["x-request-id"])
    assert (receipt["usage"]["images_out"], receipt["usage_quarantined"]) == (2, True)
    assert counts[Alarm.USAGE_QUARANTINED, "alpha", "painter"] == before + 1


async def test_images_are_billed_by_the_piece_at_the_price_of_their_size(house: House) -> None:
    create = house.chats().images.generate
    made = await create(model="painter", prompt="a harbour", n=3, size="1024x1024", quality="hd")
    assert len(made.data or ()) == 3
    assert base64.b64decode((made.data or [])[0].b64_json or "").startswith(b"\x89PNG")
    assert await spent(house) == Usd.parse("0.24")
    await create(model="painter", prompt="a harbour", size="1792x1024", quality="hd")
    assert await spent(house) == Usd.parse("0.36")


async def test_the_receipt_has_the_price_of_the_size_and_quality_that_were_made(house: House) -> None:
    said = await house.post(IMAGES, {**BODIES[IMAGES], "size": "1024x1024", "quality": "hd"})
    receipt = await house.receipt(said.headers["x-request-id"])
    assert receipt["cost_usd"] == "0.080000000"
    assert [line["pico_usd_each"] for line in receipt["price"]["lines"]] == [80_000_000_000]


async def test_what_a_caller_leaves_open_is_said_to_the_vendor(house: House) -> None:
    said = await house.post(IMAGES, {**BODIES[IMAGES], "size": "auto"})
    assert await sent(house) == {
        "model": "alpha-painter",
        "prompt": "a harbour",
        "size": "1024x1024",
        "quality": "standard",
    }
    receipt = await house.receipt(said.headers["x-request-id"])
    assert (receipt["cost_usd"], receipt["usage_source"]) == ("0.040000000", "counted")
    assert [line["pico_usd_each"] for line in receipt["price"]["lines"]] == [40_000_000_000]


async def test_a_size_without_a_price_is_refused_with_those_that_have_one(house: House) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await house.chats().images.generate(model="painter", prompt="a harbour", size="256x256")
    assert refused.value.param == "size"
    for priced in ("1024x1024 standard", "1024x1024 hd", "1792x1024"):
        assert priced in refused.value.message
    assert await house.called() == []
    assert await spent(house) == 0


async def test_images_of_a_vendor_that_counts_tokens_are_billed_by_them(house: House) -> None:
    house.script("answer = { usage = { input = 10, reasoning = 4160 } }")
    made = await house.chats().images.generate(model="token-painter", prompt="a harbour", n=2, size="1024x1024")
    assert made.usage is not None
    assert made.usage.output_tokens == 8320
    assert await spent(house) == Usd.parse("0.332850"), "10 tokens at 5, 8320 at 40 USD per million"


# Speech


async def test_speech_passes_byte_for_byte_and_costs_its_characters(house: House) -> None:
    text = "顺风 and following seas. " * 40
    async with house.chats().audio.speech.with_streaming_response.create(
        model="voice", voice="alloy", input=text
    ) as answer:
        assert answer.headers["content-type"] == "audio/wav"
        assert answer.headers["x-tokenharbor-provider"] == "alpha"
        assert b"".join([piece async for piece in answer.iter_bytes()]) == simulated_wav(text)
        receipt = await house.receipt(answer.headers["x-request-id"])
    assert await spent(house) == Usd.parse(receipt["cost_usd"]) == Usd.parse("0.0138"), "920 at 15 USD per million"
    assert receipt["usage_source"] == "counted"
    assert receipt["usage"]["characters"] == len(text) == 920


async def test_speech_that_breaks_off_is_cut_and_not_billed(house: House) -> None:
    house.fail('kind = "break", after_content = 3', 'kind = "break", after_content = 3')
    with pytest.raises(openai.APIConnectionError):
        await house.chats().audio.speech.create(model="voice", voice="alloy", input="ahoy there")
    await house.seen()
    assert await spent(house) == 0


async def test_an_error_in_the_place_of_sound_is_followed_by_the_next_vendor(house: House) -> None:
    house.fail('kind = "garbage", how = "html"')
    answer = await house.chats().audio.speech.create(model="voice", voice="alloy", input="ahoy")
    assert answer.content == simulated_wav("ahoy")
    assert await house.called() == ["alpha", "beta"]


# Ranking


async def test_ranking_is_billed_by_search_units(house: House) -> None:
    documents = ["a tug in the bay"] * 101
    said = await house.post(RERANK, {"model": "ranker", "query": "ships", "documents": documents, "top_n": 2})
    assert [row["index"] for row in said.json()["results"]] == [0, 1]
    assert said.headers["x-tokenharbor-cost-usd"] == "0.004000000"
    assert await spent(house) == Usd.parse("0.004"), "two units for 101 documents"


async def test_ranking_whose_units_do_not_add_up_is_counted_by_us(house: House) -> None:
    house.fail('kind = "usage", how = "negative"')
    said = await house.post(RERANK, BODIES[RERANK])
    receipt = await house.receipt(said.headers["x-request-id"])
    assert (receipt["usage_source"], receipt["usage_quarantined"]) == ("estimated", True)
    assert receipt["cost_usd"] == "0.002000000"


# All of them


@pytest.mark.parametrize("path", BODIES)
async def test_a_vendor_that_fails_is_followed_by_the_next(house: House, path: str) -> None:
    house.fail('kind = "status", status = 503')
    said = await house.post(path, BODIES[path])
    assert said.status == 200
    assert said.headers["x-tokenharbor-provider"] == "beta"
    assert await house.called() == ["alpha", "beta"]


@pytest.mark.parametrize("path", BODIES)
async def test_nothing_is_billed_where_everybody_fails(house: House, path: str) -> None:
    house.fail('kind = "status", status = 500', 'kind = "garbage", how = "empty"')
    said = await house.post(path, BODIES[path])
    assert said.status >= 500
    assert said.json()["error"]["message"]
    assert await spent(house) == 0


@pytest.mark.parametrize("path", BODIES)
async def test_who_cannot_pay_is_told_so_before_anybody_is_asked(house: House, path: str) -> None:
    house.payer = await house.new_payer("0")
    said = await house.post(path, BODIES[path])
    assert (said.status, said.json()["error"]["code"]) == (402, "insufficient_quota")
    assert await house.called() == []


@pytest.mark.parametrize("path", BODIES)
async def test_a_model_that_cannot_is_a_400_that_names_models_that_can(house: House, path: str) -> None:
    said = await house.post(path, {**BODIES[path], "model": "solo"})
    assert (said.status, said.json()["error"]["param"]) == (400, "model")
    assert BODIES[path]["model"] in said.json()["error"]["message"]


async def test_a_model_of_another_surface_does_not_chat(house: House) -> None:
    said = await house.chat("vectors")
    assert said.status == 400
    error = said.json()["error"]
    assert (error["code"], error["param"]) == ("invalid_request", "model")
    assert all(surface in error["message"] for surface in ("chat", "embeddings"))


@pytest.mark.parametrize("path", BODIES)
async def test_only_the_models_name_is_changed_of_a_body(house: House, path: str) -> None:
    body = {**BODIES[path], "size": "1792x1024", "unheard-of": {"b": [1.0, 1e2]}}
    text = json.dumps(body, indent=3)
    await house.post(path, text.encode())
    (record,) = await house.seen()
    name = body["model"]
    assert record.body == text.replace(f'"{name}"', f'"alpha-{name}"', 1)


REFUSED = [
    (EMBEDDINGS, {"input": []}, "input"),
    (EMBEDDINGS, {"input": [1, "a"]}, "input"),
    (EMBEDDINGS, {"input": {"a": 1}}, "input"),
    (EMBEDDINGS, {"encoding_format": "hex"}, "encoding_format"),
    (IMAGES, {"n": 0}, "n"),
    (IMAGES, {"stream": True}, "stream"),
    (IMAGES, {"prompt": 5}, "prompt"),
    (IMAGES, {"output_format": "svg"}, "output_format"),
    (EMBEDDINGS, {"service_tier": "priority"}, "service_tier"),
    (SPEECH, {"store": True}, "store"),
    (SPEECH, {"input": ""}, "input"),
    (SPEECH, {"stream_format": "sse"}, "stream_format"),
    (RERANK, {"documents": []}, "documents"),
    (RERANK, {"documents": [1]}, "documents"),
    (RERANK, {"query": None}, "query"),
]


@pytest.mark.parametrize(("path", "change", "param"), REFUSED)
async def test_what_cannot_be_priced_or_read_is_refused(house: House, path: str, change: Any, param: str) -> None:
    said = await house.post(path, {**BODIES[path], **change})
    assert (said.status, said.json()["error"]["param"]) == (400, param)
    assert await house.called() == []
