"""Loading of the catalogue: the shipped files, then the operator's own tables over them."""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any

from tokenharbor.catalog.build import build_catalog
from tokenharbor.catalog.tables import read_layers, read_wires
from tokenharbor.catalog.types import Catalog, Provider
from tokenharbor.kernel.tables import ConfigFaults


def load_catalog(operator: Mapping[str, Any], wires: Collection[str], file: str = "tokenharbor.toml") -> Catalog:
    """Load the catalogue. From the operator's parsed file, `operator`, only `providers` and `models` are read; they
    extend or override the shipped ones: field by field, an endpoint by its provider, a price as a whole. `wires` are
    the supported wires; `file` names the operator's file in messages.

    Raises Misconfigured with one line for each fault of every table, which says what is wrong and where.
    """
    here = files(__package__)
    shipped = [_parsed(entry) for folder in ("providers", "models") for entry in _tomls(here / folder)]
    faults = ConfigFaults()
    file_of_wires, usual = _parsed(here / "wires.toml")
    stated = read_layers([*shipped, (file, operator)], faults)
    catalog = build_catalog(stated, read_wires(usual, file_of_wires, faults), wires, faults)
    faults.raise_any()
    return catalog


def shipped_names(kind: str) -> frozenset[str]:
    """Return the names of the shipped `providers` or `models`."""
    tables = [_parsed(entry)[1].get(kind, {}) for entry in _tomls(files(__package__) / kind)]
    return frozenset(name for table in tables for name in table)


def relocate(catalog: Catalog, base_url: str) -> Catalog:
    """Return the catalogue with the running address of the built-in provider in all its wires."""

    def moved(provider: Provider) -> Provider:
        return replace(provider, base_url=base_url) if provider.builtin else provider

    models = {
        model.name: replace(
            model, endpoints=tuple(replace(each, provider=moved(each.provider)) for each in model.endpoints)
        )
        for model in catalog.models.values()
    }
    return Catalog(
        models=MappingProxyType(models),
        providers=MappingProxyType({key: moved(each) for key, each in catalog.providers.items()}),
        other_wires=tuple(map(moved, catalog.other_wires)),
    )


def _tomls(folder: Traversable) -> list[Traversable]:
    return sorted((entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda entry: entry.name)


def _parsed(entry: Traversable) -> tuple[str, dict[str, Any]]:
    return f"catalog/{entry.name}", tomllib.loads(entry.read_text("utf-8"))
