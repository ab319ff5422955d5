"""Whatever a caller sends: the contract's error in the dialect of the path, nothing billed, held or logged."""

import asyncio
import json
from collections.abc import Iterator

import pytest
from tests.gateway import raw
from tests.gateway.attack import (
    CANARY,
    DIALECTS,
    EVERY_DIALECT,
    PATHS,
    UNTOUCHED,
    body,
    check_refusal,
    check_untouched,
    counting_server,
    in_words_of,
    send,
    server,
    watching,
    with_raw,
)
from tests.gateway.house import ANSWER, HELLO, House
from tests.gateway.raw import Said
from tests.http.support import until

from tokenharbor.http.message import Limits

pytestmark = pytest.mark.asyncio(loop_scope="session")

KIB = 1 << 10
DEEP = 100_000


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    with watching(caplog, capfd):
        yield


# ---- bodies that are no request

GOOD = body()
UNREADABLE: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \r\n\t ",
    "half": GOOD[: len(GOOD) // 2],
    "all but the brace": GOOD[:-1],
    "more after it": GOOD + b"{}",
    "twice": GOOD * 2,
    "a comma too many": GOOD[:-1] + b",}",
    "a comment": b"/* " + CANARY.encode() + b" */" + GOOD,
    "single quotes": GOOD.replace(b'"', b"'"),
    "bare names": b"{model: 1}",
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "UTF-16 without a mark": GOOD.decode().encode("utf-16-le"),
    "NUL before": b"\0" + GOOD,
    "NUL after": GOOD + b"\0",
    "NUL in a string": GOOD.replace(CANARY.encode(), CANARY.encode() + b"\0"),
    "a control character": GOOD.replace(CANARY.encode(), CANARY.encode() + b"\x1f"),
    "a bare line feed in a string": GOOD.replace(CANARY.encode(), CANARY.encode() + b"\n"),
    "bad UTF-8": GOOD.replace(CANARY.encode(), CANARY.encode() + b"\xff"),
    "bad UTF-8 in a key": GOOD[:-1] + b',"\xff":1}',
    "half of a character": GOOD.replace(CANARY.encode(), CANARY.encode() + b"\xe4\xbd"),
    "an overlong slash": GOOD.replace(CANARY.encode(), CANARY.encode() + b"\xc0\xaf"),
    "a surrogate in UTF-8": GOOD.replace(CANARY.encode(), b"\xed\xa0\x80"),
    "a lone surrogate": GOOD.replace(CANARY.encode(), rb"\ud800"),
    "a low surrogate": GOOD.replace(CANARY.encode(), rb"\udc00x"),
    "a surrogate in a key": GOOD[:-1] + rb',"\ud83d":1}',
    "a bad escape": GOOD.replace(CANARY.encode(), rb"\q"),
    "NaN": GOOD[:-1] + b',"seed":NaN}',
    "infinity": GOOD[:-1] + b',"seed":-Infinity}',
    "a number with a zero before": GOOD[:-1] + b',"seed":01}',
    "a plus": GOOD[:-1] + b',"seed":+1}',
    "hexadecimal": GOOD[:-1] + b',"seed":0x10}',
    "null": b"null",
    "true": b"true",
    "a number": b"1e400",
    "a string": json.dumps(CANARY).encode(),
    "an array": b"[" + GOOD + b"]",
    "an empty array": b"[]",
    "a form": b"model=solo&messages=" + CANARY.encode(),
    "a page": b"<html>" + CANARY.encode() + b"</html>",
    "deep arrays": b"[" * DEEP + b"]" * DEEP,
    "deep arrays without end": b"[" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep in a field": with_raw("metadata", b"[" * DEEP + b"]" * DEEP),
    "deep in an unknown field": with_raw("novel", b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    "deep in the messages": with_raw("messages", b"[" * DEEP + b"]" * DEEP),
    "deep in content": with_raw("messages", b'[{"role":"user","content":' + b"[" * DEEP + b"]" * DEEP + b"}]"),
    "deep in our own field": with_raw("provider", b'{"only":' + b"[" * DEEP + b"]" * DEEP + b"}"),
    "deep in the tools": with_raw("tools", b'[{"a":' + b"[" * DEEP + b"]" * DEEP + b"}]"),
}


@EVERY_DIALECT
async def test_a_body_that_is_no_request(house: House, dialect: str) -> None:
    for name, content in UNREADABLE.items():
        said = await house.post(PATHS[dialect], in_words_of(dialect, content))
        assert said.status == 400, (name, said.body)
        check_refusal(said, dialect, 400, "invalid_request")
    await check_untouched(house)


# ---- keys that two readers may see in two ways

REPEATED = {
    "the model": (b',"model":"solo"', "model"),
    "the model in escapes": (rb',"mod\u0065l":"duo"', "model"),
    "the maximum": (b',"max_tokens":1000000', "max_tokens"),
    "the maximum after blanks": (b' , "max_tokens" : 1', "max_tokens"),
    "the messages": (b',"messages":[]', "messages"),
    "what is unknown": (b',"novel":1,"novel":1', "novel"),
    "a stream": (b',"stream":true,"stream":false', "stream"),
    "our own field": (b',"provider":{},"provider":{"only":["beta"]}', "provider"),
}
VARIANTS = {
    "Model": "Model",
    "MAX_TOKENS": "MAX_TOKENS",
    "Max_Tokens": "Max_Tokens",
    "Stream": "Stream",
    "\u017ftream": "\u017ftream",  # a long s, which some readers take for an s
    "Provider": "Provider",
    "USAGE": "USAGE",
    "Cache": "Cache",
    "Tools": "Tools",
    "Service_Tier": "Service_Tier",
}


@EVERY_DIALECT
async def test_a_repeated_key(house: House, dialect: str) -> None:
    for name, (more, param) in REPEATED.items():
        said = await house.post(PATHS[dialect], in_words_of(dialect, GOOD[:-1] + more + b"}"))
        assert said.status == 400, (name, said.body)
        named = in_words_of(dialect, b'"%b"' % param.encode()).decode().strip('"')
        check_refusal(said, dialect, 400, "invalid_request", named)
    await check_untouched(house)


@DIALECTS
async def test_a_key_that_differs_in_case(house: House, dialect: str) -> None:
    for name, param in VARIANTS.items():
        check_refusal(await house.post(PATHS[dialect], body(**{name: None})), dialect, 400, "invalid_request", param)
    twice = body(novel=1, Novel=2)
    check_refusal(await house.post(PATHS[dialect], twice), dialect, 400, "invalid_request", "Novel")
    await check_untouched(house)


@DIALECTS
@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("provider", b'{"ignore":["alpha"],"ignore":[]}', "provider"),
        ("provider", b'{"max_price":{"input":"0.01","input":"9"}}', "provider.max_price"),
        ("provider", rb'{"only":["beta"],"\u006fnly":["alpha"]}', "provider"),
        ("provider", b'{"Only":["alpha"]}', "provider.Only"),
        ("provider", b'{"max_price":{"Input":"1"}}', "provider.max_price.Input"),
        ("cache", b'{"exact":true,"exact":false}', "cache"),
        ("cache", b'{"Exact":true}', "cache.Exact"),
        ("usage", b'{"include":false,"include":true}', "usage"),
        ("usage", b'{"INCLUDE":true}', "usage.INCLUDE"),
    ],
)
async def test_our_own_fields_have_each_name_once(
    house: House, dialect: str, field: str, value: bytes, param: str
) -> None:
    check_refusal(await house.post(PATHS[dialect], with_raw(field, value)), dialect, 400, "invalid_request", param)
    await check_untouched(house)


