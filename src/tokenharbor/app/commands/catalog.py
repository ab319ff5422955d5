"""`catalog`: models and prices on sale, and likely mistakes in them."""

from collections.abc import Iterator
from typing import Any

import click
import msgspec

from tokenharbor.app.catalogue import read_catalog
from tokenharbor.app.commands.common import CommandResult, Group, current_settings, show_result, table
from tokenharbor.catalog.check import check_catalog
from tokenharbor.catalog.describe import OTHER_UNITS, ModelDocuments
from tokenharbor.editions.load import load_edition
from tokenharbor.kernel.clock import SystemClock

_MODEL_COLUMNS = ("model", "input", "output", "context", "providers", "coming")


@click.group(cls=Group)
def catalog() -> None:
    """List and check models and prices."""


@catalog.command("list")
def list_all() -> None:
    """List models, providers, and prices. Prices are in USD per 1M tokens unless stated, with markup."""
    settings = current_settings()
    found = read_catalog(settings)
    showcase = ModelDocuments(found, load_edition(settings.edition).price)
    models = [showcase.model(name, SystemClock().now()) for name in sorted(found.models)]
    show_result(CommandResult(models, table(_MODEL_COLUMNS, map(_row, models))))


@catalog.command()
def check() -> None:
    """Find models without a provider or price, and likely mistakes. Exit 1 if there is a fault."""
    findings = check_catalog(read_catalog(current_settings()), SystemClock().now())
    faults = sum(finding.fault for finding in findings)
    lines = [f"{'fault' if each.fault else 'note'}: {each.where}: {each.message}" for each in findings]
    document = [msgspec.to_builtins(finding) for finding in findings]
    show_result(CommandResult(document, lines or ["no findings"], f"faults: {faults}" if faults else None))


def _row(model: dict[str, Any]) -> tuple[object, ...]:
    pricing = model["pricing"] or {"input": "no price"}
    other = (f"{pricing[field]} {words}" for field, words in OTHER_UNITS.items() if field in pricing)
    providers = ", ".join(provider["name"] for provider in model["providers"])
    first = "free" if model["free"] else pricing.get("input") or next(other, None)
    coming = "; ".join(_coming(model)) or None
    return model["id"], first, pricing.get("output"), model["context_length"] or None, providers, coming


def _coming(model: dict[str, Any]) -> Iterator[str]:
    """Yield each announced price change, with its provider and start."""
    for provider in model["providers"]:
        pricing = provider["pricing"] or {}
        variants = (each for row in pricing.get("variants", ()) for each in row.get("coming", ()))
        for each in (*pricing.get("coming", ()), *variants):
            prices = ", ".join(f"{name} {price}" for name, price in each.items() if name not in ("from", "steps"))
            yield f"{provider['name']} from {each['from']}: {prices}"


@catalog.command()
@click.argument("version")
def price(version: str) -> None:
    """Show a price by its version, as named in receipts."""
    from tokenharbor.app.commands.stored_price import show_price  # noqa: PLC0415  the others need no database

    show_price(version)
