"""Invalid requests: the documented error in the path's dialect, with nothing billed, held or logged."""

import json
from collections.abc import Iterator

import pytest
from tests.gateway.attack import (
    CANARY,
    DIALECTS,
    EVERY_DIALECT,
    PATHS,
    body,
    check_refusal,
    check_untouched,
    in_dialect_of,
    watching_logs,
    with_raw,
)
from tests.gateway.house import House

pytestmark = pytest.mark.asyncio(loop_scope="session")


KIB = 1 << 10


DEEP = 100_000


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    with watching_logs(caplog, capfd):
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
        said = await house.post(PATHS[dialect], in_dialect_of(dialect, content))
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
        said = await house.post(PATHS[dialect], in_dialect_of(dialect, GOOD[:-1] + more + b"}"))
        assert said.status == 400, (name, said.body)
        named = in_dialect_of(dialect, b'"%b"' % param.encode()).decode().strip('"')
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


NO_GEMINI_COUNT = tuple(value for value in NO_COUNT if value not in (b"1e2", b"100.0", b'"100"'))
"""Its vendor takes whole numbers in these forms, too."""


NO_FLAG = (b"1", b"0", b'"true"', b"[]", b"{}", b"-0")


NO_TEXT = (b"1", b"true", b"[]", b"{}", b"null", b'""')


NO_LIST = (b"1", b"null", b"true", b'"x"', b"{}", b"1e400")


NO_OBJECT = (b"1", b"true", b'"x"', b"[]", b"-0", b"1e400")


NO_RULES = NO_OBJECT


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
            for count in (*NO_GEMINI_COUNT, b"0", b"-0")
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
        b'{"max_price":{"input":-1}}',
        b'{"max_price":{"input":true}}',
        b'{"max_price":{"input":[]}}',
        b'{"max_price":{"input":1e400}}',
        b'{"max_price":{"input":"1","prompt":"1"}}',
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
            said = await house.post(PATHS[dialect], in_dialect_of(dialect, with_raw(field, value)))
            assert said.status == 400, (field, value[:60], said.body)
            error = check_refusal(said, dialect, 400, "invalid_request")
            named = in_dialect_of(dialect, b'"%b"' % field.encode()).decode().strip('"')
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
