"""Readers of single top-level fields of a request: a value of the right type, or an InvalidRequest that names the
field.
"""

import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.framing.body import Members, UnreadableError, scan
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE

MOST_TOKENS = 100_000_000
"""More tokens than any model writes in one answer."""

_LONGEST_MODEL = 256
_MOST_OBJECTS = 50_000  # in an array that is decoded whole, nested objects included
_SHOWN = 60  # characters of a caller's own name that an error repeats
_LONGEST_COMPLAINT = 200
_LONGEST_NUMBER = 32

_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")

Check = Callable[[msgspec.Raw], str | None]
"""Checks a field's value: returns None, or the text after the field's name that says why it is refused."""


_BRACKET = ord("[")

_text = msgspec.json.Decoder(str).decode
_whole = msgspec.json.Decoder(int).decode
_lax_whole = msgspec.json.Decoder(int, strict=False).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_objects = msgspec.json.Decoder(list[dict[str, msgspec.Raw]] | None).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def wrong_shape(name: str, error: Exception, known: Iterable[str] = ()) -> InvalidRequest:
    """Return the error for a field `name` that a decoder rejected; `known` are the field's valid members."""
    text = str(error)
    place, unknown = _PLACE.search(text), _UNKNOWN.search(text)
    within = place[1] if place else ""
    param = f"{name}{'' if within.startswith('[') or not name else '.'}{within}" if within else name
    if unknown:
        param = f"{param}.{unknown[1][:_SHOWN]}"
        return InvalidRequest(f"`{param}`: unknown field. `{name}` has the fields: {', '.join(known)}.", param=param)
    said = _PLACE.sub("", text).replace("`", "")[:_LONGEST_COMPLAINT]
    said = said if said.startswith("JSON") else said[:1].lower() + said[1:]
    return InvalidRequest(f"`{param}` is invalid: {said}.", param=param)


def is_null(raw: msgspec.Raw | None) -> bool:
    return raw is None or raw == NULL


def read_model(members: Members) -> str:
    raw = members.get("model")
    if raw is None:
        raise InvalidRequest("`model` is missing: use a model from GET /v1/models.", param="model")
    try:
        model = _text(raw)
    except msgspec.DecodeError:
        raise InvalidRequest("`model` must be a string.", param="model") from None
    if not model or len(model) > _LONGEST_MODEL:
        raise InvalidRequest(f"`model` must have 1 to {_LONGEST_MODEL} characters.", param="model")
    return model


def read_flag(members: Members, name: str, within: str = "") -> bool:
    """Return a boolean; absent and null are False."""
    raw = members.get(name)
    if raw is None:
        return False
    text = bytes(raw)
    if text == b"true":
        return True
    if text in (b"false", b"null"):
        return False
    raise InvalidRequest(f"`{within}{name}` must be true or false.", param=within + name)


def read_count(members: Members, name: str, least: int, most: int = MOST_TOKENS, within: str = "") -> int | None:
    """Return a whole number; absent and null are None. `within` is the path of `members`, such as `tools[0].`."""
    raw = members.get(name)
    if raw is None or raw == NULL:
        return None
    try:
        count = _whole(raw)
    except msgspec.DecodeError:
        raise InvalidRequest(f"`{within}{name}` must be an integer.", param=within + name) from None
    if not least <= count <= most:
        raise InvalidRequest(f"`{within}{name}` must be between {least} and {most}.", param=within + name)
    return count


def lax_whole(raw: msgspec.Raw) -> msgspec.Raw:
    """Normalise a whole number in protobuf's JSON forms: `"50"`, `50.0` and `5e1` become 50. Anything else is returned
    unchanged.
    """
    try:
        return msgspec.Raw(b"%d" % _lax_whole(raw)) if len(raw) < _LONGEST_NUMBER else raw
    except msgspec.DecodeError:
        return raw


def read_budget(raw: msgspec.Raw, *words: str) -> int:
    """Return the number of tokens at the end of this path of keys, 0 if it is not a number; the vendor will refuse an
    invalid one.
    """
    try:
        for word in words:
            raw = _object(raw).get(word, NULL)
        return max(_lax_whole(raw), 0)
    except UNREADABLE:
        return 0


def need_list(members: Members, name: str) -> msgspec.Raw:
    """Return a required array, unread."""
    raw = members.get(name)
    if raw is None:
        raise InvalidRequest(f"`{name}` is missing.", param=name)
    if memoryview(raw)[0] != _BRACKET:
        raise InvalidRequest(f"`{name}` must be an array.", param=name)
    return raw


def read_objects(raw: msgspec.Raw, name: str) -> list[Members]:
    """Return an array of objects, each with distinct keys; null is an empty array."""
    if len(raw) > 2 * _MOST_OBJECTS and bytes(raw).count(b"{") > _MOST_OBJECTS:
        raise InvalidRequest(f"`{name}` has more than {_MOST_OBJECTS} objects: send fewer.", param=name)
    try:
        objects = _objects(raw) or []
    except UNREADABLE:
        raise InvalidRequest(f"`{name}` must be an array of objects.", param=name) from None
    # As in body.scan: if the lengths add up, there is no room for a repeated key.
    length = 1
    for members in objects:
        length += 2
        for member, value in members.items():
            length += len(member) + len(value) + 4
    if length != len(raw) and objects:
        _scan_each(raw, name)
    return objects


def _scan_each(raw: msgspec.Raw, name: str) -> None:
    for index, item in enumerate(_items(raw)):
        try:
            scan(bytes(item))
        except UnreadableError as error:
            param = f"{name}[{index}]"
            raise InvalidRequest(f"`{param}` is invalid: {error}.", param=param) from None


def run_checks(members: Members, checks: Mapping[str, Check]) -> None:
    """Refuse values that change the price or the retention in a way that is not sold."""
    for name in members.keys() & checks.keys():
        why = checks[name](members[name])
        if why is not None:
            raise InvalidRequest(f"`{name}` {why}", param=name)


def only(*values: str) -> Check:
    """Return a check that accepts these strings and null."""
    allowed = {b"null", *(b'"%b"' % value.encode() for value in values)}
    shown = " or ".join(f'"{value}"' for value in values)

    def check(raw: msgspec.Raw) -> str | None:
        if len(raw) < 64 and bytes(raw) in allowed:
            return None
        return f"has a value with a separate price, which is not supported: remove it or use {shown}."

    return check


def refuse_if_set(why: str) -> Check:
    """Return a check that accepts null, false, an empty array and empty text. It refuses an empty object, which may
    request all defaults.
    """

    def check(raw: msgspec.Raw) -> str | None:
        return None if len(raw) < 6 and bytes(raw) in (b"null", b"false", b"[]", b'""') else why

    return check