# ---- wrong types and numbers

LARGE = (b"1" + b"0" * 30, b"9223372036854775808", b"-9223372036854775809", b"9" * 5_000, b"1e400", b"-1e400", b"1e2")
NO_COUNT = (*LARGE, b"-1", b"1.5", b"100.0", b'"100"', b"true", b"[100]", b"{}", b'""')
NO_FLAG = (b"1", b"0", b'"true"', b"[]", b"{}", b"-0")
NO_TEXT = (b"1", b"true", b"[]", b"{}", b"null", b'""')
NO_LIST = (b"1", b"null", b"true", b'"x"', b"{}", b"1e400")
NO_OBJECT = (b"1", b"true", b'"x"', b"[]", b"-0", b"1e400")
NO_RULES = (*NO_OBJECT, b"null")
NO_NAMES = (b'{"%b":1}', b'{"%b":"alpha"}', b'{"%b":[1]}', b'{"%b":[null]}', b'{"%b":{}}', b'{"%b":[["alpha"]]}')
WRONG: dict[str, dict[str, tuple[bytes, ...]]] = {
    "chat": {
        "model": NO_TEXT,
        "messages": (*NO_LIST, b"[[]]", b'[{"role":"user","content":[1]}]', b'[{"content":[{"type":[]}]}]'),
        "stream": NO_FLAG,
        "max_tokens": (*NO_COUNT, b"0", b"-0"),
        "max_completion_tokens": (*NO_COUNT, b"0", b"-0"),
        "n": (*NO_COUNT, b"0", b"129", b"1000000000"),
        "stream_options": (*NO_OBJECT, b'{"include_usage":1}', b'{"include_usage":true,"include_usage":false}'),
        "tools": (b"1", b'"x"', b"{}", b"[1]", b"[[]]", b"[null]", b'[{"type":1}]', b'[{"type":"search"}]'),
    },
    "response": {
        "model": NO_TEXT,
        "messages": (
            b"1",
            b"null",
            b"true",
            b"{}",
            b"[[]]",
            b"[1]",
            b'[{"content":[1]}]',
            b'[{"type":"item_reference"}]',
        ),
        "stream": NO_FLAG,
        "max_tokens": (*NO_COUNT, b"0", b"-0"),
        "store": (b"true", b"1", b'"x"'),
        "previous_response_id": (b'"resp_1"', b"1"),
        "tools": (b"1", b'"x"', b"{}", b"[1]", b"[[]]", b"[null]", b'[{"type":1}]', b'[{"type":"mcp"}]'),
    },
    "message": {
        "model": NO_TEXT,
        "messages": (*NO_LIST, b"[[]]", b'[{"role":"user","content":[1]}]', b'[{"content":[{"type":[]}]}]'),
        "stream": NO_FLAG,
        "max_tokens": (*NO_COUNT, b"null"),
        "system": (b"[1]", b"[[]]", b'[{"cache_control":1}]'),
        "cache_control": (b"1", b"[]", b'"x"', b'{"ttl":1}'),
        "tools": (b"1", b'"x"', b"{}", b"[1]", b"[[]]", b"[null]", b'[{"type":1}]', b'[{"type":"code_execution_1"}]'),
        "context_management": (b"1", b"[]", b'{"edits":[{"type":"compact"}]}', b'{"edits":1}'),
    },
}
WRONG["gemini"] = {
    "model": (b"1", b"true", b"[]", b"{}", b'""', b'"duo"', b'"models/duo"'),
    "messages": (*NO_LIST, b"[[]]", b"[1]", b'[{"parts":1}]', b'[{"parts":[1]}]', b'[{"parts":[{"inlineData":[]}]}]'),
    "systemInstruction": (b"1", b'"x"', b'{"parts":[1]}'),
    "generationConfig": (
        *NO_OBJECT,
        *(
            b'{"%b":%b}' % (name, count)
            for name in (b"maxOutputTokens", b"max_output_tokens", b"candidateCount")
            for count in (*NO_COUNT, b"0", b"-0")
        ),
        b'{"maxOutputTokens":1,"max_output_tokens":2}',
        b'{"maxOutputTokens":1,"maxOutputTokens":2}',
        b'{"responseModalities":["AUDIO"]}',
        b'{"responseModalities":"TEXT"}',
        b'{"speechConfig":{"voiceConfig":{}}}',
        b'{"routingConfig":{"autoMode":{}}}',
    ),
    "cachedContent": (b'"cachedContents/x"', b"1"),
    "store": (b"true", b"1"),
    "serviceTier": (b'"flex"', b'"priority"', b"1"),
    "tools": (b"1", b'"x"', b"{}", b"[1]", b"[[]]", b"[null]", b'[{"googleSearch":{}}]', b'[{"code_execution":{}}]'),
}
OURS: dict[str, tuple[bytes, ...]] = {
    "provider": (
        *NO_RULES,
        *(rules.replace(b"%b", name) for rules in NO_NAMES for name in (b"only", b"ignore", b"order")),
        b'{"region":1}',
        b'{"sort":"cheapest"}',
        b'{"retention":"for ever"}',
        b'{"retention":"days:-1"}',
        b'{"retention":"days:\xc2\xb2"}',
        b'{"retention":"days:' + b"9" * 5_000 + b'"}',
        b'{"max_price":1}',
        b'{"max_price":{"input":1}}',
        b'{"max_price":{"input":1e400}}',
        *(
            b'{"max_price":{"output":"%b"}}' % price
            for price in (b"-1", b"NaN", b"inf", b"1e3", b"x", b"", b"1" * 5_000)
        ),
        b'{"price":"low"}',
    ),
    "cache": (*NO_RULES, b'{"exact":1}', b'{"exact":"true"}', b'{"semantic":[]}', b'{"everything":true}'),
    "usage": (*NO_RULES, b'{"include":1}', b'{"include":null}', b'{"include":"yes"}', b'{"cost":true}'),
}


