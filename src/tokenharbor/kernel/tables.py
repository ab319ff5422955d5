"""Tables of configuration, read into typed, frozen structs, with all faults named."""

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
    """Return a file's tables; `where` names the file in the error. Raises Misconfigured."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise Misconfigured(f"{where}: not TOML: nested too deeply") from None
    except ValueError as error:  # also raised for a number with too many digits
        raise Misconfigured(f"{where}: not TOML: {error}") from None


class ConfigFaults:
    """The faults of a configuration, collected so that one message names all of them.

    A reader that finds a fault adds it and goes on with any value of the right type: a configuration with a fault is
    never used.
    """

    def __init__(self) -> None:
        self._found: dict[str, None] = {}
        self._unread: set[tuple[str, str]] = set()

    def add(self, fault: str) -> None:
        self._found[fault] = None

    @contextlib.contextmanager
    def catch(self) -> Iterator[None]:
        """Add the faults of a Misconfigured that is raised inside."""
        try:
            yield
        except Misconfigured as error:
            for fault in error.faults:
                self.add(fault)

    def misread(self, where: str, field: str) -> None:
        """Note a field that is stated but could not be read, so that it is not reported as missing, too."""
        self._unread.add((where, field))

    def was_misread(self, where: str, field: str) -> bool:
        return (where, field) in self._unread or (where, "") in self._unread

    def raise_any(self) -> None:
        """Raise Misconfigured if there is a fault."""
        if self._found:
            raise Misconfigured(*self._found)


class TableLocation:
    """A table in a file: its name for people, and the collection of its faults. `origin_of` returns the file and line
    of a field, or of the table for "", if lines are known; messages put them before the name.
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
    """Return a `table`, as a TOML reader gives it, as a `kind`. `where` names file and table for people.

    Raises Misconfigured, which names each unknown field with the nearest known one, each field of a wrong type, and
    each missing field. Messages never hold a value: it may be a misplaced secret.
    """
    faults = ConfigFaults()
    read = read_fields(kind, table, TableLocation(where, faults))
    faults.raise_any()
    assert read is not None  # noqa: S101  without a fault it was read
    return read


def read_fields(kind: type[T], table: object, place: TableLocation) -> T | None:
    """Return a table as a `kind`, and collect its faults: made of the fields that could be read, or None if a required
    field is missing.
    """
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
    except msgspec.ValidationError:  # a required field is missing
        return None


def _complaints(kind: type[T], table: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield each field that is wrong or missing, with its fault."""
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
    """Return `; did you mean 'x'?` with the nearest of `known`, or the list of all of them."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known are {', '.join(sorted(known)) or 'none'}"


def type_name(value: Any) -> str:
    """Return TOML's name of a value's type."""
    names = {str: "a string", bool: "a boolean", int: "an integer", float: "a float", list: "an array"}
    if isinstance(value, Mapping):
        return "a table"
    return names.get(type(value), f"a {type(value).__name__}")


def _plain(message: str) -> str:
    """Return msgspec's message ("Expected `str`, got `float` - at `$.price`") in plain words, with the place first."""
    match = _MSGSPEC_PLACE.match(message)
    what, path = (match["what"], match["path"]) if match else (message, "")
    what = what.replace(" | null", "").removeprefix("Object ")
    for name, plain in _PLAIN_NAMES.items():
        what = what.replace(f"`{name}`", plain)
    what = _ENUM_VALUE.sub("not one of the allowed values", what)
    what, place = what.replace("`", ""), path.removeprefix(".")
    return f"{place}: {what[:1].lower()}{what[1:]}" if place else f"{what[:1].lower()}{what[1:]}"
