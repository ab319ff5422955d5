"""Schemas for each vendor: one client's SDK often produces what another vendor refuses."""

import json
from typing import Any

import pytest
from tests.wire.translated_requests import ANTHROPIC, OPENAI, client_request, vendor_request

from tokenharbor.wire import DIALECTS, PROVIDER_DIALECTS
from tokenharbor.wire.fitting.json_schema import close_objects, fill_parameters, is_strict, strip_beside_references
from tokenharbor.wire.neutral.chat import Chat, VendorOptions
from tokenharbor.wire.neutral.dialect import ModelInPath

PORT: dict[str, Any] = {
    "$defs": {"Kind": {"enum": ["tidal", "locked"], "type": "string"}},
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "description": "In full."},
        "depth": {"type": "number", "minimum": 0, "maximum": 40},
        "kind": {"$ref": "#/$defs/Kind", "description": "What it is."},
        "berths": {"type": "array", "items": {"type": "object", "properties": {}}, "maxItems": 3, "minItems": 1},
        "note": {"oneOf": [{"type": "string", "format": "email"}, {"type": "null"}]},
    },
    "required": ["name"],
}
STRICT = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
PLACE = ModelInPath("up", stream=False)


def made(function: Any, schema: Any, *more: Any) -> Any:
    return json.loads(function(json.dumps(schema).encode(), *more))


def test_limits_that_a_vendor_does_not_know_are_told_in_words() -> None:
    out = made(close_objects, PORT)
    assert out["additionalProperties"] is False
    assert out["required"] == ["name"]
    assert out["$defs"] == PORT["$defs"]
    assert out["properties"] == {
        "name": {"type": "string", "description": "In full. (minLength: 2)"},
        "depth": {"type": "number", "description": "(minimum: 0, maximum: 40)"},
        "kind": {"$ref": "#/$defs/Kind"},
        "berths": {
            "type": "array",
            "items": {"type": "object", "properties": {}, "additionalProperties": False},
            "minItems": 1,
            "description": "(maxItems: 3)",
        },
        "note": {"anyOf": [{"type": "string", "format": "email"}, {"type": "null"}]},
    }
    assert made(close_objects, out) == out


def test_a_property_may_be_called_like_a_limit() -> None:
    schema = {**STRICT, "properties": {"minimum": {"type": "string"}, "$ref": {"type": "string"}}}
    assert made(close_objects, schema) == schema
    assert made(strip_beside_references, schema, frozenset()) == schema


def test_a_map_stays_one_for_the_vendor_to_refuse() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    assert made(close_objects, schema) == schema


@pytest.mark.parametrize("raw", [b'{"type" :"object","properties":{}}', b"true", b"{", b"[1]"])
def test_what_needs_no_change_keeps_every_byte(raw: bytes) -> None:
    assert fill_parameters(raw) == raw
    assert strip_beside_references(raw, frozenset()) == raw


