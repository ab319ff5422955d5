"""Tables of configuration, read into typed, frozen structs; an unknown field is refused with the nearest."""

import difflib
import re
import tomllib
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import msgspec

from tokenharbor.kernel.errors import Misconfigured

T = TypeVar("T", bound=msgspec.Struct)

_PLAIN_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a float",
    "bool": "a boolean",
    "object": "a table",
    "array": "an array",
}
_ENUM_VALUE = re.compile(r"Invalid enum value .*")
_MSGSPEC_PLACE = re.compile(r"^(?P<what>.*?) - at `\$(?P<path>[^`]*)`$")


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """A file's tables. Raises Misconfigured with one line; `where` names the file."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise Misconfigured(f"{where}: not TOML: nested too deeply") from None
    except ValueError as error:  # a number of too many digits is one, too
        raise Misconfigured(f"{where}: not TOML: {error}") from None


def read_table(kind: type[T], table: object, where: str) -> T:
    """`table`, as a TOML reader gives it, as a `kind`. `where` names file and table for people.

    Raises Misconfigured with one line: an unknown field and the nearest known one, or the field that is of
    the wrong type. Messages never hold a value, for a value may be a secret that stands where it should not.
    """
    if not isinstance(table, Mapping):
        raise Misconfigured(f"{where}: a table was expected, not {type_name(table)}")
    known = kind.__struct_encode_fields__
    for name in table:
        if name not in known:
            raise Misconfigured(f"{where}: unknown field {name!r}{did_you_mean(str(name), known)}")
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"{where}: {_plain(str(error))}") from None


def did_you_mean(name: str, known: Collection[str]) -> str:
    """`; did you mean 'x'?` for the nearest of `known`, else all of them."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known are {', '.join(sorted(known)) or 'none'}"


def type_name(value: Any) -> str:
    """What TOML calls a value's type."""
    names = {str: "a string", bool: "a boolean", int: "an integer", float: "a float", list: "an array"}
    if isinstance(value, Mapping):
        return "a table"
    return names.get(type(value), f"a {type(value).__name__}")


def _plain(message: str) -> str:
    """A complaint of msgspec's ("Expected `str`, got `float` - at `$.price`") with the place first."""
    match = _MSGSPEC_PLACE.match(message)
    what, path = (match["what"], match["path"]) if match else (message, "")
    what = what.replace(" | null", "").removeprefix("Object ")
    for name, plain in _PLAIN_NAMES.items():
        what = what.replace(f"`{name}`", plain)
    what = _ENUM_VALUE.sub("not one of the values it takes", what)
    what, place = what.replace("`", ""), path.removeprefix(".")
    return f"{place}: {what[:1].lower()}{what[1:]}" if place else f"{what[:1].lower()}{what[1:]}"
