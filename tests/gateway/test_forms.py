"""Forms with files through the real gateway: streamed recordings and edited images, billed exactly."""

import asyncio
import contextlib
import io
import json
import wave
from collections.abc import AsyncIterator, Iterable
from typing import Any

import openai
import pytest
from tests.gateway import raw
from tests.gateway.house import House
from tests.http.support import until

from tokenharbor.http.client import Client, Upload
from tokenharbor.http.message import BrokenAnswer
from tokenharbor.kernel.money import Usd
from tokenharbor.simulator.surfaces import SimulatedTranscriptions, simulated_wav

pytestmark = pytest.mark.asyncio(loop_scope="session")

TRANSCRIPTIONS, EDITS = "/v1/audio/transcriptions", "/v1/images/edits"
BOUNDARY = "harbour-wall"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
SOUND = simulated_wav("ahoy") * 40  # 65,760 bytes: 66 seconds at the simulated vendor

Part = tuple[str, bytes] | tuple[str, str, bytes]


def form(*parts: Part) -> bytes:
    """Fields (name, value) and files (name, file's name, content), in this order."""
    text = b""
    for name, *rest in parts:
        file = f'; filename="{rest[0]}"' if len(rest) == 2 else ""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        content = rest[-1]
        assert isinstance(content, bytes)
        text += head + content + b"\r\n"
    return text + f"--{BOUNDARY}--\r\n".encode()


FILE: Part = ("file", "a.wav", SOUND)
SCRIBE: Part = ("model", b"scribe")


async def send(house: House, path: str, *parts: Part) -> raw.RawAnswer:
    return await house.post_form(path, form(*parts), FORM)


def wav(seconds: float) -> bytes:
    """Silence, 16,000 bytes a second."""
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(int(seconds * 16_000)))
    return written.getvalue()


async def spent(house: House) -> Usd:
    balance, held = await house.money()
    assert held == "0.000000000"
    return Usd(Usd.parse("100") - Usd.parse(balance))


# Transcripts


async def test_a_recording_is_billed_by_the_second(house: House) -> None:
    create = house.chats().audio.transcriptions.with_raw_response.create
    answer = await create(model="scribe", file=("a.wav", io.BytesIO(SOUND)))
    assert answer.parse().text == f"{len(SOUND)} bytes of sound"
    receipt = await house.receipt(answer.headers["x-request-id"])
    assert await spent(house) == Usd.parse(receipt["cost_usd"]) == Usd.parse("0.0066"), "66 seconds at 0.0001 USD"
    assert (receipt["usage"]["seconds"], receipt["usage_source"]) == (66, "vendor")
    assert receipt["hold_usd"] == "0.013300000", "at most a second for 500 bytes"


@pytest.mark.parametrize("told", [True, False], ids=["length told", "in chunks"])
@pytest.mark.parametrize(("recording", "seconds"), [(wav(5.5), 5), (b"ID3" + bytes(400_000), 2)], ids=["wav", "other"])
async def test_what_no_vendor_measured_is_billed_as_the_least_that_it_can_be(
    house: House, monkeypatch: pytest.MonkeyPatch, recording: bytes, seconds: int, told: bool
) -> None:
    """A WAV's header tells its length; of anything else a second has at most 192,000 bytes."""
    monkeypatch.setattr(SimulatedTranscriptions, "report", lambda *_: None)
    body = form(SCRIBE, ("file", "a.wav", recording))
    if told:
        said = await house.post_form(TRANSCRIPTIONS, body, FORM)
    else:
        said = await post_in_chunks(house, body)
    assert said.status == 200, said.body
    receipt = await house.receipt(said.headers["x-request-id"])
    assert (receipt["usage"]["seconds"], receipt["usage_source"]) == (seconds, "estimated")
    assert await spent(house) == Usd(Usd.parse("0.0001") * seconds) <= Usd.parse(receipt["hold_usd"])


async def test_where_no_tokens_are_told_the_words_of_the_transcript_are_counted(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SimulatedTranscriptions, "report", lambda *_: None)
    said = await send(house, TRANSCRIPTIONS, ("model", b"token-scribe"), FILE)
    receipt = await house.receipt(said.headers["x-request-id"])
    assert (receipt["usage"]["output"], receipt["usage_source"]) == (5, "estimated"), "20 letters"
    seconds = receipt["usage"]["seconds"]
    assert receipt["usage"]["audio_in"] == 10 * seconds > 0, "at least ten tokens a second"
    assert await spent(house) == Usd(Usd.parse("0.00005") + Usd.parse("0.000060") * seconds)


