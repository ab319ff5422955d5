"""Google's JSON is lenient: one object stands for a list of one, as in its own REST samples."""

import json
from typing import Any

import pytest

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire import WIRES
from tokenharbor.wire.dialect import Place
from tokenharbor.wire.request import Edit

WIRE = WIRES["gemini"]
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
    return WIRE.read_request(json.dumps(body).encode(), Place("m", stream=False))


@pytest.mark.parametrize(("lenient", "strict"), PAIRS)
def test_R7_an_object_stands_for_a_list_of_one(lenient: dict[str, Any], strict: dict[str, Any]) -> None:
    taken, plain = read(lenient), read(strict)
    assert WIRE.read_chat(taken) == WIRE.read_chat(plain)
    assert taken.size.images == plain.size.images
    assert WIRE.write_request(taken, Edit("m")) == taken.body, "within the dialect it passes as it came"


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
