"""The catalogue as the API shows it: one object per model, with the fields of OpenAI's and Anthropic's clients.

Prices are the caller's at that moment, with markup and discount and without the service fee, which is stated beside
them, as are later prices (`coming`): decimal strings in USD per 1M tokens, and per image, second, search or tool use.
`prompt` and `completion` are the same input and output prices in USD per token, under the names of OpenRouter's
clients.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tokenharbor.catalog.price import DAYS, PER_MILLION, PER_ONE, show_million, show_one
from tokenharbor.catalog.pricing import BP, Rates, RatesCache, Terms
from tokenharbor.catalog.retention import retention_days
from tokenharbor.catalog.terms import STANDARD_PLAN, AccountPlan, SellingPolicy, account_terms
from tokenharbor.catalog.types import Catalog, Endpoint, Model, Price, PriceHours, PriceVariant
from tokenharbor.kernel.clock import show_time

OTHER_UNITS: Mapping[str, str] = {
    "image": "an image",
    "second": "a second",
    "search_unit": "a search",
    "character": "for 1M characters",
}
"""The fields of prices for units other than tokens, and the words after the amount."""

MayUse = Callable[[str], bool]
"""Returns whether a caller may use a provider."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PricedEndpoint:
    """An endpoint with its price, under the terms of the account that sees it."""

    endpoint: Endpoint
    rates: Rates


class ModelDocuments:
    """The objects of all models, computed again for each minute, since prices may change with time."""

    def __init__(self, catalog: Catalog, selling: SellingPolicy, plan: AccountPlan = STANDARD_PLAN) -> None:
        self._models = catalog.models
        self._selling = selling
        self._plan = plan
        self._tariff = RatesCache()
        self._minute: datetime | None = None
        self._objects: dict[str, dict[str, Any]] = {}

    def model(self, name: str, at: datetime, may: MayUse | None = None) -> dict[str, Any]:
        """Return a model's object by its canonical name, at the prices of `at` (aware UTC); with `may`, only with the
        providers that the caller may use.
        """
        minute = at.replace(second=0, microsecond=0)
        if may is not None:
            model = self._models[name]
            allowed = tuple([each for each in model.endpoints if may(each.provider.name)])
            return self._describe(replace(model, endpoints=allowed), minute)
        if minute != self._minute:
            self._minute, self._objects = minute, {}
        found = self._objects.get(name)
        if found is None:
            found = self._objects[name] = self._describe(self._models[name], minute)
        return found

    def catalog_model(self, name: str) -> Model:
        """Return the catalogue's model by its canonical name."""
        return self._models[name]

    def priced(self, model: Model) -> Sequence[PricedEndpoint]:
        """Return the model's endpoints that have a price."""
        terms = self.terms(model)
        return [
            PricedEndpoint(endpoint, self._tariff.rates(endpoint.price, terms))
            for endpoint in model.endpoints
            if endpoint.price is not None
        ]

    def terms(self, model: Model) -> Terms:
        """Return the terms on the model's vendor prices."""
        return account_terms(self._selling, self._plan, model.name)

    def _describe(self, model: Model, at: datetime) -> dict[str, Any]:
        terms = self.terms(model)
        rates = {each.endpoint.name: each.rates for each in self.priced(model)}
        pricing = {name: self._pricing(each, at) for name, each in rates.items()}
        for endpoint in model.endpoints:
            if len(endpoint.variants) > 1:
                pricing[endpoint.name]["variants"] = [self._variant(each, terms, at) for each in endpoint.variants]
        cheapest = min(rates, key=lambda name: _plain_price(rates[name], at), default="")
        return {
            "id": model.name,
            "object": "model",
            "type": "model",
            "created": model.created,
            "created_at": _rfc3339(model.created),
            "owned_by": model.vendor or next((each.provider.name for each in model.endpoints), ""),
            "display_name": model.label,
            "lifecycle": _lifecycle(model, at),
            "expiration_date": model.retires.strftime("%Y-%m-%d") if model.retires else None,
            "context_length": model.context,
            "max_input_tokens": model.context,
            "max_tokens": model.max_output,
            "max_output_tokens": model.max_output,
            "capabilities": sorted(model.capabilities),
            "surfaces": list(model.surfaces),
            "free": model.free,
            "aliases": list(model.aliases),
            "pricing": pricing.get(cheapest),
            "providers": _providers(model, pricing),
            "retention": worst_retention([endpoint.provider.retention for endpoint in model.endpoints]),
        }

    def _variant(self, variant: PriceVariant, terms: Terms, at: datetime) -> dict[str, Any]:
        rates = self._tariff.rates(variant.price, terms)
        return {"size": variant.size, "quality": variant.quality, **unit_prices(rates, at, 0), **_coming(rates, at)}

    def _pricing(self, rates: Rates, at: datetime) -> dict[str, Any]:
        sold = rates.terms.sold
        prompt, completion = rates.pico("input", at) * sold, rates.pico("output", at) * sold
        return {
            "currency": "USD",
            **unit_prices(rates, at, 0),
            "prompt": show_one(prompt, BP * BP),
            "completion": show_one(completion, BP * BP),
            "service_fee_bp": rates.terms.fee_bp,
            **_steps(rates, at),
            **_coming(rates, at),
        }


