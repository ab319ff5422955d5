"""The promises of count_tokens: close to the vendors' counts for any conversation, and fast."""

import struct
import zlib
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.wire.count import estimate_tokens
from tokenharbor.wire.count.families import FAMILIES
from tokenharbor.wire.count.media import audio_seconds, pdf_glyphs, pdf_pages, picture_size
from tokenharbor.wire.count.tokenizer import MOST_CHARACTERS, CharacterKinds, measure
from tokenharbor.wire.neutral.chat import (
    AnswerFormat,
    Audio,
    Chat,
    File,
    Image,
    MediaSource,
    Message,
    Reasoning,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolResult,
)
from tokenharbor.wire.neutral.events import Note

FOX = "The quick brown fox jumps over the lazy dog."
SCHEMA = b'{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}'


def said(text: str, role: Role = Role.USER) -> Message:
    return Message(role, (Text(text),))


def user(text: str) -> Chat:
    return Chat((said(text),))


def with_parts(*parts: Image | File | Audio) -> Chat:
    return Chat((Message(Role.USER, parts),))


# Counts that the vendors' documentation shows: Anthropic's "Token counting", Google's "Understand and count tokens",
# OpenAI's reference of POST /v1/responses/input_tokens and its cookbook "How to count tokens with tiktoken".
DOCUMENTED = [
    ("claude-4", Chat((said("You are a scientist", Role.SYSTEM), said("Hello, Claude"))), 14),
    ("gemini", user(FOX), 10),
    ("o200k", user("Tell me a joke."), 11),
]


@pytest.mark.parametrize(("family", "chat", "vendor"), DOCUMENTED)
def test_documented_counts_are_met_from_3_percent_under_to_20_over(family: str, chat: Chat, vendor: int) -> None:
    assert 0.97 * vendor <= estimate_tokens(chat, family) <= 1.2 * vendor + 1


def test_the_documented_tokens_of_a_text_are_exact() -> None:
    assert measure(["tiktoken is great!"]).tokens == 6


def test_characters_are_counted_by_their_kind() -> None:
    found = measure(["Ab1\n", "é", "Яλ", "م", "ह", "北の", "한", "🚀"])
    assert found.kinds == CharacterKinds(1, 1, 1, 1, 1, 2, 1, 1, 2, 1, 1)


@pytest.mark.parametrize(("family", "least"), [("claude", 1.25), ("claude-4", 1.15), ("o200k", 1.0)])
def test_a_script_counts_as_the_familys_own_tokenizer_splits_it(family: str, least: float) -> None:
    text = "北京的天气今天很好，我们去公园散步吧。" * 20
    assert estimate_tokens(user(text), family) > least * measure([text]).tokens


def test_a_family_has_what_it_does_not_say_from_the_one_that_it_is_like() -> None:
    assert FAMILIES["claude-sonnet-5"].weights == FAMILIES["claude"].weights
    assert FAMILIES["claude-sonnet-5"].tools != FAMILIES["claude"].tools


def test_what_a_vendor_adds_for_tools_in_one_wire_is_counted_where_that_one_serves() -> None:
    chat = msgspec.structs.replace(user(FOX), tools=(Tool("get_weather", "", SCHEMA),))
    responses, completions = (estimate_tokens(chat, "o200k", wire) for wire in ("openai_responses", "openai_chat"))
    assert 80 < completions - responses < 90
    assert estimate_tokens(user(FOX), "o200k", "openai_chat") == estimate_tokens(user(FOX), "o200k")


def test_the_words_that_a_pdf_shows_count_where_its_vendor_reads_them() -> None:
    shown = b"BT (Revenue rose in every region) Tj [(and co) -20 (sts fell)] TJ <00480049> Tj ET\n" * 50
    page = b"%PDF-1.7 /Type /Page stream\n"
    pdf, scan = page + zlib.compress(shown) + b"\nendstream", page + zlib.compress(bytes(5_000)) + b"\nendstream"
    read, seen = (File(MediaSource("application/pdf", b64encode(each).decode())) for each in (pdf, scan))
    assert pdf_glyphs(b64encode(pdf).decode()) == 50 * 44
    assert estimate_tokens(with_parts(read), "o200k") > 10 * estimate_tokens(with_parts(seen), "o200k")
    assert estimate_tokens(with_parts(read), "gemini") == estimate_tokens(with_parts(seen), "gemini")