async def test_a_recording_is_billed_by_the_vendors_tokens(house: House) -> None:
    house.script("answer = { usage = { reasoning = 1002 } }")
    create = house.chats().audio.transcriptions.create
    answer = await create(model="token-scribe", file=("a.wav", SOUND), response_format="json")
    assert answer.usage is not None
    assert await spent(house) == Usd.parse("0.006075"), "2 tokens at 2.5, 1000 at 6, 7 at 10 USD per million"


@pytest.mark.parametrize(
    "parts", [(SCRIBE, FILE), (FILE, SCRIBE), (("language", b"en"), FILE, ("prompt", b"x"), SCRIBE)]
)
async def test_the_model_may_stand_anywhere(house: House, parts: Iterable[Part]) -> None:
    said = await send(house, TRANSCRIPTIONS, *parts)
    assert said.status == 200, said.body
    assert said.json()["text"] == f"{len(SOUND)} bytes of sound"
    (record,) = await house.seen()
    assert record.model == "alpha-scribe"
    assert await spent(house) == Usd.parse("0.0066")


async def test_only_the_models_name_is_changed_of_a_form(house: House) -> None:
    sent = form(
        ("temperature", b"0.50"), SCRIBE, ("file", "a b.wav", b"\r\n--harbour\r\n-\r"), ("include[]", b"logprobs")
    )
    said = await house.post_form(TRANSCRIPTIONS, sent, FORM)
    assert said.status == 200, said.body
    (record,) = await house.seen()
    assert record.body == sent.replace(b"scribe", b"alpha-scribe").decode()


