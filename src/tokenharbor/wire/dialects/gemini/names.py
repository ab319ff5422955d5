"""The two spellings of this dialect's members, camelCase and snake_case: its vendor takes both, and so do we."""

import re

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.framing.body import Members

_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")
_UNDERSCORE = re.compile(r"_([a-z0-9])")
_BRACE = ord("{")
_SHORT = 16
_SHOWN = 60  # characters of a caller's own name that an error repeats


def camel(name: str) -> str:
    return _UNDERSCORE.sub(lambda match: match[1].upper(), name)


def snake(name: str) -> str:
    return _HUMP.sub(lambda match: f"_{match[1].lower()}", name)


def to_known_spelling(members: Members, known: frozenset[str], within: str = "") -> Members:
    """The members under their camelCase names; others than the `known` stay as they are. Raises InvalidRequest for one
    that stands in both spellings, or in a spelling that only looks like one: two readers may see two requests.
    """
    if known.issuperset(members):  # as nearly all clients write them
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
    """A list: its vendor takes an object for a list of one. An empty one is none."""
    if memoryview(raw)[0] != _BRACE or is_blank(raw):
        return raw
    return msgspec.Raw(b"[%b]" % bytes(raw))


def is_blank(raw: msgspec.Raw) -> bool:
    """Whether it is null or an empty object."""
    return len(raw) < _SHORT and bytes(raw).translate(None, b" \t\n\r") in (b"null", b"{}")


def name_in(members: Members, name: str) -> str:
    """How the members spell a camelCase name; the name itself where they do not have it."""
    other = snake(name)
    return other if other in members else name