def test_a_definition_counts_once_however_often_a_schema_refers_to_it() -> None:
    place: dict[str, Any] = {
        "type": "object",
        "properties": {"street": {"type": "string"}, "city": {"$ref": "#/$defs/Place"}},
    }
    refers: dict[str, Any] = {
        "$defs": {"Place": place},
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/Place"}},
    }
    twice = {**refers, "properties": {**refers["properties"], "b": {"$ref": "#/$defs/Place"}}}
    bare = {**refers, "$defs": {}}
    for family in ("o200k", "gemini", "gemini-2"):
        tools = [Tool("a", "", msgspec.json.encode(each)) for each in (bare, refers, twice)]
        counts = [estimate_tokens(msgspec.structs.replace(user(FOX), tools=(tool,)), family) for tool in tools]
        assert counts[0] < counts[1] < counts[2] < counts[1] + 25, family


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_everything_that_is_said_counts(family: str) -> None:
    bare = user("What is the weather like?")
    call = ToolCall("call_1", "get_weather", '{"city":"Oslo"}')
    result = ToolResult("call_1", (Text("14 degrees, light rain"),))
    tool = Tool("get_weather", "Tells the weather of a city.", SCHEMA)
    replace = msgspec.structs.replace
    richer = [
        Chat((said("Be brief.", Role.SYSTEM), *bare.messages)),
        replace(bare, tools=(tool,)),
        Chat((*bare.messages, Message(Role.ASSISTANT, (call,)), Message(Role.USER, (result,)))),
        Chat((*bare.messages, Message(Role.ASSISTANT, (Reasoning("They want the weather of Oslo."), call)))),
        Chat((*bare.messages, *with_parts(File(text="A long report.", name="report.txt")).messages)),
    ]
    for chat in richer:
        assert estimate_tokens(chat, family) > estimate_tokens(bare, family), chat


def test_an_unknown_family_is_counted_as_the_default() -> None:
    assert estimate_tokens(user(FOX), "of tomorrow") == estimate_tokens(user(FOX), "default")


def test_reasoning_of_turns_gone_by_is_not_counted() -> None:
    thought = Reasoning("Paris is the capital. " * 50)
    turn = Message(Role.ASSISTANT, (thought, Text("Paris.")))
    plain = Message(Role.ASSISTANT, (Text("Paris."),))
    question, more = said("What is the capital of France?"), said("And of Norway?")
    whole, without = Chat((question, turn, more)), Chat((question, plain, more))
    assert estimate_tokens(whole, "claude") == estimate_tokens(without, "claude")


def test_a_sealed_thought_counts_where_its_own_dialect_reads_it() -> None:
    sealed = Note("gemini", "thought_signature", b"A" * 4_000)
    call = ToolCall("1", "look", "{}", notes=(sealed,))
    chat = Chat((said(FOX), Message(Role.ASSISTANT, (call,)), Message(Role.USER, (ToolResult("1", (Text("ok"),)),))))
    plain = Chat((said(FOX), Message(Role.ASSISTANT, (ToolCall("1", "look", "{}"),)), *chat.messages[2:]))
    assert estimate_tokens(chat, "gemini") - estimate_tokens(plain, "gemini") == 860
    assert estimate_tokens(chat, "claude") == estimate_tokens(plain, "claude")


def test_a_tool_that_must_be_called_and_a_schema_cost_what_vendors_add() -> None:
    chat = msgspec.structs.replace(user(FOX), tools=(Tool("get_weather", "", SCHEMA),))
    forced = msgspec.structs.replace(chat, tool_choice=ToolChoice(ToolChoiceMode.REQUIRED))
    formed = msgspec.structs.replace(chat, format=AnswerFormat(SCHEMA))
    assert estimate_tokens(chat, "claude") < estimate_tokens(forced, "claude")
    assert estimate_tokens(chat, "o200k") < estimate_tokens(formed, "o200k")


def test_spaces_in_a_schema_do_not_count() -> None:
    tight = msgspec.json.encode(msgspec.json.decode(SCHEMA))
    counts = {
        estimate_tokens(msgspec.structs.replace(user(FOX), tools=(Tool("a", "", schema),)), family)
        for schema in (SCHEMA, tight)
        for family in ("claude",)
    }
    assert len(counts) == 1


ITSELF = b'{"$defs":{"A":{"$ref":"#/$defs/A"}},"properties":{"a":{"$ref":"#/$defs/A"}},"enum":%s}'
DEEP = b"[" * 900 + b"]" * 900


@pytest.mark.parametrize(
    "schema",
    [
        b"",
        b"{",
        b"[]",
        b'{"type":"object","properties":[1],"required":2}',
        b'{"type":7,"properties":{"a":1,"b":{"items":[],"enum":3}},"$defs":[],"anyOf":{}}',
        b"[" * 5_000,
        ITSELF % DEEP,
    ],
)
def test_a_schema_of_any_shape_is_counted(schema: bytes) -> None:
    for family in FAMILIES:
        assert estimate_tokens(msgspec.structs.replace(user("a"), tools=(Tool("a", "", schema),)), family) > 0


