"""JSON schemas adapted to vendors: each supports a part of the standard, and refuses a request with more, or less.

A schema keeps its meaning. A limit that a vendor cannot enforce becomes part of the description, for the model.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from tokenharbor.wire.framing.json_values import UNREADABLE

_decode = msgspec.json.decode
_encode = msgspec.json.encode

Walk = Callable[[dict[str, Any]], dict[str, Any]]

_MAPS = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_ONES = ("items", "additionalProperties")

_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)  # of strings
_KEPT = frozenset(
    {"$ref", "$defs", "definitions", "type", "title", "description", "default", "enum", "const", "format"}
    | {"properties", "required", "additionalProperties", "items", "anyOf", "oneOf", "allOf"}
)
_LIMITS = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern"}
    | {"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "format"}
)

_STRICT = frozenset(
    {"$ref", "$defs", "definitions", "type", "title", "description", "enum", "const", "format", "pattern"}
    | {"properties", "required", "additionalProperties", "items", "anyOf", "minItems", "maxItems"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
)


def close_objects(schema: bytes) -> bytes:
    """Adapt a schema to vendors that enforce it only for objects without additional members, and that support no limits
    on numbers, strings and arrays. Objects that are maps stay open: the vendor reports the error.
    """
    return _changed(schema, _closed)


def fill_parameters(schema: bytes) -> bytes:
    """Add the keywords that some vendors require in a function's parameters: `properties` of an object, `items` of an
    array.
    """
    arrays = schema.count(b'"array"')
    if b'"properties"' in schema and b'"type"' in schema and arrays <= schema.count(b'"items"'):
        return schema  # nearly all schemas
    return _changed(schema, lambda read: _whole({"type": "object", "properties": {}, **read}))


def strip_beside_references(schema: bytes, beside: frozenset[str]) -> bytes:
    """Remove the members beside a `$ref`, except those in `beside`."""
    if b'"$ref"' not in schema:
        return schema

    def walk(read: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in read:
            read = {name: each for name, each in read.items() if name[:1] == "$" or name in beside}
        return _walked(read, walk)

    return _changed(schema, walk)


def is_strict(schema: bytes | None) -> bool:
    """Return whether vendors with strict schemas accept this one: all members are named and required, and only
    supported keywords are used.
    """
    try:
        read = _decode(schema or b"{}")
        return isinstance(read, dict) and read.get("type") == "object" and _is_strict(read)
    except UNREADABLE:
        return False


def _changed(schema: bytes, walk: Walk) -> bytes:
    """Apply `walk`; return the same bytes if nothing changes or if it is no schema, which the vendor will refuse."""
    try:
        read = _decode(schema)
        if not isinstance(read, dict):
            return schema
        made = walk(read)
        return schema if made == read else _encode(made)
    except UNREADABLE:
        return schema


def _walked(read: dict[str, Any], walk: Walk) -> dict[str, Any]:
    """Return the schema with `walk` applied to the schemas inside it."""
    made = dict(read)
    for name in _MAPS:
        if isinstance(within := read.get(name), dict):
            made[name] = {key: _each(each, walk) for key, each in within.items()}
    for name in _LISTS:
        if isinstance(some := read.get(name), list):
            made[name] = [_each(each, walk) for each in some]
    for name in _ONES:
        if name in read:
            made[name] = _each(read[name], walk)
    return made


def _each(value: Any, walk: Walk) -> Any:
    return walk(value) if isinstance(value, dict) else value


def _is(read: dict[str, Any], kind: str) -> bool:
    said = read.get("type")
    return said == kind or (isinstance(said, list) and kind in said)


def _closed(read: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in read:  # nothing may be beside it, except definitions at the top
        return _walked({name: each for name, each in read.items() if name in ("$ref", "$defs", "definitions")}, _closed)
    made = _walked({name: each for name, each in read.items() if _says(name, each)}, _closed)
    if "oneOf" in made and "anyOf" not in made:
        made["anyOf"] = made.pop("oneOf")
    if (_is(read, "object") or "properties" in read) and not isinstance(read.get("additionalProperties"), dict):
        made["additionalProperties"] = False
    limits = [f"{name}: {_word(each)}" for name, each in read.items() if name in _LIMITS and not _says(name, each)]
    if limits:
        made["description"] = " ".join(filter(None, (read.get("description"), f"({', '.join(limits)})")))
    return made


def _says(name: str, value: Any) -> bool:
    """Return whether a keyword may stay."""
    if name == "format":
        return value in _FORMATS
    if name == "minItems":
        return value in (0, 1)
    return name in _KEPT


def _word(value: Any) -> str:
    return value if isinstance(value, str) else _encode(value).decode()


def _whole(read: dict[str, Any]) -> dict[str, Any]:
    made = _walked(read, _whole)
    if _is(read, "array") and "items" not in read and "prefixItems" not in read:
        made["items"] = {}
    return made


def _is_strict(read: dict[str, Any]) -> bool:
    if not _STRICT.issuperset(read) or ("$ref" in read and len(read) > 1):
        return False
    if not any(name in read for name in ("type", "$ref", "anyOf", "const")):
        return False
    if "format" in read and read["format"] not in _FORMATS - {"uri"}:
        return False
    if _is(read, "array") and "items" not in read:
        return False
    if _is(read, "object"):
        named = read.get("properties", {})
        if read.get("additionalProperties") is not False or named.keys() != set(read.get("required", ())):
            return False
    return all(isinstance(each, dict) and _is_strict(each) for each in _within(read))


def _within(read: dict[str, Any]) -> Iterable[Any]:
    for name in _MAPS:
        yield from read.get(name, {}).values()
    yield from read.get("anyOf", ())
    if "items" in read:
        yield read["items"]
