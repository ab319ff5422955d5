"""The same dialect on both sides: bytes pass unchanged in both directions, apart from a few edits."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.house import CHAT, MESSAGES, RESPONSES, House, credential_of
from tests.gateway.raw import RawAnswer
from tests.gateway.tape import JSON

pytestmark = pytest.mark.asyncio(loop_scope="session")

GEMINI = "/v1beta/models/tape:generateContent"
PATHS = {"openai_chat": CHAT, "openai_responses": RESPONSES, "anthropic_messages": MESSAGES, "gemini": GEMINI}
TAPES = {
    f"{tape.parent.name}-{tape.stem}": (PATHS[tape.parent.name], tape.read_bytes())
    for tape in sorted((Path(__file__).parent.parent / "tapes").glob("*/*.sse"))
    if tape.parent.name in PATHS
}
"""Vendors' streams: the path that asks for each, and its bytes."""

BAD = [name for name in TAPES if "-error" in name or "-cut_off" in name or "-malformed_call" in name]
GOOD = [name for name in TAPES if name not in BAD]
TEXTS = {path: TAPES[f"{dialect}-text"][1] for dialect, path in PATHS.items()}

WHOLE_CHAT = (
    b' {"id" : "c\\u00e91", "object":"chat.completion","created":1,"model":"vendor-model","x_unknown":[1, 2.50,1e400],'
    b'\n"choices":[{"index":0,"message":{"role":"assistant","content":"\xe2\x80\x94 \\/"},"finish_reason":"stop"}],'
    b'"usage" :{"prompt_tokens":10,"completion_tokens":4 ,"total_tokens":14, "vendor_extra":{"a":null}} }\n\n'
)
WHOLE_MESSAGE = (
    b'{\t"type":"message","id":"msg_1","role":"assistant","model":"vendor-model","content":[{"type":"text",'
    b'"text":"Ahoy","x":-0.0}],"stop_reason":"end_turn","stop_sequence":null,'
    b'"usage":{"input_tokens":10,"output_tokens": 4},"later_field":{"deep":[{}]}}'
)
WHOLE_RESPONSE = (
    b'\n{ "id":"resp_1", "object" :"response","status":"completed","error": null,"model":"vendor-model","output":[ '
    b'{"type":"later_item","x":1e400},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"\\/"}]}'
    b'],"usage": {"input_tokens":10,"output_tokens":4 , "total_tokens":14}, "later_field":[{}] }'
)
WHOLE_GEMINI = (
    b'{\n "candidates" : [{"content":{"role":"model","parts":[{"text":"\\u2014 \\/","laterField":1e400}]},'
    b'"finishReason": "STOP","index":0}],\n"usageMetadata" : {"promptTokenCount":10,"candidatesTokenCount":4 ,'
    b'"totalTokenCount":14,"later":[{}]},"modelVersion":"vendor-model", "responseId":"r1"}\n'
)
WHOLES = {CHAT: WHOLE_CHAT, RESPONSES: WHOLE_RESPONSE, MESSAGES: WHOLE_MESSAGE, GEMINI: WHOLE_GEMINI}
EACH = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


def body(path: str, **more: Any) -> dict[str, Any]:
    said = [{"role": "user", "content": "hello"}]
    asked: dict[str, Any] = {"model": "tape", "messages": said, "max_tokens": 100}
    if path == RESPONSES:
        asked = {"model": "tape", "input": said, "max_output_tokens": 100}
    if path == GEMINI:
        asked = {"contents": [{"parts": [{"text": "hello"}]}], "generationConfig": {"maxOutputTokens": 100}}
    if path == CHAT and more.get("stream"):
        asked["stream_options"] = {"include_usage": True}
    return asked | more


async def play(house: House, path: str, tape: bytes, *, cuts: Any = (), **more: Any) -> RawAnswer:
    house.tape.put(tape, cuts=cuts)
    if path == GEMINI:
        streaming = path.replace("generateContent", "streamGenerateContent?alt=sse")
        return await house.post(streaming, body(path, **more))
    return await house.post(path, body(path, stream=True, **more))


