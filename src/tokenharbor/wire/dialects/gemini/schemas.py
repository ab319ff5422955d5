"""Conversion of Google's schemas, with upper-case types and a flag for null, to standard JSON schemas."""

from typing import Any

import msgspec

from tokenharbor.wire.dialects.gemini.names import camel

_decode = msgspec.json.decode
_encode = msgspec.json.encode

_COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_LOST = ("propertyOrdering", "nullable")  # converted, or only a hint


def standard(raw: bytes | msgspec.Raw) -> bytes:
    """Convert a schema; property names stay, and a standard JSON schema keeps its meaning."""
    return _encode(_schema(_decode(raw)))


def _schema(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    members = {name if name.startswith("$") else camel(name): each for name, each in value.items()}
    schema = {name: _member(name, each) for name, each in members.items() if name not in _LOST}
    if members.get("nullable") is True and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list):
            schema["enum"] = [*schema["enum"], None]
    return schema


def _member(name: str, value: Any) -> Any:
    if name == "type" and isinstance(value, str):
        return value.lower()
    if name in ("properties", "$defs", "defs", "definitions") and isinstance(value, dict):
        return {key: _schema(each) for key, each in value.items()}
    if name in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
        return [_schema(each) for each in value]
    if name in ("items", "additionalProperties"):
        return _schema(value)
    if name in _COUNTS and isinstance(value, str) and value.isdecimal():
        return int(value)  # 64-bit numbers are strings in Google's JSON
    return value
