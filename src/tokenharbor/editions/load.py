"""Loading of an edition's files as a checked policy, and writing of a policy as a file."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tokenharbor.editions.contradictions import find_contradictions
from tokenharbor.editions.files import PLANS, StatedTables, find_edition, read_stated
from tokenharbor.editions.policy import DEFAULT_PLAN, PLAN_NAME, PlanPolicy, Policy, Sections
from tokenharbor.kernel.tables import ConfigFaults, did_you_mean, read_fields

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SECTIONS: Mapping[str, type[msgspec.Struct]] = {
    field.name: field.type for field in msgspec.structs.fields(Sections) if field.name != PLANS
}


def load_edition(name_or_path: str) -> Policy:
    """Return the policy of a shipped edition, or of a file (a name with a `/` or ending in `.toml`).

    Raises Misconfigured with one line for each fault, which says what is wrong, in which file and line.
    """
    stated = read_stated(find_edition(name_or_path, Path()))
    faults = ConfigFaults()
    _find_faults(stated, faults)
    faults.raise_any()
    policy = msgspec.convert({**stated.tables, "name": stated.path.stem}, Policy)
    for found in find_contradictions(policy):
        stated.place(faults, found.section).fault(f"{found.field}: {found.message}", found.field)
    faults.raise_any()
    return policy


def sections(policy: Policy) -> dict[str, dict[str, Any]]:
    """Return all fields by section and name."""
    return {name: msgspec.to_builtins(getattr(policy, name)) for name in Sections.__struct_fields__}


def write_edition(policy: Policy) -> str:
    """Return the policy as a file that `load_edition` reads."""
    tables = sections(policy)
    plans = {f"{PLANS}.{name}": fields for name, fields in tables[PLANS].items()}
    if plans:
        del tables[PLANS]
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
    rows = ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items())
    return f"{{ {rows} }}" if rows else "{}"


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _value(name)


def _find_faults(stated: StatedTables, faults: ConfigFaults) -> None:
    tables, whole = stated.tables, stated.place(faults)
    for name, table in tables.items():
        if name not in Sections.__struct_fields__:
            what = "section" if isinstance(table, Mapping) else "field"
            whole.fault(f"unknown {what} {name!r}{did_you_mean(name, Sections.__struct_fields__)}", name)
    for name in Sections.__struct_fields__:
        if name not in tables:
            whole.fault(f"missing section [{name}]")
        elif name in _SECTIONS:
            read_fields(_SECTIONS[name], tables[name], stated.place(faults, name))
    if isinstance(tables.get(PLANS), Mapping):
        _find_faults_of_plans(stated, faults)
    elif PLANS in tables:
        whole.fault(f"{PLANS} must be tables, each [{PLANS}.NAME]", PLANS)


def _find_faults_of_plans(stated: StatedTables, faults: ConfigFaults) -> None:
    plans: Mapping[str, object] = stated.tables[PLANS]
    for name, table in plans.items():
        place = stated.place(faults, PLANS, name)
        if name == DEFAULT_PLAN:
            place.fault("this name is reserved for the plan in [accounts] default_plan")
        if PLAN_NAME.fullmatch(name) is None:
            place.fault("the name of a plan must be lower-case letters, digits, '.', '_' and '-'")
        read_fields(PlanPolicy, table, place)
    accounts = stated.tables.get("accounts")
    default = accounts.get("default_plan") if isinstance(accounts, Mapping) else None
    if isinstance(default, str) and default and default not in plans:
        message = f"default_plan: no plan {default!r}{did_you_mean(default, plans)}"
        stated.place(faults, "accounts").fault(message, "default_plan")
