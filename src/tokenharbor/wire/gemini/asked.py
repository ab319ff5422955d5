"""Objects of a Gemini request read strictly, in either spelling of their members."""

import msgspec

from tokenharbor.wire.across import decode, no_meaning
from tokenharbor.wire.body import Members
from tokenharbor.wire.fields import NULL, is_null
from tokenharbor.wire.gemini.names import spelled

_decode_members = msgspec.json.Decoder(Members).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_flag = msgspec.json.Decoder(bool).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_number = msgspec.json.Decoder(float).decode
_decode_words = msgspec.json.Decoder(list[str]).decode

_SHOWN = 60


class Object:
    """One object's members that are not null, at a place such as `contents[0]`; the body's is empty. Raises
    InvalidRequest for those that are not `known`.
    """

    __slots__ = ("members", "place", "raw")

    def __init__(self, raw: msgspec.Raw, place: str, known: frozenset[str]) -> None:
        self.raw = raw
        self.place = place
        members = decode(raw, _decode_members, place or "body")
        if not known.issuperset(members):
            members = spelled(members, known, self.at(""))
        if NULL in members.values():
            members = {name: each for name, each in members.items() if not is_null(each)}
        if not known.issuperset(members):
            name = next(name for name in members if name not in known)
            raise no_meaning(self.at(name[:_SHOWN]))
        self.members = members

    def __contains__(self, name: str) -> bool:
        return name in self.members

    def at(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name

    def text(self, name: str) -> str:
        """Empty where it is absent."""
        raw = self.members.get(name)
        return "" if raw is None else decode(raw, _decode_text, self.at(name))

    def flag(self, name: str) -> bool | None:
        return decode(self.members[name], _decode_flag, self.at(name)) if name in self.members else None

    def number(self, name: str) -> float | None:
        return decode(self.members[name], _decode_number, self.at(name)) if name in self.members else None

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(decode(self.members[name], _decode_words, self.at(name))) if name in self.members else ()

    def object(self, name: str, known: frozenset[str]) -> "Object | None":
        return Object(self.members[name], self.at(name), known) if name in self.members else None

    def items(self, name: str) -> list[msgspec.Raw]:
        return decode(self.members[name], _decode_items, self.at(name)) if name in self.members else []

    def objects(self, name: str, known: frozenset[str]) -> list["Object"]:
        place = self.at(name)
        return [Object(raw, f"{place}[{index}]", known) for index, raw in enumerate(self.items(name))]