def cuts_of(tape: bytes, seed: int) -> range | list[int]:
    """Everywhere, or in places that the seed draws."""
    if seed == 0:
        return range(1, len(tape))
    drawn = random.Random(seed)
    return [drawn.randrange(len(tape)) for _ in range(drawn.randrange(1, 30))]


# Answers


@pytest.mark.parametrize("name", GOOD)
async def test_a_stream_comes_as_the_vendor_sent_it_however_it_was_cut(house: House, name: str) -> None:
    path, sent = TAPES[name]
    choices = {"n": 2} if "two_choices" in name else {}
    for seed in range(6):
        said = await play(house, path, sent, cuts=cuts_of(sent, seed), **choices)
        assert (said.status, said.ended) == (200, "complete")
        if choices:  # what finishes first waits for the others
            assert sorted(said.body.split(b"\n\n")) == sorted(sent.split(b"\n\n"))
        else:
            assert said.body == sent, f"cut by seed {seed}"
        receipt = await house.receipt(said.headers["x-request-id"])
        assert receipt["status"] == "complete"


@pytest.mark.parametrize("name", BAD)
async def test_a_stream_that_breaks_off_ends_alike_however_it_was_cut(house: House, name: str) -> None:
    path, sent = TAPES[name]
    heard = set()
    for seed in range(6):
        said = await play(house, path, sent, cuts=cuts_of(sent, seed))
        assert said.ended == "complete"
        text = said.body.replace(said.headers["x-request-id"].encode(), b"ID")
        heard.add((said.status, text))
    ((status, text),) = heard
    if status == 200:
        kept = text[: text.rindex(b"data: " if path in (CHAT, GEMINI) else b"event: error")]
        assert sent.startswith(kept), "what came before is the vendor's"
    first = b'{"type":"error"' if path == MESSAGES or (path, status) == (RESPONSES, 200) else b'{"error"'
    assert json.loads(text[text.rindex(first) :].split(b"\n\n")[0])
    assert await house.money() == ("100.000000000", "0.000000000")


@pytest.mark.parametrize("seed", range(4))
async def test_only_the_usage_chunk_that_we_asked_for_is_taken_out(house: House, seed: int) -> None:
    tape = TEXTS[CHAT]
    events = tape.split(b"\n\n")
    (usage,) = [event for event in events if b'"choices":[]' in event]
    house.tape.put(tape, cuts=cuts_of(tape, seed))
    said = await house.post(CHAT, body(CHAT, stream=True, stream_options=None))
    assert said.body == b"\n\n".join(event for event in events if event != usage)


@EACH
async def test_an_end_without_its_blank_line_is_an_end(house: House, path: str) -> None:
    sent = TEXTS[path].rstrip(b"\n")
    said = await play(house, path, sent)
    assert (said.status, said.ended) == (200, "complete")
    assert said.body == sent
    assert (await house.receipt(said.headers["x-request-id"]))["status"] == "complete"


@EACH
async def test_a_whole_answer_comes_as_the_vendor_sent_it(house: House, path: str) -> None:
    for seed in range(3):
        house.tape.put(WHOLES[path], JSON, cuts=cuts_of(WHOLES[path], seed), head=b"x-request-id: vendor-7\r\n")
        said = await house.post(path, body(path))
        assert (said.status, said.body) == (200, WHOLES[path])
        assert said.headers["x-request-id"].startswith("req_"), "our id, not the vendor's"
        assert (await house.receipt(said.headers["x-request-id"]))["upstream_request_id"] == "vendor-7"


@EACH
async def test_the_cost_is_the_only_addition(house: House, path: str) -> None:
    house.tape.put(WHOLES[path], JSON)
    said = await house.post(path, body(path, usage={"include": True}))
    cost = said.headers["x-tokenharbor-cost-usd"]
    assert said.json()["usageMetadata" if path == GEMINI else "usage"]["cost"] == pytest.approx(float(cost))
    assert said.body.replace(f',"cost":{cost}'.encode(), b"") == WHOLES[path]