@given(st.text(max_size=200), st.sampled_from(sorted(FAMILIES)))
def test_any_text_counts_and_more_text_counts_no_less_than_most_of_it(text: str, family: str) -> None:
    assert 0 < estimate_tokens(user(text), family) <= estimate_tokens(Chat((said(text), said(text))), family)


def test_half_a_surrogate_pair_is_counted() -> None:
    assert estimate_tokens(user("a\ud800b"), "o200k") > 0


def test_very_long_texts_are_sampled_and_come_out_near_the_whole() -> None:
    text = "".join(
        f"{number}: the {number % 7}th order of {number * 31 % 997} pieces was shipped from Oslo 北京 today\n"
        for number in range(20_000)
    )
    assert len(text) > 4 * MOST_CHARACTERS
    pieces = [text[start : start + MOST_CHARACTERS // 2] for start in range(0, len(text), MOST_CHARACTERS // 2)]
    whole = sum(measure([piece]).tokens for piece in pieces)
    assert measure([text]).tokens == pytest.approx(whole, rel=0.02)
    assert measure(pieces).tokens == pytest.approx(whole, rel=0.02)


# ---- media


def png(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def jpeg(width: int, height: int) -> bytes:
    preview = b"\xff\xe1" + struct.pack(">H", 5_002) + bytes(5_000)
    table = b"\xff\xc4" + struct.pack(">H", 4) + bytes(2)
    return b"\xff\xd8" + preview + table + b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(3)


def webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 100) + b"WEBP" + kind + struct.pack("<I", len(body)) + body


def webp_lossy(width: int, height: int) -> bytes:
    return webp(b"VP8 ", b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", width, height))


def webp_lossless(width: int, height: int) -> bytes:
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14))


def webp_extended(width: int, height: int) -> bytes:
    return webp(b"VP8X", bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


@pytest.mark.parametrize("draw", [png, jpeg, gif, webp_lossy, webp_lossless, webp_extended])
def test_a_pictures_size_is_read_from_its_head(draw: Callable[[int, int], bytes]) -> None:
    head = draw(1_920, 1_080)
    assert picture_size(b64encode(head + bytes(200_000)).decode()) == (1_920, 1_080)
    for length in range(len(head)):
        assert picture_size(b64encode(head[:length]).decode()) in {None, (1_920, 1_080)}


@given(st.text(max_size=100))
def test_what_is_no_picture_has_no_size(data: str) -> None:
    assert picture_size(data) is None
    assert pdf_pages(data) >= 1
    assert pdf_glyphs(data) >= 0
    assert audio_seconds("audio/mp3", data) >= 0


# Anthropic's and OpenAI's vision guides and Google's token guide give the formulas; these are their results.
@pytest.mark.parametrize(
    ("family", "width", "height", "tokens"),
    [
        ("claude-4", 1_024, 1_024, 1_369),
        ("claude", 1_920, 1_080, 2_691),
        ("o200k", 1_024, 1_024, 1_229),
        ("o200k-tiles", 1_024, 1_024, 765),
        ("o200k-tiles", 2_048, 4_096, 1_105),
        ("gemini-2", 640, 480, 258),
    ],
)
def test_pictures_count_by_their_vendors_formulas(family: str, width: int, height: int, tokens: int) -> None:
    picture = Image(MediaSource("image/png", b64encode(png(width, height)).decode()))
    empty = estimate_tokens(Chat((Message(Role.USER, ()),)), family)
    assert estimate_tokens(with_parts(picture), family) - empty == pytest.approx(tokens, abs=1)


def test_a_huge_picture_is_shrunk_and_one_at_an_address_guessed() -> None:
    huge = Image(MediaSource("image/png", b64encode(png(12_000, 9_000)).decode()))
    elsewhere = Image(MediaSource(url="https://example.com/a.png"))
    assert estimate_tokens(with_parts(huge), "claude-4") < 1_700
    assert estimate_tokens(with_parts(elsewhere), "claude-4") > 1_000


def test_a_pdf_counts_by_its_pages_a_text_by_its_words_and_sound_by_its_length() -> None:
    pdf = b"%PDF-1.7 /Type /Pages /Count 3 " + b"/Type /Page " * 3
    wav = b"RIFF" + bytes(4) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16) + bytes(320_000)
    text = File(MediaSource("text/plain", b64encode(FOX.encode()).decode()))
    assert pdf_pages(b64encode(pdf).decode()) == 3
    assert audio_seconds("audio/wav", b64encode(wav).decode()) == pytest.approx(10, rel=0.01)
    assert estimate_tokens(with_parts(text), "o200k") == estimate_tokens(user(FOX), "o200k")