@EVERY_DIALECT
async def test_wrong_types_and_numbers_are_refused_by_name(house: House, dialect: str) -> None:
    for field, values in (*WRONG[dialect].items(), *OURS.items()):
        for value in values:
            said = await house.post(PATHS[dialect], in_words_of(dialect, with_raw(field, value)))
            assert said.status == 400, (field, value[:60], said.body)
            error = check_refusal(said, dialect, 400, "invalid_request")
            named = in_words_of(dialect, b'"%b"' % field.encode()).decode().strip('"')
            assert str(error.get("param")).startswith(named), (field, value[:60], error)
    await check_untouched(house)


@DIALECTS
async def test_names_that_are_told_back_are_cut(house: House, dialect: str) -> None:
    long = "n" * 300_000
    for wrong in (
        body(**{long: 1, long.upper(): 1}),
        body(provider={long: 1}),
        body(provider={"max_price": {long: 1}}),
        body(provider={"sort": long}),
        body(provider={"retention": long}),
        body(cache={long: True}),
        b'{"%b":1,"%b":2}' % (long.encode(), long.encode()),
    ):
        check_refusal(await house.post(PATHS[dialect], wrong), dialect, 400, "invalid_request")
    await check_untouched(house)


@DIALECTS
async def test_rules_have_so_many_names_and_no_more(house: House, dialect: str) -> None:
    for field in ("only", "ignore", "order"):
        many = body(provider={field: [f"p{number}" for number in range(10_000)]})
        check_refusal(await house.post(PATHS[dialect], many), dialect, 400, "invalid_request", f"provider.{field}")
        long = body(provider={field: ["p" * 10_000]})
        check_refusal(await house.post(PATHS[dialect], long), dialect, 400, "invalid_request")
    await check_untouched(house)


