"""Tools as text in the form that models see: TypeScript for OpenAI's, declarations for Gemini's."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from tokenharbor.wire.neutral.chat import Tool

_DEEPEST = 8
_DEFINITIONS = ("$defs", "definitions")
_CHOICES = ("anyOf", "oneOf", "allOf")


def read_schema(raw: bytes | None) -> Mapping[str, Any]:
    """Return the schema with its references inlined; empty if it is not a schema."""
    try:
        schema = msgspec.json.decode(raw or b"{}")
    except (msgspec.DecodeError, RecursionError):
        return {}
    if not isinstance(schema, dict):
        return {}
    named = {name: each for where in _DEFINITIONS for name, each in _object(schema.get(where)).items()}
    return _inlined(schema, named, 0) if named else schema


def _inlined(node: Any, named: dict[str, Any], depth: int) -> Any:
    """Inline each definition at its first reference only, so that the schema does not grow."""
    if depth > 3 * _DEEPEST:
        return node
    if isinstance(node, list):
        return [_inlined(each, named, depth + 1) for each in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    found = named.pop(reference.rpartition("/")[2], None) if isinstance(reference, str) else None
    if found is not None:
        return _inlined(found, named, depth + 1)
    return {name: _inlined(each, named, depth + 1) for name, each in node.items() if name not in _DEFINITIONS}


def as_typescript(tool: Tool) -> str:
    schema = read_schema(tool.schema)
    comment = "".join(f"// {line}\n" for line in tool.description.splitlines())
    if not schema.get("properties"):
        return f"{comment}type {tool.name} = () => any;\n\n"
    return f"{comment}type {tool.name} = (_: {_type(schema, 0)}) => any;\n\n"


def _type(schema: Any, depth: int) -> str:
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return "any"
    choices = [f'"{each}"' for each in _list(schema.get("enum"))]
    choices += [_type(each, depth + 1) for name in _CHOICES for each in _list(schema.get(name))]
    return " | ".join(choices) if choices else _plain_type(schema, depth)


def _plain_type(schema: Mapping[str, Any], depth: int) -> str:
    match schema.get("type"):
        case "object":
            return _typed_object(schema, depth)
        case "array":
            return f"{_type(schema.get('items'), depth + 1)}[]"
        case "integer" | "number":
            return "number"
        case list() as kinds:
            return " | ".join(map(str, kinds))
        case str() as kind:
            return kind
    return str(schema.get("$ref", "any"))


def _typed_object(schema: Mapping[str, Any], depth: int) -> str:
    return "{\n" + "".join(_members(schema, depth)) + "}"


def _members(schema: Mapping[str, Any], depth: int) -> Iterator[str]:
    required = _list(schema.get("required"))
    for name, each in _object(schema.get("properties")).items():
        mark = "" if name in required else "?"
        if isinstance(each, Mapping) and each.get("description"):
            yield f"// {each['description']}\n"
        yield f"{name}{mark}: {_type(each, depth + 1)},\n"


# ---- Gemini: the form that Google documents for FunctionGemma, where each quote is one token


def as_declaration(tool: Tool) -> str:
    described = f'description: "{tool.description} ",' if tool.description else ""
    members = ",".join(_declared(read_schema(tool.schema), _DEEPEST))
    return f"declaration:{tool.name}{{{described}parameters:{{{members}}}}}"


def _declared(schema: Any, depth: int) -> Iterator[str]:
    if not isinstance(schema, dict) or not depth:
        return
    if schema.get("description"):
        yield f'description: "{schema["description"]} "'
    if enum := _list(schema.get("enum")):
        yield f"enum:[{_quoted(enum)}]"
    if "items" in schema:
        yield f"items:{{{','.join(_declared(schema['items'], depth - 1))}}}"
    for name in _CHOICES:
        for each in _list(schema.get(name)):
            yield from _declared(each, depth - 1)
    for name, each in _object(schema.get("properties")).items():
        yield f"{name}:{{{','.join(_declared(each, depth - 1))}}}"
    if required := _list(schema.get("required")):
        yield f"required:[{_quoted(required)}]"
    if isinstance(schema.get("type"), str):
        yield f'type: "{schema["type"].upper()} "'


def _quoted(values: Iterable[Any]) -> str:
    return ",".join(f' "{value} "' for value in values)


# ---- the text alone


class ToolText(msgspec.Struct):
    """A tool's names and descriptions, the number of its schema's fields, and of those with fields inside."""

    texts: list[str]
    fields: int = 0
    nested: int = 0


def tool_text(tool: Tool) -> ToolText:
    found = ToolText([tool.name, tool.description])
    _add_words(found, read_schema(tool.schema), 0)
    return found


def _add_words(found: ToolText, schema: Any, depth: int) -> None:
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return
    if depth:
        found.texts.append(str(schema.get("description") or ""))
    found.texts += [str(each) for each in _list(schema.get("enum"))]
    inner = _object(schema.get("properties"))
    found.nested += bool(depth and inner)
    for name, each in inner.items():
        found.fields += 1
        found.texts.append(name)
        _add_words(found, each, depth + 1)
    for each in (schema.get("items"), *(each for name in _CHOICES for each in _list(schema.get(name)))):
        _add_words(found, each, depth + 1)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
