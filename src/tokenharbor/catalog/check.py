"""Checks of a valid catalogue for doubtful entries, so that the operator sees them before a caller does."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

import msgspec

from tokenharbor.catalog.find import NameIndex, claimed_names
from tokenharbor.catalog.price import show_million
from tokenharbor.catalog.pricing import Rates, Terms
from tokenharbor.catalog.surfaces import CHAT
from tokenharbor.catalog.types import Catalog, Endpoint, Model


class FindingKind(StrEnum):
    """The kind of a finding."""

    NO_PRICE = "no_price"  # not for sale there: listed but refused, never billed at 0
    NO_ENDPOINT = "no_endpoint"  # no provider sells it
    NO_CREDENTIAL = "no_credential"  # no reference to the provider's key
    SHADOWED = "shadowed"  # a name of one model selects another
    NO_MAX_FIELD = "no_max_field"  # the provider's field for the maximum is not stated
    RETIRED = "retired"  # its announced end has passed
    PRICE = "price"  # an unusual order of a price's classes: probably a typing error


class Finding(msgspec.Struct, frozen=True):
    """One doubtful entry. `fault`: something cannot be sold as configured; otherwise it is only a warning."""

    kind: FindingKind
    where: str
    message: str
    fault: bool = False


def check_catalog(catalog: Catalog, at: datetime) -> tuple[Finding, ...]:
    """Return all findings, faults first, at the prices of `at` (aware UTC)."""
    found = [
        *_providers(catalog),
        *(finding for model in catalog.models.values() for finding in _model(model, at)),
        *_shadowed(catalog),
    ]
    return tuple(sorted(found, key=lambda finding: not finding.fault))


def _providers(catalog: Catalog) -> Iterator[Finding]:
    for provider in catalog.providers.values():
        if provider.credential is None and provider.auth != "none":
            message = 'no credential; set credential = "env:NAME", or auth = "none" if the provider needs none'
            yield Finding(FindingKind.NO_CREDENTIAL, f"provider {provider.name}", message)
    for provider in (*catalog.providers.values(), *catalog.other_wires):
        if provider.limit.max_field is None:
            message = (
                "max_field is not set, so max_completion_tokens does not limit a quote; set the field that the "
                'provider supports: "max_tokens" or "max_completion_tokens", or "none"'
            )
            yield Finding(FindingKind.NO_MAX_FIELD, f"provider {provider.name}", message)


def _model(model: Model, at: datetime) -> Iterator[Finding]:
    where = f"model {model.name}"
    if not model.endpoints:
        yield Finding(
            FindingKind.NO_ENDPOINT, where, "no provider sells it, so every request for it is refused", fault=True
        )
    elif all(endpoint.price is None for endpoint in model.endpoints):
        yield Finding(FindingKind.NO_PRICE, where, "no price, so every request for it is refused", fault=True)
    if model.retires is not None and model.retires <= at:
        message = f"its end was announced for {model.retires:%Y-%m-%d}: remove it, or correct retires"
        yield Finding(FindingKind.RETIRED, where, message)
    seen = set()
    for endpoint in model.endpoints:  # a company's wires share one price: report it once
        if endpoint.provider.name not in seen:
            seen.add(endpoint.provider.name)
            yield from _endpoint(endpoint, model.surfaces, at)


def _endpoint(endpoint: Endpoint, surfaces: tuple[str, ...], at: datetime) -> Iterator[Finding]:
    where = f"model {endpoint.model} at {endpoint.provider.name}"
    if endpoint.price is None:
        yield Finding(FindingKind.NO_PRICE, where, "no price at this provider, so no request is routed there")
        return
    rates = Rates(endpoint.price, Terms())
    if surfaces != (CHAT,):
        return
    for threshold in rates.thresholds(at):
        size = f"above {threshold} tokens of input, " if threshold else ""
        for message in _unusual(rates, at, threshold + 1):
            yield Finding(FindingKind.PRICE, where, size + message)


def _unusual(rates: Rates, at: datetime, input_size: int) -> Iterator[str]:
    def dearer(unit: str, other: str) -> str | None:
        here, there = rates.pico(unit, at, input_size), rates.pico(other, at, input_size)
        return f"{unit} {show_million(here)} costs more than {other} {show_million(there)}" if here > there else None

    for message in (
        dearer("input", "output"),
        dearer("cache_read", "input"),
        dearer("input", "cache_write_5m"),
        dearer("cache_write_5m", "cache_write_1h"),
        dearer("output", "reasoning"),
    ):
        if message is not None:
            yield message


def _shadowed(catalog: Catalog) -> Iterator[Finding]:
    index = NameIndex(catalog)
    for model in catalog.models.values():
        for name in claimed_names(model):
            found = index.find(name)
            if found is not None and found.model.name != model.name:
                message = f"the name {name!r} selects {found.model.name} instead"
                yield Finding(FindingKind.SHADOWED, f"model {model.name}", message)
