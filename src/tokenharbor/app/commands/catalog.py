"""`catalog`: what is on sale, and what is doubtful about it."""

import re
from collections.abc import Iterator
from typing import Any

import click
import msgspec

from tokenharbor.app.catalogue import read_catalog
from tokenharbor.app.commands.common import CommandResult, Group, current_settings, show_result, table
from tokenharbor.app.commands.database import at_database
from tokenharbor.app.session import CommandSession
from tokenharbor.catalog.check import check_catalog
from tokenharbor.catalog.describe import OTHER_UNITS, ModelDocuments, describe_price
from tokenharbor.catalog.price import load_price
from tokenharbor.editions.load import load_edition
from tokenharbor.kernel.clock import SystemClock
from tokenharbor.kernel.errors import Missing
from tokenharbor.ledger.history import RequestHistory

_VERSION = re.compile(r"[0-9a-f]{64}")
_MODEL_COLUMNS = ("model", "input", "output", "context", "providers", "coming")
_PRICE_COLUMNS = ("unit", "usd", "per", "above_input", "hours", "from")


@click.group(cls=Group)
def catalog() -> None:
    """List and check models and prices."""


@catalog.command("list")
def list_all() -> None:
    """List models, providers, prices now and to come. Prices are in USD per 1M tokens unless stated, with markup."""
    settings = current_settings()
    found = read_catalog(settings)
    showcase = ModelDocuments(found, load_edition(settings.edition).price)
    models = [showcase.model(name, SystemClock().now()) for name in sorted(found.models)]
    show_result(CommandResult(models, table(_MODEL_COLUMNS, map(_row, models))))


@catalog.command()
def check() -> None:
    """Find models without a provider or a price, and likely mistakes. Exit code 1 if there is a fault."""
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
    """What providers will charge, and from when on."""
    for provider in model["providers"]:
        pricing = provider["pricing"] or {}
        variants = (each for row in pricing.get("variants", ()) for each in row.get("coming", ()))
        for each in (*pricing.get("coming", ()), *variants):
            prices = ", ".join(f"{name} {price}" for name, price in each.items() if name not in ("from", "steps"))
            yield f"{provider['name']} from {each['from']}: {prices}"


@catalog.command()
@click.argument("version")
@at_database
async def price(session: CommandSession, version: str) -> CommandResult:
    """Show the price that a receipt names by its version."""
    known = bytes.fromhex(version) if _VERSION.fullmatch(version) else b""
    body = await RequestHistory(session.conn).price(known)
    if body is None:
        raise Missing(f"no price of version {version[:64]!r}: give all 64 digits, as a receipt has them")
    lines = describe_price(load_price(body.encode()))
    rows = [tuple(line[column] for column in _PRICE_COLUMNS) for line in lines]
    return CommandResult({"version": version, "lines": lines}, table(_PRICE_COLUMNS, rows))
