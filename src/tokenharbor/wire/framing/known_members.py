"""Removal of the JSON members that a schema does not have, with a note of their names."""

from collections.abc import Callable, Iterator, Mapping
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

import msgspec

from tokenharbor.wire.framing.body import Members
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE

_BRACE, _BRACKET, _QUOTE = b'{["'

_decode_members = msgspec.json.Decoder(Members).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode

INNER = "INNER"
"""The attribute of a shape that maps unread members to the types that they are decoded into later."""

Spell = Callable[[Members, frozenset[str], str], Members]
"""Renames an object's members to their known spelling, given the place before them."""


def keep_known(members: Members, shapes: Mapping[str, object], unknown: dict[str, str]) -> Members:
    """Return the members without the unknown ones inside those that have a shape; `unknown` gets each name (without
    indices) and the place of the first. Unreadable values stay unchanged, and so does a list item without any known
    member: the list may be about it.
    """
    known = KnownMembers(unknown)
    return {name: known.write(raw, shapes[name], name) if name in shapes else raw for name, raw in members.items()}


class KnownMembers:
    """Rewrites JSON that has unknown members. `spell` is for a dialect whose names have two spellings; it also drops
    nulls, and takes one item for a list of one.
    """

    def __init__(self, unknown: dict[str, str], spell: Spell | None = None) -> None:
        self._unknown = unknown
        self._spell = spell
        self._forms: dict[object, _Form] = {}  # by type, built on first use

    def write(self, raw: msgspec.Raw, kind: object, place: str, name: str | None = None) -> msgspec.Raw:
        """Return the value without unknown members; `place` has the indices that `name` lacks."""
        form = self._form(kind)
        name = place if name is None else name
        try:
            first = memoryview(raw)[0]
            if first == _BRACE and form.shapes:
                return self._object(raw, form, place, name)
            if first == _BRACKET and form.items is not None:
                return self._list(raw, form.items, place, name)
            if self._spell and form.items is not None and raw != NULL:
                return self._list(msgspec.Raw(b"[%b]" % bytes(raw)), form.items, place, name)
        except UNREADABLE:
            pass  # the decoder reports the error
        return raw

    def _list(self, raw: msgspec.Raw, kind: object, place: str, name: str) -> msgspec.Raw:
        items = _decode_items(raw)
        written = [self.write(item, kind, f"{place}[{at}]", name) for at, item in enumerate(items)]
        same = all(map(_is, items, written))
        return raw if same else msgspec.Raw(_encode(written))

    def _object(self, raw: msgspec.Raw, form: "_Form", place: str, name: str) -> msgspec.Raw:
        members = _decode_members(raw)
        shape = form.shapes[0] if len(form.shapes) == 1 else _tagged(form.shapes, members)
        if shape is None:
            return raw
        dots = (f"{place}.", f"{name}.") if place else ("", "")
        plain = members if self._spell is None else self._spell(members, shape.known, dots[0])
        if place.endswith("]") and plain and shape.known.isdisjoint(plain):
            return raw
        kept: Members = {}
        changed = plain is not members
        for member, value in plain.items():
            if member in shape.known and not (self._spell and value == NULL):
                inner = shape.inner.get(member)
                new = value if inner is None else self.write(value, inner, dots[0] + member, dots[1] + member)
                changed = changed or new is not value
                kept[member] = new
                continue
            changed = True
            if value != NULL:
                self._unknown.setdefault(dots[1] + member, dots[0] + member)
        return msgspec.Raw(_encode(kept)) if changed else raw

    def _form(self, kind: object) -> "_Form":
        form = self._forms.get(kind)
        if form is None:
            form = self._forms[kind] = _form_of(kind)
        return form


class _Shape(NamedTuple):
    """The members that an object may have, and the types of those that may have unknown members inside."""

    known: frozenset[str]
    inner: Mapping[str, object]
    tag_field: str | None
    tag: str


class _Form(NamedTuple):
    """The forms of a type: objects of these shapes, and a list with items of a type."""

    shapes: tuple[_Shape, ...]
    items: object | None


def _is(one: object, other: object) -> bool:
    return one is other


def _tagged(shapes: tuple[_Shape, ...], members: Members) -> _Shape | None:
    """Return the shape that the object's tag names."""
    for shape in shapes:
        raw = members.get(shape.tag_field or "")
        if raw is not None and memoryview(raw)[0] == _QUOTE:
            text = _decode_text(raw)
            return next((each for each in shapes if each.tag == text), None)
    return None


def _form_of(kind: object) -> _Form:
    options = list(_options(kind))
    shapes = tuple(_shape_of(one) for one in options if _is_shape(one))
    lists = [get_args(one)[0] for one in options if get_origin(one) is list]
    return _Form(shapes, lists[0] if lists else None)


def _options(kind: object) -> Iterator[object]:
    if get_origin(kind) in (Union, UnionType):
        for one in get_args(kind):
            yield from _options(one)
    else:
        yield kind


def _is_shape(kind: object) -> bool:
    return isinstance(kind, type) and get_origin(kind) is None and issubclass(kind, msgspec.Struct)


def _shape_of(shape: Any) -> _Shape:
    config = shape.__struct_config__
    inner: Mapping[str, object] = {field.encode_name: field.type for field in msgspec.structs.fields(shape)}
    inner = {**inner, **getattr(shape, INNER, {})}
    known = frozenset(inner) | ({config.tag_field} if config.tag_field else set())
    held = {name: kind for name, kind in inner.items() if _holds(kind)}
    return _Shape(known, held, config.tag_field, str(config.tag) if config.tag else "")


def _holds(kind: object) -> bool:
    """Return whether a value of this type may contain an object with a shape."""
    return any(_is_shape(one) or get_origin(one) is list for one in _options(kind))
