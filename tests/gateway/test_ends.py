"""Stop reasons: the same provider's word has the same meaning in whole answers and in streams."""

import json
from typing import Any

import pytest
from tests.gateway.across import CLIENTS, ask
from tests.gateway.house import House
from tests.gateway.test_causes import CHAT, GEMINI, MESSAGES, RESPONSES, UNTOUCHED, tried

from tokenharbor.billing.alarms import Alarm

pytestmark = pytest.mark.asyncio(loop_scope="session")

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
MESSAGE = {"role": "assistant", "content": "one"}
STOPS = {CHAT: '"finish_reason":"stop"', MESSAGES: '"stop_reason":"end_turn"', GEMINI: '"finishReason":"STOP"'}


def whole_chat(**more: Any) -> dict[str, Any]:
    return {"id": "1", "object": "chat.completion", "model": "m", "usage": USAGE, **more}


def body(content: str) -> str:
    return f"kind = 'body', body = '''{content}'''"


def choice(**more: Any) -> dict[str, Any]:
    return {"index": 0, "message": MESSAGE, "finish_reason": "stop", **more}


ERROR = {"message": "Provider returned error", "code": 502}
FAILED: list[tuple[str, Any]] = [
    (CHAT, whole_chat(choices=[choice(finish_reason="error", error=ERROR)])),
    (CHAT, whole_chat(choices=[choice(error=ERROR)])),
    (CHAT, whole_chat(choices=[choice(finish_reason="error")])),
    (CHAT, whole_chat(choices=[choice(), choice(index=1, finish_reason="error")])),
    (CHAT, whole_chat(choices=[choice()], error=ERROR)),
    (CHAT, whole_chat(choices=[choice()], error="It broke.")),
    (CHAT, whole_chat(choices=[], error=ERROR)),
    (CHAT, whole_chat(choices=[], error=None)),
    (CHAT, whole_chat(choices=None)),
    (CHAT, [{"error": ERROR}]),
    (CHAT, {"type": "error", "error": {"type": "api_error", "message": "No."}}),
    (RESPONSES, {"object": "response", "status": "failed", "output": [], "error": None, "usage": {}}),
    (RESPONSES, {"object": "response", "status": "cancelled", "output": []}),
    (RESPONSES, {"object": "response", "status": "completed", "output": [], "error": {"code": "server_error"}}),
    (RESPONSES, {"type": "error", "error": {"type": "server_error", "message": "No."}}),
    (MESSAGES, {"type": "error", "error": {"type": "api_error", "message": "No."}}),
    (MESSAGES, {"type": "message", "content": [], "stop_reason": "error", "usage": {}}),
    (MESSAGES, {"error": "No."}),
    (GEMINI, [{"error": {"code": 500, "message": "No.", "status": "INTERNAL"}}]),
    (GEMINI, {"candidates": [], "usageMetadata": {"promptTokenCount": 5}}),
    (GEMINI, {"usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5}}),
    *((dialect, content) for dialect in (CHAT, RESPONSES, MESSAGES, GEMINI) for content in ("", "<html>No.</html>")),
]
NO_ERROR = whole_chat(choices=[choice(error=None)], error=None)


async def answered_by_beta(house: House, dialect: str, fault: str, *, stream: bool) -> None:
    house.parts.health._cooling_until.clear()
    house.fail(fault)
    said = await ask(house, dialect, "duo", stream=stream)
    assert (said.status, said.headers["x-tokenharbor-provider"]) == (200, "beta"), fault
    assert CLIENTS[dialect].text(said) == "one two three four", fault
    first, second = await tried(house, said)
    assert first[0] == "alpha"
    assert first[1] in ("server", "garbage"), fault
    assert second == ("beta", "ok")


async def test_R1_a_whole_answer_that_is_a_failure_leads_to_the_next(house: House) -> None:
    for dialect, content in FAILED:
        text = content if isinstance(content, str) else json.dumps(content)
        await answered_by_beta(house, dialect, body(text), stream=False)


async def test_R1_alone_it_is_a_502_and_nothing_is_billed(house: House) -> None:
    for dialect, content in FAILED:
        text = content if isinstance(content, str) else json.dumps(content)
        house.fail(body(text))
        said = await ask(house, dialect, "solo", stream=False)
        assert (said.status, CLIENTS[dialect].code(said)) == (502, "upstream_error"), text
    assert await house.money() == UNTOUCHED


async def test_R1_a_vendor_of_another_dialect_is_judged_alike(house: House) -> None:
    for wanted in (MESSAGES, RESPONSES, GEMINI):
        for content in (whole_chat(choices=[choice(finish_reason="error", error=ERROR)]), whole_chat(choices=[])):
            fault = body(json.dumps(content))
            house.script(f"[[rules]]\nmatch = {{ path = '/far_{CHAT}/*' }}\nfault = {{ {fault} }}\n")
            said = await ask(house, wanted, f"only-{CHAT}", stream=False)
            assert (said.status, CLIENTS[wanted].code(said)) == (502, "upstream_error")
    assert await house.money() == UNTOUCHED


async def test_R1_a_whole_answer_where_a_stream_was_asked_for_is_a_failure(house: House) -> None:
    """Some vendors pass over `stream`: its text was lost, and billed."""
    whole = json.dumps(whole_chat(choices=[choice()]))
    for content in (whole, f"data: {whole}\n\n", f"data: {whole}\n\ndata: [DONE]\n\n"):
        await answered_by_beta(house, CHAT, body(content), stream=True)
        for wanted in (MESSAGES, RESPONSES, GEMINI):
            house.script(f"[[rules]]\nmatch = {{ path = '/far_{CHAT}/*' }}\nfault = {{ {body(content)} }}\n")
            said = await ask(house, wanted, f"only-{CHAT}", stream=True)
            assert (said.status, CLIENTS[wanted].code(said)) == (502, "upstream_error"), content


async def test_R1_an_error_that_is_null_is_none(house: House) -> None:
    house.fail(body(json.dumps(NO_ERROR)))
    said = await ask(house, CHAT, "duo", stream=False)
    assert said.headers["x-tokenharbor-provider"] == "alpha"


# ---- finish reasons


def ends_with(dialect: str, word: str, text: str = "one two three four") -> str:
    """Vendors of this dialect end with this word."""
    name, old = STOPS[dialect].split(":")
    fault = f"kind = 'altered', old = '{name}:{old}', new = '{name}:\"{word}\"'"
    spoken = f'answer = {{ text = "{text}", chunk_chars = 4 }}\n'
    rule = f"[[rules]]\nmatch = {{{{ path = '/{{}}/*' }}}}\nfault = {{{{ {fault} }}}}\n"
    return spoken + rule.format("alpha") + rule.format(f"far_{dialect}")


BROKEN = [
    (CHAT, "network_error"),
    (CHAT, "insufficient_system_resource"),
    (CHAT, "function_call_filter: MALFORMED_FUNCTION_CALL"),
    (CHAT, "server_timeout"),
    (MESSAGES, "network_error"),
    (GEMINI, "MALFORMED_FUNCTION_CALL"),
    (GEMINI, "UNEXPECTED_TOOL_CALL"),
    (GEMINI, "TOO_MANY_TOOL_CALLS"),
]
MEANT = [
    (CHAT, "model_context_window_exceeded", "max_tokens"),
    (CHAT, "sensitive", "refusal"),
    (CHAT, "content_filter: RECITATION", "refusal"),
    (CHAT, "max_tokens", "max_tokens"),
    (GEMINI, "SPII", "refusal"),
    (GEMINI, "LANGUAGE", "refusal"),
    (GEMINI, "MAX_TOKENS", "max_tokens"),
]


async def test_R2_a_failure_said_as_a_finish_reason_leads_to_the_next(house: House) -> None:
    for dialect, word in BROKEN:
        house.script(ends_with(dialect, word))
        said = await ask(house, dialect, "duo", stream=False)
        assert said.headers["x-tokenharbor-provider"] == "beta", word
        assert await tried(house, said) == [("alpha", "server"), ("beta", "ok")], word
        house.parts.health._cooling_until.clear()
        house.script(ends_with(dialect, word, text=""))
        said = await ask(house, dialect, "duo", stream=True)
        assert said.headers["x-tokenharbor-provider"] == "beta", word
        house.parts.health._cooling_until.clear()


async def test_R2_behind_content_it_breaks_the_stream_unbilled(house: House) -> None:
    for dialect, word in BROKEN:
        for client in {dialect, MESSAGES}:
            house.script(ends_with(dialect, word))
            model = "solo" if client == dialect else f"only-{dialect}"
            said = await ask(house, client, model, stream=True)
            assert not CLIENTS[client].finished(said), word
            assert b"upstream_error" in said.body, word
    assert await house.money() == UNTOUCHED


async def test_R2_a_known_word_has_its_meaning_across_and_stays_as_it_is_within(house: House) -> None:
    for dialect, word, meant in MEANT:
        house.script(ends_with(dialect, word))
        for stream in (False, True):
            within = await ask(house, dialect, "solo", stream=stream)
            assert word.encode() in within.body
            across = await ask(house, MESSAGES, f"only-{dialect}", stream=stream)
            assert f'"stop_reason":"{meant}"'.encode() in across.body.replace(b": ", b":"), (word, across.body)
            for said in (within, across):
                assert (await house.receipt(said.headers["x-request-id"]))["status"] == "complete"
            assert alarms(house) == [], word


def alarms(house: House) -> list[tuple[str, str, str]]:
    """Those of finish reasons since the last call: kind, provider and model."""
    counts = house.parts.metrics._alarms.counts
    found = [labels for labels in counts.elements() if labels[0] is Alarm.FINISH_UNKNOWN]
    counts.clear()
    return [(kind.value, provider, model) for kind, provider, model in found]


async def test_R2_an_unknown_word_is_delivered_and_alarmed(house: House) -> None:
    for dialect, word in ((CHAT, "novel<b>thing"), (MESSAGES, "novel_thing"), (GEMINI, "OTHER")):
        house.script(ends_with(dialect, word))
        for stream in (False, True):
            for client in (dialect, RESPONSES):
                said = await ask(house, client, "solo" if client == dialect else f"only-{dialect}", stream=stream)
                assert CLIENTS[client].finished(said), word
                provider = said.headers["x-tokenharbor-provider"]
                assert [seen[:2] for seen in alarms(house)] == [("finish_unknown", provider)]


async def test_R2_an_unknown_word_without_any_content_is_a_failure(house: House) -> None:
    for dialect, word in ((CHAT, "novel"), (MESSAGES, "novel"), (GEMINI, "OTHER")):
        house.script(ends_with(dialect, word, text=""))
        said = await ask(house, dialect, "duo", stream=True)
        assert said.headers["x-tokenharbor-provider"] == "beta", word
        assert await tried(house, said) == [("alpha", "server"), ("beta", "ok")], word
        house.parts.health._cooling_until.clear()


async def test_R2_a_responses_answer_incomplete_for_a_novel_reason_is_alarmed(house: House) -> None:
    output = [{"type": "message", "id": "m", "content": [{"type": "output_text", "text": "one"}]}]
    said_by = {"id": "r", "object": "response", "model": "m", "status": "incomplete", "output": output}
    alarmed = ["finish_unknown"]
    for reason, expected in (("novel_reason", alarmed), ("content_filter", []), ("max_output_tokens", [])):
        content = json.dumps(said_by | {"incomplete_details": {"reason": reason}, "usage": {"input_tokens": 5}})
        house.script(f"[[rules]]\nfault = {{ {body(content)} }}\n")
        for client, model in ((RESPONSES, "solo"), (CHAT, f"only-{RESPONSES}")):
            said = await ask(house, client, model, stream=False)
            assert said.status == 200
            assert [kind for kind, _, _ in alarms(house)] == expected, client