# ---- sizes and framing

SMALL = Limits(body=64 * KIB, buffered=96 * KIB, head_seconds=0.2, body_seconds=0.2)
LARGE_BODY = body(novel="x" * 65 * KIB)


def chunked(content: bytes, size: int = 4_000) -> bytes:
    pieces = (content[start : start + size] for start in range(0, len(content), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@DIALECTS
@pytest.mark.parametrize("how", ["length", "chunks", "chunks without end", "length alone", "length, and continue"])
async def test_a_body_over_the_limit(house: House, dialect: str, how: str) -> None:
    lines, content = {
        "length": (f"content-length: {len(LARGE_BODY)}\r\n", LARGE_BODY),
        "chunks": ("transfer-encoding: chunked\r\n", chunked(LARGE_BODY)),
        "chunks without end": ("transfer-encoding: chunked\r\n", chunked(LARGE_BODY)[:-7]),
        "length alone": ("content-length: 65537\r\n", b""),
        "length, and continue": ("content-length: 65537\r\nexpect: 100-continue\r\n", b""),
    }[how]
    async with server(house, SMALL) as port:
        said = await send(port, PATHS[dialect], house.payer.key, lines, content)
    check_refusal(said, dialect, 413, "request_too_large")
    assert said.headers["connection"] == "close"
    await check_untouched(house)


@DIALECTS
async def test_the_limit_in_force_is_32_mib(house: House, dialect: str) -> None:
    for length in ((32 << 20) + 1, 1 << 60, (1 << 64) - 1):
        said = await send(house.port, PATHS[dialect], house.payer.key, f"content-length: {length}\r\n", b"")
        check_refusal(said, dialect, 413, "request_too_large")
    await check_untouched(house)


@DIALECTS
async def test_chunks_may_be_small_but_not_without_end(house: House, dialect: str) -> None:
    """Each costs us far more than it costs whoever sends it."""
    lines = "transfer-encoding: chunked\r\n"
    said = await send(house.port, PATHS[dialect], house.payer.key, lines, chunked(body(user="x" * 500), size=1))
    assert said.status == 200, said.body
    await house.begin()
    large = body(user="x" * 40 * KIB)
    said = await send(house.port, PATHS[dialect], house.payer.key, lines, chunked(large, size=1))
    check_refusal(said, dialect, 400, "invalid_request")
    await check_untouched(house)
    said = await send(house.port, PATHS[dialect], house.payer.key, lines, chunked(large, size=100))
    assert said.status == 200, said.body


@DIALECTS
@pytest.mark.parametrize(
    "garbage",
    [
        b"ten\r\n" + GOOD,
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"5\r\nhello world\r\n0\r\n\r\n",
        b"\r\n\r\n",
        b"ffffffffffffffffff\r\n",
        b"5;" + b"x" * 5_000 + b"\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\n" + b"a: b\r\n" * 5_000 + b"\r\n",
    ],
)
async def test_chunks_that_are_none(house: House, dialect: str, garbage: bytes) -> None:
    said = await send(house.port, PATHS[dialect], house.payer.key, "transfer-encoding: chunked\r\n", garbage)
    check_refusal(said, dialect, 400, "invalid_request")
    await check_untouched(house)


@DIALECTS
async def test_a_body_that_stops_coming_is_given_up(house: House, dialect: str) -> None:
    async with server(house, SMALL) as port:
        head = f"POST {PATHS[dialect]} HTTP/1.1\r\nhost: harbor\r\nx-api-key: {house.payer.key}\r\n"
        for lines, begun in (
            (f"content-length: {len(GOOD)}\r\n", GOOD[:-1]),
            ("transfer-encoding: chunked\r\n", chunked(GOOD)[:-3]),
        ):
            assert await raw.say(port, f"{head}{lines}\r\n".encode() + begun) == b""
    await check_untouched(house)


async def test_large_bodies_together_are_bounded(house: House) -> None:
    """By what has come of them: whoever only says that much will come keeps nobody out."""
    async with counting_server(house, Limits(body=64 * KIB, buffered=96 * KIB)) as (port, buffered):
        lines = f"content-length: {60 * KIB}\r\n"
        idle = [await begin(port, house.payer.key, lines, b"") for _ in range(20)]
        length = f"content-length: {len(GOOD)}\r\n"
        assert (await send(port, PATHS["chat"], house.payer.key, length, GOOD)).status == 200
        busy = [await begin(port, house.payer.key, lines, b"x" * 46 * KIB) for _ in range(2)]
        await until(lambda: buffered() >= 92 * KIB)
        said = await send(port, PATHS["chat"], house.payer.key, lines, b"x" * 59 * KIB)
        check_refusal(said, "chat", 503, "unavailable")
        assert said.headers["retry-after"] == "1"
        for writer in (*idle, *busy):
            writer.close()
            await writer.wait_closed()
        await until(lambda: not buffered())
        assert (await send(port, PATHS["chat"], house.payer.key, length, GOOD)).status == 200


async def begin(port: int, key: str, lines: str, content: bytes) -> asyncio.StreamWriter:
    """A request whose body is wanted, of which so much is sent and no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {PATHS['chat']} HTTP/1.1\r\nhost: harbor\r\nx-api-key: {key}\r\n{lines}expect: 100-continue\r\n\r\n"
    writer.write(head.encode())
    assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
    writer.write(content)
    await writer.drain()
    return writer


@DIALECTS
async def test_an_encoded_body(house: House, dialect: str) -> None:
    for encoding in ("gzip", "br", "deflate", "zstd", "x-novel", "gzip, identity", ""):
        said = await house.post(PATHS[dialect], GOOD, {"content-encoding": encoding})
        check_refusal(said, dialect, 415, "unsupported_encoding")
    await check_untouched(house)


@DIALECTS
async def test_the_content_type_is_not_what_makes_it_json(house: House, dialect: str) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "\xff", ""):
        for content, status in ((GOOD, 200), (b"--x\r\n" + GOOD, 400)):
            lines = f"content-type: {kind}\r\ncontent-length: {len(content)}\r\n"
            said = await send(house.port, PATHS[dialect], house.payer.key, lines, content)
            assert said.status == status, said.body


@DIALECTS
async def test_an_upgrade_is_refused_at_once(house: House, dialect: str) -> None:
    lines = "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: x\r\n"
    check_refusal(await send(house.port, PATHS[dialect], house.payer.key, lines, b""), dialect, 426, "upgrade_required")


# ---- ends


@DIALECTS
async def test_after_all_this_an_ordinary_request_is_served(house: House, dialect: str) -> None:
    house.script(ANSWER)
    said: Said = await house.post(PATHS[dialect], body(messages=HELLO))
    assert said.status == 200
    assert (await house.money()) != UNTOUCHED
