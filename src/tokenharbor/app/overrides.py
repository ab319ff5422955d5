"""Environment variables that override fields of providers and models, in the file or shipped."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import inspect

from tokenharbor.catalog.load import shipped_names
from tokenharbor.catalog.tables import ModelTable, ProviderTable
from tokenharbor.kernel.tables import ConfigFaults, did_you_mean

_KINDS: Final[Mapping[str, type[msgspec.Struct]]] = {"providers": ProviderTable, "models": ModelTable}
_REFERENCE = re.compile(r"(?:env|file|store):")

FieldPath = tuple[str, ...]
"""The path of a value: `providers` or `models`, the name, and the field with any subtable."""


def is_override(variable: str, prefix: str) -> bool:
    """Return whether a variable's name begins as one for a provider or model does."""
    return any(variable.startswith(f"{prefix}{kind}_".upper()) for kind in _KINDS)


def apply_overrides(
    tables: Mapping[str, Mapping[str, Any]], environ: Mapping[str, str], variables: Iterable[str], prefix: str
) -> dict[str, dict[str, Any]]:
    """Return `tables` with the values of these variables. Raises Misconfigured for a variable that names no field."""
    faults = ConfigFaults()
    found: dict[str, dict[str, Any]] = {kind: dict(tables[kind]) for kind in _KINDS}
    known: dict[str, tuple[FieldPath, inspect.Type]] = {}
    for variable in variables:
        known = known or _override_fields(tables, prefix)
        if variable not in known:
            faults.add(f"environment: unknown variable {variable!r}{_nearest(variable, known)}")
            continue
        (kind, name, *within), type_ = known[variable]
        found[kind][name] = _set_field(found[kind].get(name, {}), within, _value(type_, variable, environ[variable]))
    faults.raise_any()
    return found


def _override_fields(tables: Mapping[str, Mapping[str, Any]], prefix: str) -> dict[str, tuple[FieldPath, inspect.Type]]:
    known = {}
    for kind, table in _KINDS.items():
        for name in {*tables[kind], *shipped_names(kind)}:
            for within, type_ in _fields(table):
                words = "_".join((kind, name, *within))
                known[prefix + re.sub(r"[^A-Za-z0-9]+", "_", words).upper()] = ((kind, name, *within), type_)
    return known


def _fields(table: type) -> Iterator[tuple[FieldPath, inspect.Type]]:
    """Yield the fields that one variable can hold (text, a number or a list), also those of subtables."""
    for field in inspect.type_info(table).fields:  # type: ignore[attr-defined]  # a struct's has them
        for type_ in getattr(field.type, "types", (field.type,)):
            if isinstance(type_, (inspect.StrType, inspect.IntType, inspect.FloatType, inspect.LiteralType)) or (
                isinstance(type_, inspect.CollectionType) and isinstance(type_.item_type, inspect.StrType)
            ):
                yield (field.name,), type_
            elif isinstance(type_, inspect.StructType):
                yield from (((field.name, *within), each) for within, each in _fields(type_.cls))


def _value(type_: inspect.Type, variable: str, text: str) -> object:
    if isinstance(type_, inspect.CollectionType):
        return [item.strip() for item in text.split(",") if item.strip()]
    if isinstance(type_, (inspect.IntType, inspect.FloatType)):
        number = re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text, re.ASCII)
        return text if number is None else (float(text) if number[1] else int(text))
    if variable.endswith("_CREDENTIAL") and not _REFERENCE.match(text):
        return f"env:{variable}"  # the variable holds the key itself: refer to it
    return text


def _set_field(table: object, within: list[str], value: object) -> object:
    """Return a copy of the table with a value set. Anything but a table is returned as is, to be refused later."""
    if not isinstance(table, Mapping):
        return table
    first, *rest = within
    return {**table, first: _set_field(table.get(first, {}), rest, value) if rest else value}


def _nearest(variable: str, known: Collection[str]) -> str:
    hint = did_you_mean(variable, known)
    return hint if hint.startswith("; did") else "; it names no field of a provider or model here"