def test_formats_reach_vendors_that_hold_models_to_closed_schemas() -> None:
    body = {"response_format": {"type": "json_schema", "json_schema": {"name": "port", "schema": PORT}}}
    chat = client_request(OPENAI, body)
    assert vendor_request(ANTHROPIC, chat)["output_config"]["format"]["schema"] == made(close_objects, PORT)
    sent = json.loads(PROVIDER_DIALECTS["bedrock_converse"].write_chat(chat, ORDER))
    assert json.loads(sent["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]) == made(
        close_objects, PORT
    )


ORDER = VendorOptions(
    "up", stream=False, max_output=None, most_output=9, capabilities=frozenset({"json_schema", "tools"})
)


def test_strict_tools_reach_them_closed_and_others_as_they_are() -> None:
    port = {**STRICT, "properties": {"a": {"type": "string", "pattern": "^a"}}}
    tools = [
        {"type": "function", "function": {"name": name, "parameters": port, "strict": name == "exact"}}
        for name in ("exact", "loose")
    ]
    out = vendor_request(ANTHROPIC, client_request(OPENAI, {"tools": tools}))["tools"]
    assert [tool["input_schema"] == port for tool in out] == [False, True]
    assert out[0]["input_schema"] == made(close_objects, port)


def strictness(chat: Chat) -> list[object]:
    """Return what vendors of OpenAI's two dialects get as strict: of the format, of the tool."""
    first, second = vendor_request(OPENAI, chat), vendor_request("openai_responses", chat)
    return [
        first["response_format"]["json_schema"].get("strict"),
        first["tools"][0]["function"].get("strict", False),
        second["text"]["format"].get("strict"),
        second["tools"][0]["strict"],
    ]


@pytest.mark.parametrize("schema", [STRICT, PORT])
def test_a_strict_wish_of_anthropics_clients_is_told_where_every_member_is_required(schema: dict[str, Any]) -> None:
    body = {
        "output_config": {"format": {"type": "json_schema", "schema": schema}},
        "tools": [{"name": "tide", "input_schema": schema, "strict": True}],
    }
    assert strictness(client_request(ANTHROPIC, body)) == [schema is STRICT] * 4


@pytest.mark.parametrize("field", ["responseSchema", "responseJsonSchema"])
def test_a_format_of_googles_clients_is_strict_where_it_can_be(field: str) -> None:
    wire = DIALECTS["gemini"]
    for schema in (STRICT, PORT):
        config = {"responseMimeType": "application/json", field: schema}
        body = {"contents": [{"role": "user", "parts": [{"text": "?"}]}], "generationConfig": config}
        chat = wire.read_chat(wire.read_request(json.dumps(body).encode(), PLACE))
        assert vendor_request(OPENAI, chat)["response_format"]["json_schema"]["strict"] is (schema is STRICT)


@pytest.mark.parametrize(
    "more",
    [
        {"properties": {"a": {"type": "string", "default": "x"}}},
        {"properties": {"a": {"type": "array"}}},
        {"properties": {"a": {"oneOf": [{"type": "string"}]}}},
        {"properties": {"a": {"$ref": "#/$defs/A", "description": "x"}}},
        {"properties": {"a": {"enum": ["x"]}}},
        {"properties": {"a": True}},
        {"properties": {"a": {"type": "object"}}},
        {"additionalProperties": True},
        {"required": []},
        {"type": "string"},
        {"anyOf": {"not": "a list"}},
    ],
)
def test_what_only_looks_strict(more: dict[str, Any]) -> None:
    assert is_strict(json.dumps(STRICT).encode())
    assert not is_strict(json.dumps({**STRICT, **more}).encode())


def test_functions_say_their_members_and_their_items() -> None:
    schema = {"type": "object", "properties": {"tags": {"type": "array"}, "pairs": {"type": ["array", "null"]}}}
    tools = [{"name": "tide", "input_schema": {"type": "object"}}, {"name": "tag", "input_schema": schema}]
    chat = client_request(ANTHROPIC, {"tools": tools})
    first, second = vendor_request(OPENAI, chat)["tools"], vendor_request("openai_responses", chat)["tools"]
    told_twice = [[tool["function"]["parameters"] for tool in first], [tool["parameters"] for tool in second]]
    items = {"tags": {"type": "array", "items": {}}, "pairs": {"type": ["array", "null"], "items": {}}}
    assert told_twice == [[{"type": "object", "properties": {}}, {"type": "object", "properties": items}]] * 2


def test_a_reference_stands_as_alone_as_the_vendor_wants_it() -> None:
    kind = {"$ref": "#/$defs/Kind", "title": "Kind", "description": "d"}
    tool = {"name": "port", "input_schema": {**PORT, "properties": {"k": kind}}}
    body = {"tools": [tool], "output_config": {"format": {"type": "json_schema", "schema": PORT}}}
    out = vendor_request("gemini", client_request(ANTHROPIC, body))
    (declared,) = out["tools"][0]["functionDeclarations"]
    assert declared["parametersJsonSchema"]["properties"] == {"k": {"$ref": "#/$defs/Kind", "description": "d"}}
    assert out["generationConfig"]["responseJsonSchema"]["properties"]["kind"] == {"$ref": "#/$defs/Kind"}
