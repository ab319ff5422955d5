"""Editions as files: those that come with the program, an operator's own, and a policy written as a file."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from tokenharbor.editions.policy import DEFAULT_PLAN, PLAN_NAME, PlanPolicy, Policy, Sections
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.tables import ConfigFaults, TableLocation, did_you_mean, parse_toml, read_fields

_PLANS = "plans"
_SECTIONS: Mapping[str, type[msgspec.Struct]] = {
    field.name: field.type for field in msgspec.structs.fields(Sections) if field.name != _PLANS
}


def edition_names() -> tuple[str, ...]:
    """The editions that come with the program."""
    return tuple(sorted(entry.name[:-5] for entry in files(__package__).iterdir() if entry.name.endswith(".toml")))


def load_edition(name_or_path: str) -> Policy:
    """The policy of an edition that comes with the program, or of a file (what holds a `/` or ends in `.toml`).

    Raises Misconfigured with one line that says what and where.
    """
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        return _read(Path(name_or_path))
    if name_or_path not in edition_names():
        hint = did_you_mean(name_or_path, edition_names())
        raise Misconfigured(f"edition: no edition {name_or_path[:80]!r}{hint}")
    return _read(Path(str(files(__package__) / f"{name_or_path}.toml")))


def sections(policy: Policy) -> dict[str, dict[str, Any]]:
    """Every field by section and name."""
    return {name: msgspec.to_builtins(getattr(policy, name)) for name in Sections.__struct_fields__}


def write_edition(policy: Policy) -> str:
    """The policy as a file that `load_edition` reads."""
    tables = sections(policy)
    plans = {f"{_PLANS}.{name}": fields for name, fields in tables[_PLANS].items()}
    if plans:
        del tables[_PLANS]
    return "\n\n".join("\n".join(_section(name, fields)) for name, fields in (tables | plans).items()) + "\n"


def _section(name: str, fields: Mapping[str, Any]) -> Iterator[str]:
    yield f"[{name}]"
    for field, value in fields.items():
        yield f"{field} = {_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if not isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    rows = ", ".join(f"{_value(key)} = {_value(each)}" for key, each in value.items())
    return f"{{ {rows} }}" if rows else "{}"


def _read(path: Path) -> Policy:
    place = f"edition {path}"
    tables = parse_toml(_text(path), place)
    faults = ConfigFaults()
    _find_faults(tables, TableLocation(place, faults))
    faults.raise_any()
    return msgspec.convert({**tables, "name": path.stem}, Policy)


def _find_faults(tables: Mapping[str, object], place: TableLocation) -> None:
    for name, table in tables.items():
        if name not in Sections.__struct_fields__:
            what = "section" if isinstance(table, Mapping) else "field"
            place.fault(f"unknown {what} {name!r}{did_you_mean(name, Sections.__struct_fields__)}")
    for name in Sections.__struct_fields__:
        if name not in tables:
            place.fault(f"missing section [{name}]")
        elif name in _SECTIONS:
            read_fields(_SECTIONS[name], tables[name], place.within(f"[{name}]"))
    if _PLANS in tables:
        _find_faults_of_plans(tables, place)


def _find_faults_of_plans(tables: Mapping[str, Any], place: TableLocation) -> None:
    plans = tables[_PLANS]
    if not isinstance(plans, Mapping):
        place.fault(f"{_PLANS} must be tables, each [{_PLANS}.NAME]")
        return
    for name, table in plans.items():
        here = place.within(f"[{_PLANS}.{name}]")
        if name == DEFAULT_PLAN:
            here.fault("this name is taken: it means the plan in [accounts] default_plan")
        if PLAN_NAME.fullmatch(name) is None:
            here.fault("the name of a plan must be lower-case letters, digits, '.', '_' and '-'")
        read_fields(PlanPolicy, table, here)
    accounts = tables.get("accounts")
    default = accounts.get("default_plan") if isinstance(accounts, Mapping) else None
    if isinstance(default, str) and default and default not in plans:
        place.within("[accounts]").fault(f"default_plan: no plan {default!r}{did_you_mean(default, plans)}")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise Misconfigured(f"edition {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"edition {path}: not UTF-8") from None
    except ValueError:
        raise Misconfigured(f"edition {path}: not a valid file name") from None
