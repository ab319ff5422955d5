"""The files of an edition: its own, and those that it extends, with the place of each field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.tables import ConfigFaults, TableLocation, did_you_mean, parse_toml, type_name
from tokenharbor.kernel.toml_lines import TomlPath, key_lines

EXTENDS = "extends"
PLANS = "plans"


def edition_names() -> tuple[str, ...]:
    """Return the names of the shipped editions."""
    return tuple(sorted(entry.name[:-5] for entry in files(__package__).iterdir() if entry.name.endswith(".toml")))


def find_edition(name_or_path: str, folder: Path) -> Path:
    """Return the file of a shipped edition, or of a path (with a `/` or ending in `.toml`) relative to `folder`. Raises
    Misconfigured.
    """
    if name_or_path.isprintable() and ("/" in name_or_path or name_or_path.endswith(".toml")):
        return folder / name_or_path
    if name_or_path not in edition_names():
        hint = did_you_mean(name_or_path, edition_names())
        raise Misconfigured(f"edition: no edition {name_or_path[:80]!r}{hint}")
    return Path(str(files(__package__) / f"{name_or_path}.toml"))


@dataclass(frozen=True, slots=True)
class StatedTables:
    """The merged tables of an edition's files. `origins` has the file and line of each field, by its path."""

    path: Path
    tables: Mapping[str, Any]
    origins: Mapping[TomlPath, str]

    def origin(self, path: TomlPath) -> str:
        """Return the place of a field, or of the nearest table around it."""
        around = (path[:length] for length in range(len(path), 0, -1))
        return next((self.origins[each] for each in around if each in self.origins), f"edition {self.path}")

    def place(self, faults: ConfigFaults, *path: str) -> TableLocation:
        """Return a table's location, whose faults name the file and line of the field."""
        return TableLocation(f"[{'.'.join(path)}]" if path else "", faults, lambda field: self.origin((*path, field)))


def read_stated(path: Path) -> StatedTables:
    """Return the merged tables of the file at `path` and the edition that it extends. Raises Misconfigured."""
    chain = _read_chain(path)
    tables: dict[str, Any] = {}
    origins: dict[TomlPath, str] = {}
    for stated in reversed(chain):
        tables = _merge(tables, stated.tables)
        origins |= stated.origins
    return StatedTables(path, tables, origins)


def _read_chain(path: Path) -> Sequence[StatedTables]:
    """Return the file, the one that it extends, and so on."""
    chain = [_read_file(path)]
    while EXTENDS in chain[-1].tables:
        last = chain[-1]
        where, base = last.origin((EXTENDS,)), last.tables[EXTENDS]
        if not isinstance(base, str):
            raise Misconfigured(f"{where}: {EXTENDS}: expected a string, not {type_name(base)}")
        try:
            found = find_edition(base, last.path.parent)
        except Misconfigured as error:
            raise Misconfigured(f"{where}: {EXTENDS}: {error}") from None
        if found.resolve() in [each.path.resolve() for each in chain]:
            names = " → ".join(each.path.name for each in chain)
            raise Misconfigured(f"{where}: {EXTENDS}: an edition cannot extend itself: {names} → {found.name}")
        chain.append(_read_file(found))
    return chain


def _read_file(path: Path) -> StatedTables:
    place = f"edition {path}"
    text = _text(path)
    tables = parse_toml(text, place)
    return StatedTables(path, tables, {key: f"{place} line {line}" for key, line in key_lines(text).items()})


def _merge(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Merge sections, and plans, field by field; a field's value is replaced as a whole."""
    merged = dict(base)
    for name, table in own.items():
        if name == PLANS and isinstance(table, Mapping):
            plans = base.get(PLANS, {})
            merged[PLANS] = plans | {plan: _over(plans.get(plan), fields) for plan, fields in table.items()}
        elif name != EXTENDS:
            merged[name] = _over(base.get(name), table)
    return merged


def _over(base: object, own: Any) -> Any:
    return {**base, **own} if isinstance(base, Mapping) and isinstance(own, Mapping) else own


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise Misconfigured(f"edition {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"edition {path}: not UTF-8") from None
    except ValueError:
        raise Misconfigured(f"edition {path}: not a valid file name") from None