@dataclass(frozen=True, slots=True)
class ModelsOnSale:
    """The models' documents, and the names of the models that some provider can serve, in order."""

    documents: ModelDocuments
    names: Sequence[str]


def _steps(rates: Rates, at: datetime) -> dict[str, Any]:
    _, *steps = rates.thresholds(at)
    return {"steps": [{"above_input": step, **unit_prices(rates, at, step)} for step in steps]} if steps else {}


def _coming(rates: Rates, at: datetime) -> dict[str, Any]:
    """Return later prices, the next first."""
    changes = rates.changes(at)
    coming = [{"from": show_time(since), **unit_prices(rates, since, 0), **_steps(rates, since)} for since in changes]
    return {"coming": coming} if coming else {}


def describe_price(price: Price) -> list[dict[str, Any]]:
    """Return each line of a provider's price without terms: USD, the unit's number, and the time in force."""
    fields = {unit: (field, "1M", show_million) for field, unit in PER_MILLION.items()}
    fields |= {unit: (field, "1", show_one) for field, unit in PER_ONE.items()}
    return [
        {
            "unit": fields[line.unit][0],
            "usd": fields[line.unit][2](line.pico),
            "per": fields[line.unit][1],
            "above_input": line.above_input,
            "hours": None if line.hours is None else show_hours(line.hours),
            "from": show_time(line.since),
        }
        for line in price.components
    ]


def show_hours(hours: PriceHours) -> str:
    """Return hours in the form of prices, UTC."""
    times = (f"{minute // 60:02}:{minute % 60:02}" for minute in (hours.start, hours.end))
    return f"{'-'.join(times)} {','.join(DAYS[day] for day in hours.days)}"


def unit_prices(rates: Rates, at: datetime, threshold: int) -> dict[str, str]:
    """Return the prices by the catalogue's field names, for an input just above the threshold."""
    sold = rates.terms.sold
    millions = {
        field: show_million(rates.pico(unit, at, threshold + 1) * sold, BP * BP)
        for field, unit in PER_MILLION.items()
        if unit in rates.priced
    }
    ones = {
        field: show_one(rates.pico(unit, at, threshold + 1) * sold, BP * BP)
        for field, unit in PER_ONE.items()
        if unit in rates.priced
    }
    return millions | ones


def _providers(model: Model, pricing: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each company once, with the wires in which it sells the model."""
    found: dict[str, dict[str, Any]] = {}
    for endpoint in model.endpoints:
        row = found.setdefault(endpoint.provider.name, _provider(endpoint, pricing))
        row["wires"].append(endpoint.provider.wire)
    return list(found.values())


def _provider(endpoint: Endpoint, pricing: Mapping[str, Any]) -> dict[str, Any]:
    provider = endpoint.provider
    return {
        "name": provider.name,
        "display_name": provider.label,
        "region": endpoint.region or provider.region,
        "retention": provider.retention,
        "wires": [],
        "pricing": pricing.get(endpoint.name),
    }


def _lifecycle(model: Model, at: datetime) -> str:
    if model.retires is None:
        return "active"
    return "deprecated" if at < model.retires else "retired"


def _plain_price(rates: Rates, at: datetime) -> int:
    return rates.pico("input", at) + rates.pico("output", at)


def worst_retention(retentions: Iterable[str | None]) -> str | None:
    """Return the longest retention; None, unknown, counts as the worst."""
    known = list(retentions)
    return None if None in known or not known else max((each for each in known if each), key=retention_days)


def _rfc3339(created: int) -> str:
    return (_EPOCH + timedelta(seconds=created)).strftime("%Y-%m-%dT%H:%M:%SZ")
