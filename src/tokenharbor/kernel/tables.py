"""Tables of configuration, read into typed, frozen structs; every fault is named, an unknown field with the nearest."""

import contextlib
import difflib
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Self, TypeVar

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


class ConfigFaults:
    """What is wrong with a configuration, gathered so that one message names all of it.

    Who finds a fault adds it and goes on with anything of the right type: nothing that was read is used once there is
    a fault.
    """

    def __init__(self) -> None:
        self._found: dict[str, None] = {}
        self._unread: set[tuple[str, str]] = set()

    def add(self, fault: str) -> None:
        self._found[fault] = None

    @contextlib.contextmanager
    def catch(self) -> Iterator[None]:
        """Add what is raised inside as a Misconfigured."""
        try:
            yield
        except Misconfigured as error:
            for fault in error.faults:
                self.add(fault)

    def misread(self, where: str, field: str) -> None:
        """A field that is stated and could not be read: that it is missing would be a fault too many."""
        self._unread.add((where, field))

    def was_misread(self, where: str, field: str) -> bool:
        return (where, field) in self._unread or (where, "") in self._unread

    def raise_any(self) -> None:
        """Raises Misconfigured if there is a fault."""
        if self._found:
            raise Misconfigured(*self._found)


class TableLocation:
    """A table in a file, by its name for people, and where the faults of it go. `origin_of` has the file and line that
    state a field, or for "" the table, where lines are known; they stand before the name.
    """

    def __init__(self, name: str, faults: ConfigFaults, origin_of: Callable[[str], str] | None = None) -> None:
        self.name = name
        self.faults = faults
        self._origin_of = origin_of

    def within(self, what: str) -> Self:
        return type(self)(f"{self.name} {what}", self.faults, self._origin_of)

    def fault(self, message: str, field: str = "") -> None:
        origin = "" if self._origin_of is None else self._origin_of(field)
        self.faults.add(f"{f'{origin} {self.name}'.strip()}: {message}")


def read_table(kind: type[T], table: object, where: str) -> T:
    """`table`, as a TOML reader gives it, as a `kind`. `where` names file and table for people.

    Raises Misconfigured that names each unknown field with the nearest known one, each field of a wrong type, and what
    is missing. Messages never hold a value, for a value may be a secret that stands where it should not.
    """
    faults = ConfigFaults()
    read = read_fields(kind, table, TableLocation(where, faults))
    faults.raise_any()
    assert read is not None  # noqa: S101  without a fault it was read
    return read


def read_fields(kind: type[T], table: object, place: TableLocation) -> T | None:
    """Likewise, with the faults gathered: the fields that could be read, None where those are not enough."""
    if not isinstance(table, Mapping):
        place.fault(f"expected a table, not {type_name(table)}")
        place.faults.misread(place.name, "")
        return None
    known = kind.__struct_encode_fields__
    for name in table:
        if name not in known:
            place.fault(f"unknown field {name!r}{did_you_mean(str(name), known)}", str(name))
    fields = {name: value for name, value in table.items() if name in known}
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError:
        for name, complaint in _complaints(kind, fields):
            place.fault(complaint, name)
            place.faults.misread(place.name, name)
            fields.pop(name, None)
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError:  # a field that must be there is not
        return None


def _complaints(kind: type[T], table: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Each field that is wrong or missing, and what is wrong with it."""
    for field in msgspec.structs.fields(kind):
        name = field.encode_name
        if name not in table:
            if field.required:
                yield name, f"missing required field {name}"
            continue
        try:
            msgspec.convert({name: table[name]}, msgspec.defstruct("_", [(name, field.type)]))
        except msgspec.ValidationError as error:
            yield name, _plain(str(error))


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
