"""Lists in Google's lenient JSON: one object is accepted for a list of one, as in its REST samples."""

import json
from typing import Any

import pytest

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.dialect import ModelInPath
from tokenharbor.wire.neutral.request import Edit

WIRE = DIALECTS["gemini"]
PICTURE = {"inline_data": {"mime_type": "image/png", "data": "iVBORw0KGgo="}}
LOOK: dict[str, Any] = {"name": "look"}

PAIRS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"contents": {"role": "user", "parts": {"text": "Hi"}}},
        {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    ),
    ({"contents": [{"parts": {"text": "Hi"}}]}, {"contents": [{"parts": [{"text": "Hi"}]}]}),
    (
        {"contents": {"parts": [{"text": "Hi"}]}, "system_instruction": {"parts": {"text": "Be brief."}}},
        {"contents": [{"parts": [{"text": "Hi"}]}], "systemInstruction": {"parts": [{"text": "Be brief."}]}},
    ),
    (
        {"contents": {"parts": {"text": "Hi"}}, "tools": {"function_declarations": LOOK}},
        {"contents": [{"parts": [{"text": "Hi"}]}], "tools": [{"functionDeclarations": [LOOK]}]},
    ),
    (
        {"contents": {"parts": {"text": "Hi"}}, "generationConfig": {"stopSequences": "END"}},
        {"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": {"stopSequences": ["END"]}},
    ),
    ({"contents": {"parts": PICTURE}}, {"contents": [{"parts": [PICTURE]}]}),
]


def read(body: dict[str, Any]) -> Any:
    return WIRE.read_request(json.dumps(body).encode(), ModelInPath("m", stream=False))


@pytest.mark.parametrize(("lenient", "strict"), PAIRS)
def test_R7_an_object_stands_for_a_list_of_one(lenient: dict[str, Any], strict: dict[str, Any]) -> None:
    taken, plain = read(lenient), read(strict)
    assert WIRE.read_chat(taken) == WIRE.read_chat(plain)
    assert taken.size.images == plain.size.images
    assert WIRE.write_request(taken, Edit("m")) == taken.body, "within the dialect it passes as it came"


@pytest.mark.parametrize("fifty", ["50", 50.0, "5e1"])
def test_R7_a_number_may_be_written_as_protobuf_takes_it(fifty: Any) -> None:
    config = {"temperature": "0.5", "maxOutputTokens": fifty, "candidateCount": "1", "thinkingConfig": {}}
    plain = {"temperature": 0.5, "maxOutputTokens": 50, "candidateCount": 1, "thinkingConfig": {}}
    said = {"contents": [{"parts": [{"text": "Hi"}]}]}
    taken, strict = read(said | {"generationConfig": config}), read(said | {"generationConfig": plain})
    assert (taken.max_output, taken.choices) == (50, 1)
    assert WIRE.read_chat(taken) == WIRE.read_chat(strict)
    assert WIRE.write_request(taken, Edit("m")) == taken.body


@pytest.mark.parametrize("wrong", ["many", "1.5", 1.5, True, "", [50], "9" * 40])
def test_R7_what_is_no_number_is_still_refused(wrong: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read({"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": {"maxOutputTokens": wrong}})
    assert refused.value.param == "generationConfig.maxOutputTokens"


def test_R7_a_tool_of_the_vendors_is_refused_in_either_form() -> None:
    forms: list[Any] = [[{"googleSearch": {}}], {"googleSearch": {}}, {"google_search": {}}]
    for tools in forms:
        with pytest.raises(InvalidRequest):
            read({"contents": {"parts": {"text": "Hi"}}, "tools": tools})


def test_R7_what_the_vendor_ran_is_kept_byte_for_byte() -> None:
    ran = {"executableCode": {"language": "PYTHON", "code": "1"}}
    chat = WIRE.read_chat(read({"contents": {"role": "model", "parts": ran}}))
    assert json.loads(chat.messages[0].parts[0].note.raw) == ran  # type: ignore[union-attr]


@pytest.mark.parametrize("contents", ["Hi", 1, None])
def test_R7_what_is_no_content_is_still_refused(contents: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read({"contents": contents})
    assert refused.value.param == "contents"


def test_R7_a_result_may_be_words_alone() -> None:
    call = {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {}}}]}

    def said(response: Any) -> Any:
        return {"contents": [call, {"parts": [{"functionResponse": {"name": "look", "response": response}}]}]}

    for words in ("plain", "", 'say "aye"', "港口"):
        taken, plain = WIRE.read_chat(read(said(words))), WIRE.read_chat(read(said({"result": words})))
        assert taken == plain, words
    with pytest.raises(InvalidRequest):
        WIRE.read_chat(read(said(7)))


def test_R7_a_mode_that_is_no_number_of_one_is_refused() -> None:
    for mode in (5, -1, 1.5, "SOMETIMES"):
        config = {"functionCallingConfig": {"mode": mode}}
        with pytest.raises(InvalidRequest):
            WIRE.read_chat(read({"contents": [{"parts": [{"text": "Hi"}]}], "toolConfig": config}))
