"""The two spellings of this dialect's members, camelCase and snake_case: its vendor accepts both, and so does the
gateway.
"""

import re

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.framing.body import Members

_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")
_UNDERSCORE = re.compile(r"_([a-z0-9])")
_BRACE = ord("{")
_SHORT = 16
_SHOWN = 60  # characters of a caller's key shown in an error


def camel(name: str) -> str:
    return _UNDERSCORE.sub(lambda match: match[1].upper(), name)


def snake(name: str) -> str:
    return _HUMP.sub(lambda match: f"_{match[1].lower()}", name)


def to_known_spelling(members: Members, known: frozenset[str], within: str = "") -> Members:
    """Return the members under their camelCase names; names outside `known` stay. Raises InvalidRequest for a name in
    both spellings, or in one that only looks like them: two readers may see different requests.
    """
    if known.issuperset(members):  # the usual case
        return members
    folded = {name.casefold(): name for name in known}
    found: Members = {}
    for name, raw in members.items():
        meant = folded.get(name.replace("_", "").casefold())
        if meant is None:
            found[name] = raw
        elif meant in found or name not in (meant, snake(meant)):
            param = f"{within}{name[:_SHOWN]}"
            raise InvalidRequest(
                f"`{param}` is a variant of `{within}{meant}`: use `{within}{meant}`, once.", param=param
            )
        else:
            found[meant] = raw
    return found


def as_list(raw: msgspec.Raw) -> msgspec.Raw:
    """Return a list of an object, which the vendor accepts for a list of one; null and an empty object stay."""
    if memoryview(raw)[0] != _BRACE or is_blank(raw):
        return raw
    return msgspec.Raw(b"[%b]" % bytes(raw))


def is_blank(raw: msgspec.Raw) -> bool:
    """Return whether the value is null or an empty object."""
    return len(raw) < _SHORT and bytes(raw).translate(None, b" \t\n\r") in (b"null", b"{}")


def name_in(members: Members, name: str) -> str:
    """Return the spelling of a camelCase name in the members; the name itself if it is absent."""
    other = snake(name)
    return other if other in members else name
