"""The upper bound on tokens of text: held against the installed tokenizers, and never derived from media."""

import base64
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenharbor.wire import DIALECTS
from tokenharbor.wire.count.most_tokens import most_tokens, without
from tokenharbor.wire.count.o200k import O200K, load
from tokenharbor.wire.neutral.dialect import ModelInPath
from tokenharbor.wire.neutral.request import InputSize

TOKENIZERS = (O200K, load("cl100k_base"))
LETTERS = "abcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"
SIGNS = "!#$%&'()*+,-./:;<=>?@[]^_`{|}~\"\\"
SCRIPTS = {
    "lower": LETTERS,
    "words": LETTERS + "  ",
    "upper": LETTERS.upper(),
    "mixed": LETTERS + LETTERS.upper() + DIGITS,
    "digits": DIGITS,
    "numbers": DIGITS + " ",
    "signs": SIGNS,
    "signs and words": SIGNS + LETTERS + " ",
    "base64": LETTERS + LETTERS.upper() + DIGITS + "+/",
    "hexadecimal": "0123456789abcdef",
    "space": " \t\n\r",
    "controls": "".join(map(chr, range(1, 32))),
    "latin": "".join(map(chr, range(0xC0, 0x250))),
    "marks": "".join(map(chr, range(0x300, 0x370))),
    "greek": "".join(map(chr, range(0x391, 0x3CA))),
    "cyrillic": "".join(map(chr, range(0x400, 0x530))),
    "arabic": "".join(map(chr, range(0x600, 0x700))),
    "devanagari": "".join(map(chr, range(0x900, 0x980))),
    "tibetan": "".join(map(chr, range(0xF00, 0xFD0))),
    "kana": "".join(map(chr, range(0x3041, 0x30FF))),
    "han": "".join(map(chr, range(0x4E00, 0x9FFF))),
    "rare han": "".join(map(chr, range(0x20000, 0x20400))),
    "hangul": "".join(map(chr, range(0xAC00, 0xD7A3))),
    "private use": "".join(map(chr, range(0xE000, 0xE200))),
    "emoji": "".join(map(chr, range(0x1F300, 0x1F650))),
    "tags": "".join(map(chr, range(0xE0020, 0xE007F))),
}
RUNS = [
    "a",
    "z",
    "Q",
    "0",
    ".",
    "~",
    "_",
    "\\",
    "|",
    " ",
    "\n",
    "\r\n",
    "é",
    "中",
    "😀",
    "\U000e0041",
    "a.",
    "q ",
    "Ab",
]
PLACE = ModelInPath("m", stream=False)


def count(text: str) -> int:
    return max(tokenizer.count(text) for tokenizer in TOKENIZERS)


def bounds(text: str) -> tuple[int, int]:
    """The bounds of JSON as it is, and with escapes."""
    return tuple(most_tokens(json.dumps(text, ensure_ascii=ascii_).encode()) for ascii_ in (False, True))  # type: ignore[return-value]


def test_F9_no_script_has_more_tokens_than_the_bound() -> None:
    chance = random.Random(9)
    for name, letters in SCRIPTS.items():
        text = "".join(chance.choices(letters, k=1_500))
        assert count(text) <= min(bounds(text)), name
    for run in RUNS:
        assert count(run * 700) <= min(bounds(run * 700)), run
    text = base64.b64encode(chance.randbytes(2_000)).decode()
    assert count(text) <= min(bounds(text))


def test_F9_what_is_usual_is_held_for_no_more_than_twice_its_tokens() -> None:
    """English and JSON: 0.45 to 0.55 tokens a byte, where the newest families count 0.37 to 0.45."""
    english = (
        "The harbour is open. A ship that carries timber and salt will leave for the north on the first of May. " * 20
    )
    assert most_tokens(english.encode()) < 0.46 * len(english)
    schema = {"type": "object", "properties": {"city": {"type": "string", "description": "The name of the city"}}}
    assert most_tokens(written := json.dumps([schema] * 20).encode()) < 0.52 * len(written)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(st.text(max_size=60), st.sampled_from(["naïve 北京 ", "def f(x): return x\n", "👩‍👩‍👧 "])), max_size=9
    )
)
def test_F9_a_requests_bound_is_no_less_than_any_installed_tokenizers_count(texts: list[str]) -> None:
    """Generated requests in each dialect, with tools and media, with any escapes."""
    chat = [{"role": "user", "content": text} for text in texts] or [{"role": "user", "content": "a"}]
    picture = "data:image/png;base64," + "QUJD" * 90
    seen = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": picture}}]}]
    tools = [{"type": "function", "function": {"name": "f", "description": text, "parameters": {}}} for text in texts]
    ways: list[tuple[str, dict[str, Any]]] = [
        ("openai_chat", {"model": "m", "messages": chat + seen, "tools": tools}),
        ("openai_responses", {"model": "m", "input": chat}),
        ("anthropic_messages", {"model": "m", "max_tokens": 1, "messages": chat, "system": "".join(texts)}),
        ("gemini", {"contents": [{"role": "user", "parts": [{"text": each["content"]}]} for each in chat]}),
    ]
    for dialect, body in ways:
        sent = texts * 2 if "tools" in body or "system" in body else texts
        tokens = sum(map(count, sent))
        for ascii_ in (False, True):
            try:
                data = json.dumps(body, ensure_ascii=ascii_).encode()
            except UnicodeEncodeError:  # half a character
                continue
            request = DIALECTS[dialect].read_request(data, PLACE if dialect == "gemini" else None)
            assert tokens <= request.size.text_tokens, (dialect, ascii_)


def _chat(url: str) -> bytes:
    part = {"type": "image_url", "image_url": {"url": url}}
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": [part]}]}).encode()


def test_F9_inlined_media_are_not_counted_as_text_however_they_are_escaped() -> None:
    chance = random.Random(9)
    url = "data:image/png;base64," + base64.b64encode(chance.randbytes(90_000)).decode()
    plain = _chat(url)
    bare = len(plain) - len(url)
    for data in (plain, plain.replace(b"/", b"\\/"), plain.replace(b"+", b"\\u002B")):
        size: InputSize = DIALECTS["openai_chat"].read_request(data).size
        assert size.text_tokens < bare + 96, data[-40:]


def test_F9_text_that_looks_like_a_medium_is_not_left_out() -> None:
    run = "A" * 300
    body = b'{"text":"%b and more","data":"%b"}' % (run.encode(), run.encode())
    assert without(body, [run]) == b'{"text":"%b and more","data":""}' % run.encode()
    assert without(body, [run, run]) == b'{"text":"%b and more","data":""}' % run.encode()
    assert without(body, ["B" * 300, "short"]) == body


@pytest.mark.parametrize("length", [0, 1, 2_399, 2_400, 2_401, 10_000])
def test_F9_long_texts_are_added_up_in_pieces(length: int) -> None:
    assert most_tokens(b"~" * length) == -(-18 * length // 16)
    assert most_tokens("é".encode() * length) == 2 * length