@EACH
async def test_the_cost_in_a_stream_is_the_only_addition(house: House, path: str) -> None:
    sent = TEXTS[path]
    for seed in range(4):
        said = await play(house, path, sent, cuts=cuts_of(sent, seed), usage={"include": True})
        cost = (await house.receipt(said.headers["x-request-id"]))["cost_usd"]
        assert f'"cost":{cost}'.encode() in said.body
        assert said.body.replace(f',"cost":{cost}'.encode(), b"") == sent


# Requests

ODD = {
    CHAT: b'{ "messages" :[{"role":"user","content":"caf\\u00e9 \xe2\x80\x94 \\/ 1.0"}],\n\t"max_tokens":17,'
    b'"temperature":0.10,"x_unknown":{"a":[1e3,-0]},"seed":12345678901234567890, "model" : "tape"%b }\r\n',
    RESPONSES: b'{"input" : [{"role":"user","content":[{"type":"input_text","text":"caf\\u00e9 \\/"}]}],\n'
    b'"store" :false ,"max_output_tokens":17,"tools":[ {"type":"function" ,"name":"t"} ], '
    b'"x_new":{"a":[1e3,-0]},"model":"tape"%b }\n',
    MESSAGES: b'\n{"max_tokens": 17,"messages":[{"role":"user","content":[{"type":"text","text":"hi\\n",'
    b'"cache_control":{"type":"ephemeral"}}]}] ,"model":"tape","metadata":{"user_id":"u"},"top_p":1.0%b}',
    GEMINI: b'{ "contents" : [{"parts":[{"text":"caf\\u00e9 \\/","later_field":1e400}]}],"generation_config":\n'
    b'{"maxOutputTokens" : 17,"topP":1.0}, "laterField":[1e3,-0]%b}\r\n',
}


async def forwarded(house: House, path: str, sent: bytes, headers: dict[str, str] | None = None) -> bytes:
    """What the vendor has of a body."""
    house.tape.put(WHOLES[path], JSON)
    await house.post(path, sent, headers)
    return house.tape.asked[-1].body


@EACH
async def test_a_request_goes_on_with_another_model_and_every_other_byte_its_own(house: House, path: str) -> None:
    sent = ODD[path] % b""
    assert await forwarded(house, path, sent) == sent.replace(b'"tape"', b'"taped-tape"')


@EACH
@pytest.mark.parametrize("name", [b"tape-2026-01-01", b"taped/tape", b"sims/tape"])
async def test_every_name_of_a_model_goes_on_as_the_vendors_own(house: House, path: str, name: bytes) -> None:
    sent = ODD[path] % b""
    named = sent.replace(b'"tape"', b'"%b"' % name)
    house.tape.put(WHOLES[path], JSON)
    await house.post(path.replace("/tape:", f"/{name.decode()}:"), named)
    asked = house.tape.asked[-1]
    assert asked.body == sent.replace(b'"tape"', b'"taped-tape"')
    assert asked.line == f"POST /taped{path.replace('/tape:', '/taped-tape:')} HTTP/1.1"


@EACH
async def test_our_own_fields_never_reach_a_vendor(house: House, path: str) -> None:
    ours = b',"cache":{"exact":false} , "provider" : {"only":["taped"],"sort":"price"},"usage":{"include":false}'
    plain = (ODD[path] % b"").replace(b'"tape"', b'"taped-tape"')
    assert await forwarded(house, path, ODD[path] % ours) == plain
    header = {"x-tokenharbor-provider": '{"only":["taped"]}'}
    assert await forwarded(house, path, ODD[path] % b"", header) == plain
    assert not [name for name, _ in house.tape.asked[-1].headers if "tokenharbor" in name and name != "user-agent"]


async def test_a_model_that_the_path_and_the_body_name_is_the_vendors_own_in_both(house: House) -> None:
    sent = ODD[GEMINI] % b',"model" : "models/tape"'
    assert await forwarded(house, GEMINI, sent) == sent.replace(b"models/tape", b"models/taped-tape")