async def post_in_chunks(house: House, body: bytes) -> raw.RawAnswer:
    """Without a word on how long it will be."""
    head = (
        f"POST {TRANSCRIPTIONS} HTTP/1.1\r\nhost: h\r\nx-api-key: {house.payer.key}\r\nconnection: close\r\n"
        f"content-type: {FORM['content-type']}\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:30_000], body[30_000:]))
    return raw.read_answer(await raw.send_bytes(house.port, head.encode() + chunks + b"0\r\n\r\n"))


@contextlib.asynccontextmanager
async def halfway(house: House, whole: bytes) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A request whose beginning a vendor has, and whose recording's end has not been sent."""
    before = house.simulator.connections
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    head = (
        f"POST {TRANSCRIPTIONS} HTTP/1.1\r\nhost: h\r\nx-api-key: {house.payer.key}\r\n"
        f"content-type: {FORM['content-type']}\r\ncontent-length: {len(whole)}\r\n\r\n"
    )
    writer.write(head.encode() + whole[:30_000])
    await until(lambda: house.simulator.connections > before)
    try:
        yield reader, writer
    finally:
        writer.close()


async def test_a_recording_passes_while_it_comes(house: House) -> None:
    whole = form(SCRIBE, FILE)
    async with halfway(house, whole) as (reader, writer):
        writer.write(whole[30_000:])
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    await house.seen()
    assert await spent(house) == Usd.parse("0.0066")


async def test_who_hangs_up_in_the_middle_of_a_recording_pays_nothing(house: House) -> None:
    async with halfway(house, form(SCRIBE, FILE)) as (_, writer):
        connections = house.simulator.connections
        writer.transport.abort()
        await until(lambda: house.simulator.connections < connections)
    await until(lambda: not house.harbor.books.releases.waiting())
    assert await spent(house) == 0
    assert await house.called() == []


async def test_what_stands_behind_a_recording_is_looked_at_all_the_same(house: House) -> None:
    whole = form(SCRIBE, FILE, ("response_format", b"text"))
    async with halfway(house, whole) as (reader, writer):
        writer.write(whole[30_000:])
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    assert await house.called() == [], "the vendor never had the whole form"
    assert await spent(house) == 0


async def test_a_recording_that_has_gone_to_one_vendor_goes_to_no_other(house: House) -> None:
    house.fail('kind = "status", status = 503')
    whole = form(SCRIBE, FILE)
    async with halfway(house, whole) as (reader, writer):
        writer.write(whole[30_000:])
        assert (await reader.readline()).startswith(b"HTTP/1.1 502")
    assert await house.called() == ["alpha"]
    assert await spent(house) == 0


async def test_a_vendor_is_not_to_blame_where_the_recording_was_still_on_its_way(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def break_off(_: Client, __: object, ___: bytes, upload: Upload, ____: object) -> None:
        asked.set()
        await upload.more()
        raise BrokenAnswer("tired of waiting")

    monkeypatch.setattr(Client, "upload", break_off)
    whole = form(SCRIBE, FILE)
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    head = (
        f"POST {TRANSCRIPTIONS} HTTP/1.1\r\nhost: h\r\nx-api-key: {house.payer.key}\r\n"
        f"content-type: {FORM['content-type']}\r\ncontent-length: {len(whole)}\r\n\r\n"
    )
    writer.write(head.encode() + whole[:30_000])
    await asyncio.wait_for(asked.wait(), 10)
    writer.write(whole[30_000:40_000])
    assert (await reader.readline()).startswith(b"HTTP/1.1 502")
    writer.close()
    assert not house.parts.health.cooling(), "or slow callers could take it from everybody"
    assert await spent(house) == 0


async def test_a_vendor_that_refuses_at_once_is_followed_by_the_next_while_the_recording_is_whole(house: House) -> None:
    house.fail('kind = "status", status = 503')
    said = await send(house, TRANSCRIPTIONS, FILE, SCRIBE)
    assert said.status == 200, said.body
    assert await house.called() == ["alpha", "beta"]


async def test_nothing_is_billed_where_the_vendor_fails(house: House) -> None:
    house.fail('kind = "status", status = 500', 'kind = "status", status = 500')
    said = await send(house, TRANSCRIPTIONS, SCRIBE, FILE)
    assert said.status >= 500
    assert await spent(house) == 0


REFUSED: list[tuple[str, tuple[Part, ...], str | None]] = [
    ("no model", (FILE,), "model"),
    ("no such model", (("model", b"scriib"), FILE), "model"),
    ("a model that chats", (("model", b"solo"), FILE), "model"),
    ("two models", (SCRIBE, SCRIBE, FILE), "model"),
    ("a second model after the recording", (SCRIBE, FILE, ("model", b"token-scribe")), "model"),
    ("a format without usage", (SCRIBE, ("response_format", b"srt"), FILE), "response_format"),
    ("the same after the recording", (SCRIBE, FILE, ("response_format", b"text")), "response_format"),
    ("a dearer tier", (SCRIBE, ("service_tier", b"priority"), FILE), "service_tier"),
    ("a stream", (SCRIBE, ("stream", b"true"), FILE), "stream"),
]


@pytest.mark.parametrize(("parts", "param"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_what_cannot_be_priced_is_refused_and_not_billed(
    house: House, parts: tuple[Part, ...], param: str | None
) -> None:
    said = await send(house, TRANSCRIPTIONS, *parts)
    assert said.status in (400, 404), said.body
    assert said.json()["error"]["param"] == param
    await house.seen()
    assert await spent(house) == 0


async def test_a_body_that_is_no_form_is_refused(house: House) -> None:
    for headers in ({}, {"content-type": "application/json"}, {"content-type": "multipart/form-data"}):
        said = await house.post_form(TRANSCRIPTIONS, form(SCRIBE, FILE), headers)
        assert said.status == 400
        assert "multipart/form-data" in json.loads(said.body)["error"]["message"]
    said = await house.post_form(TRANSCRIPTIONS, form(SCRIBE, FILE)[:-9], FORM)
    assert (said.status, await spent(house)) == (400, 0)


# Edited images


async def test_edited_images_are_billed_by_the_piece(house: House) -> None:
    edit = house.chats().images.edit
    pictures: Any = [("a.png", b"\x89PNG 1"), ("b.png", b"\x89PNG 2")]
    made = await edit(model="painter", image=pictures, prompt="add a tug", n=2, size="1024x1024", quality="hd")  # type: ignore[call-overload]  # a quality of the catalogue's
    assert len(made.data) == 2
    assert await spent(house) == Usd.parse("0.16")


async def test_what_an_edit_leaves_open_is_said_to_the_vendor(house: House) -> None:
    said = await send(house, EDITS, ("image", "a.png", b"png"), ("prompt", b"add a tug"), ("model", b"painter"))
    assert said.status == 200, said.body
    (record,) = await house.seen()
    assert 'name="size"\r\n\r\n1024x1024\r\n' in (record.body or "")
    assert 'name="quality"\r\n\r\nstandard\r\n' in (record.body or "")
    assert await spent(house) == Usd.parse("0.04")


async def test_an_edit_is_followed_by_the_next_vendor(house: House) -> None:
    house.fail('kind = "break"')
    with_openai = house.chats().images.edit
    await with_openai(model="token-painter", image=("a.png", b"png"), prompt="add a tug")
    assert await house.called() == ["alpha", "beta"]


async def test_an_edit_without_an_image_or_with_a_stream_is_refused(house: House) -> None:
    for parts, param in (
        ((("prompt", b"x"), ("model", b"painter")), "image"),
        ((("image", "a.png", b"x"), ("model", b"painter")), "prompt"),
        ((("image", "a.png", b"x"), ("prompt", b"x"), ("model", b"painter"), ("stream", b"true")), "stream"),
        ((("image", "a.png", b"x"), ("prompt", b"x"), ("model", b"painter"), ("n", b"many")), "n"),
        ((("image", "a.png", b"x"), ("prompt", b"x"), ("model", b"painter"), ("size", b"9x9")), "size"),
    ):
        said = await send(house, EDITS, *parts)
        assert (said.status, said.json()["error"]["param"]) == (400, param)
    assert await spent(house) == 0


async def test_who_cannot_pay_for_a_recording_is_told_so_before_it_goes_anywhere(house: House) -> None:
    house.payer = await house.new_payer("0")
    said = await send(house, TRANSCRIPTIONS, SCRIBE, FILE)
    assert (said.status, said.json()["error"]["code"]) == (402, "insufficient_quota")
    assert await house.called() == []


async def test_the_librarys_own_errors_name_the_field(house: House) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await house.chats().audio.transcriptions.create(model="scribe", file=("a.wav", SOUND), response_format="vtt")
    assert refused.value.param == "response_format"


VIDEO: tuple[Part, ...] = (("model", b"camera"), ("prompt", b"a boat"), ("size", b"720x1280"), ("seconds", b"4"))
PICTURE: tuple[Part, ...] = (("model", b"painter"), ("prompt", b"a boat"), ("image", "a.png", b"png"))


@pytest.mark.parametrize(
    ("part", "param"),
    [
        (("Seconds", b"60"), "Seconds"),
        (("seconds[]", b"60"), "seconds[]"),
        (("seconds[0]", b"60"), "seconds[0]"),
        (("seconds", b"60"), "seconds"),
        ((" seconds", b"60"), " seconds"),
        (("seconds%00", b"60"), "seconds%00"),
        (("se%63onds", b"60"), "se%63onds"),
        (("%53econds%5b%5D", b"60"), "%53econds%5b%5D"),
        (('seconds\\"', b"60"), 'seconds"'),
        (('\\"seconds', b"60"), '"seconds'),
        (("seconds.0", b"60"), "seconds.0"),
        (("SECONDS", "a.txt", b"60"), "SECONDS"),
        (("seconds\x00", b"60"), None),
        (("sec\x0bonds", b"60"), None),
        (("prompt2", b"a\x00b"), "prompt2"),
        (("duration", b"60"), "duration"),
        (("n", b"4"), "n"),
        (("resolution", b"4k"), "resolution"),
        (("Model", b"other"), "Model"),
        (("provider", b'{"only": ["beta"]}'), "provider"),
        (("provider[only]", b"beta"), "provider[only]"),
    ],
)
async def test_F11_a_field_that_two_readers_may_read_in_two_ways_is_refused(
    house: House, part: Part, param: str | None
) -> None:
    for parts in ((*VIDEO, part), (part, *VIDEO)):
        said = await send(house, "/v1/videos", *parts)
        assert (said.status, said.error["code"]) == (400, "invalid_request"), said.body
        assert param is None or said.error["param"] == param or part[0] == "seconds"
    assert await house.called() == []
    assert await house.money() == ("100.000000000", "0.000000000")


@pytest.mark.parametrize("name", ["N", "n[]", "Size", "quality[]", "Stream", "num_images", "IMAGE", "Mask"])
async def test_F11_of_edits_and_transcripts_as_well(house: House, name: str) -> None:
    said = await send(house, EDITS, *PICTURE, (name, b"9"))
    assert (said.status, said.error["param"]) == (400, name), said.body
    for variant in ("Response_Format", "stream[]", "File", "language[]", "file"):
        said = await send(house, TRANSCRIPTIONS, SCRIBE, FILE, (variant, b"json"))
        assert (said.status, said.error["param"]) == (400, variant), said.body
    assert await house.called() in ([], ["alpha"] * 5), "the file was on its way when the field came"


async def test_lists_in_forms_pass(house: House) -> None:
    lists: tuple[Part, ...] = (("include[]", b"logprobs"), ("include[]", b"other"), ("chunking_strategy[type]", b"x"))
    assert (await send(house, TRANSCRIPTIONS, SCRIBE, *lists, FILE)).status == 200
    pictures: tuple[Part, ...] = (("image[]", "a.png", b"png"), ("image[]", "b.png", b"png"))
    assert (await send(house, EDITS, *PICTURE[:2], *pictures)).status == 200


async def test_F11_a_content_type_that_stands_twice_is_refused(house: House) -> None:
    body = form(SCRIBE, FILE)
    types = f"content-type: {FORM['content-type']}\r\ncontent-type: multipart/form-data; boundary=other\r\n"
    head = f"POST {TRANSCRIPTIONS} HTTP/1.1\r\nhost: h\r\nx-api-key: {house.payer.key}\r\nconnection: close\r\n{types}"
    said = raw.read_answer(
        await raw.send_bytes(house.port, f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    )
    assert said.status == 400
