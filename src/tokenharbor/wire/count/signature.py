"""A tool as OpenAI's models are shown it: a TypeScript signature with comments."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from tokenharbor.wire.chat import Tool

_DEEPEST = 8


def signature(tool: Tool) -> str:
    schema = _schema(tool.schema)
    comment = "".join(f"// {line}\n" for line in tool.description.splitlines())
    if not schema.get("properties"):
        return f"{comment}type {tool.name} = () => any;\n\n"
    return f"{comment}type {tool.name} = (_: {_type(schema, 0)}) => any;\n\n"


def _schema(raw: bytes | None) -> Mapping[str, Any]:
    try:
        schema = msgspec.json.decode(raw or b"{}")
    except (msgspec.DecodeError, RecursionError):
        return {}
    return schema if isinstance(schema, Mapping) else {}


def _type(schema: Any, depth: int) -> str:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return "any"
    choices = [f'"{each}"' for each in schema["enum"]] if isinstance(schema.get("enum"), list) else []
    for name in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(name), list):
            choices += [_type(each, depth + 1) for each in schema[name]]
    return " | ".join(choices) if choices else _plain_type(schema, depth)


def _plain_type(schema: Mapping[str, Any], depth: int) -> str:
    match schema.get("type"):
        case "object":
            return _object(schema, depth)
        case "array":
            return f"{_type(schema.get('items'), depth + 1)}[]"
        case "integer" | "number":
            return "number"
        case list() as kinds:
            return " | ".join(map(str, kinds))
        case str() as kind:
            return kind
    return str(schema.get("$ref", "any"))


def _object(schema: Mapping[str, Any], depth: int) -> str:
    return "{\n" + "".join(_members(schema, depth)) + "}"


def _members(schema: Mapping[str, Any], depth: int) -> Iterator[str]:
    properties = schema.get("properties")
    required = schema.get("required")
    for name, each in properties.items() if isinstance(properties, Mapping) else ():
        mark = "" if isinstance(required, list) and name in required else "?"
        if isinstance(each, Mapping) and each.get("description"):
            yield f"// {each['description']}\n"
        yield f"{name}{mark}: {_type(each, depth + 1)},\n"