async def test_a_stream_asks_for_its_usage(house: House) -> None:
    sent = ODD[CHAT] % b',"stream":true'
    plain = sent.replace(b'"tape"', b'"taped-tape"')
    asked = await forwarded(house, CHAT, sent)
    assert asked.replace(b',"stream_options":{"include_usage":true}', b"") == plain
    sent = ODD[CHAT] % b',"stream":true,"stream_options": { "include_obfuscation" :false }'
    asked = await forwarded(house, CHAT, sent)
    assert json.loads(asked)["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert asked.startswith(plain[: plain.index(b',"stream":')])
    sent = ODD[CHAT] % b',"stream":true,"stream_options": {"include_usage" : true}'
    assert await forwarded(house, CHAT, sent) == sent.replace(b'"tape"', b'"taped-tape"')


async def test_a_maximum_is_only_added_where_the_caller_set_none_and_the_wallet_is_short(house: House) -> None:
    open_ended = ODD[CHAT].replace(b'"max_tokens":17,', b"") % b""
    plain = open_ended.replace(b'"tape"', b'"taped-tape"')
    assert await forwarded(house, CHAT, open_ended) == plain
    house.payer = await house.new_payer("0.01")
    house.tape.put(WHOLE_CHAT, JSON)
    said = await house.post(CHAT, open_ended)
    capped = int(said.headers["x-tokenharbor-max-tokens"])
    assert 1024 <= capped < 8192
    assert house.tape.asked[-1].body.replace(b',"max_tokens":%d' % capped, b"") == plain
    assert (await house.receipt(said.headers["x-request-id"]))["max_output_capped"] == capped
    house.payer = await house.new_payer("0.01")
    said = await house.post(CHAT, ODD[CHAT].replace(b'"max_tokens":17', b'"max_tokens":8000') % b"")
    assert (said.status, said.error["code"]) == (402, "insufficient_quota"), "a caller's own maximum is never changed"


@EACH
async def test_a_vendor_sees_our_credential_and_nothing_of_the_caller(house: House, path: str) -> None:
    private = {
        "authorization": f"Bearer {house.payer.key}",
        "cookie": "session=1",
        "x-request-id": "mine",
        "x-forwarded-for": "192.0.2.7",
        "user-agent": "callers-own/1",
        "openai-organization": "org-1",
        "anthropic-version": "2023-01-01",
        "anthropic-beta": "one-2025-01-01,two-2025-01-01",
    }
    await forwarded(house, path, ODD[path] % b"", private)
    asked = house.tape.asked[-1]
    assert asked.line == f"POST /taped{path.replace('/tape:', '/taped-tape:')} HTTP/1.1"
    names = {name for name, _ in asked.headers}
    usual = {"host", "user-agent", "content-type", "content-length", "accept", "accept-encoding"}
    assert asked.header("host") == house.tape.url.removeprefix("http://")
    assert asked.header("user-agent") == "tokenharbor"
    assert asked.header("accept-encoding") == "identity", "who may choose compresses, and bytes pass as they come"
    if path == GEMINI:
        assert names == usual | {"x-goog-api-key"}
        assert asked.header("x-goog-api-key") == credential_of("taped")
    elif path != MESSAGES:
        assert names == usual | {"authorization"}
        assert asked.header("authorization") == f"Bearer {credential_of('taped')}"
    else:
        assert names == usual | {"x-api-key", "anthropic-version", "anthropic-beta"}
        assert asked.header("x-api-key") == credential_of("taped")
        assert asked.header("anthropic-version") == "2023-01-01", "the caller's own version, once"
        assert asked.header("anthropic-beta") == private["anthropic-beta"]


async def test_a_version_is_sent_where_the_caller_names_none(house: House) -> None:
    await forwarded(house, MESSAGES, ODD[MESSAGES] % b"")
    assert house.tape.asked[-1].header("anthropic-version") == "2023-06-01"


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("one-2025-01-01, Context-1M-2025-08-07,two", "one-2025-01-01,two"),
        ("context-1m-2025-08-07", None),
        ("my-context-1m, one", "my-context-1m, one"),
    ],
)
async def test_a_header_switches_on_nothing_that_has_a_price_of_its_own(
    house: House, sent: str, seen: str | None
) -> None:
    await forwarded(house, MESSAGES, ODD[MESSAGES] % b"", {"anthropic-beta": sent})
    assert house.tape.asked[-1].header("anthropic-beta") == seen
