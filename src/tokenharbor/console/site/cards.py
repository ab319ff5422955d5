"""The models on sale as lists show them, and which of them a reader asks for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from tokenharbor.catalog.describe import ModelDocuments, ModelsOnSale, PricedEndpoint
from tokenharbor.catalog.surfaces import CHAT
from tokenharbor.catalog.types import Model
from tokenharbor.console.site.query import CallSize, ModelQuery, Sort
from tokenharbor.kernel.money import Usd

_BY_TOKENS: Final = frozenset({CHAT, "embeddings"})
"""Surfaces whose calls cost what their text's tokens cost."""

_HIDDEN: Final = frozenset({"adaptive_reasoning", "always_reasoning", "no_sampling", "no_prefill", "no_forced_tools"})
"""Capabilities that say how a model is asked, not what it can do."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model with its document (`catalog/documents.py`) and its prices of one minute."""

    model: Model
    shown: Mapping[str, Any]
    vendor: str  # for people
    priced: Sequence[PricedEndpoint]
    at: datetime
    words: str

    @property
    def id(self) -> str:
        return self.model.name

    @property
    def label(self) -> str:
        return self.model.label or self.model.name

    @property
    def capabilities(self) -> Sequence[str]:
        """What it can do, for people."""
        return [each for each in self.shown["capabilities"] if each not in _HIDDEN]

    @property
    def pricing(self) -> Mapping[str, str]:
        return self.shown["pricing"] or {}

    @property
    def service_fee_bp(self) -> int:
        return max((each.rates.terms.fee_bp for each in self.priced), default=0)

    def amount(self, field: str) -> str | None:
        """What the cheapest provider takes now, as a decimal string."""
        return self.pricing.get(field)

    def price(self, field: str) -> Decimal | None:
        amount = self.amount(field)
        return None if amount is None else Decimal(amount)

    def cost(self, call: CallSize) -> Usd | None:
        """What such calls cost at the cheapest provider, fee included; None where their tokens are not what is sold."""
        return min(self.costs(call).values(), default=None)

    def costs(self, call: CallSize) -> Mapping[str, Usd]:
        """Likewise at each provider, by its name."""
        found: dict[str, Usd] = {}
        for each in self.priced:
            if _BY_TOKENS.isdisjoint(self.model.surfaces) or "input" not in each.rates.priced:
                continue
            provider = each.endpoint.provider.name
            cost = Usd(each.rates.rate(call.usage, self.at).total * call.calls)
            found[provider] = min(cost, found.get(provider, cost))
        return found


def make_cards(sale: ModelsOnSale, vendors: Mapping[str, str], at: datetime) -> Sequence[ModelCard]:
    """By name."""
    return [_card(sale.documents, name, vendors, at) for name in sale.names]


def _card(documents: ModelDocuments, name: str, vendors: Mapping[str, str], at: datetime) -> ModelCard:
    model, shown = documents.catalog_model(name), documents.model(name, at)
    vendor = vendors.get(model.vendor) or model.vendor
    providers = (text for each in shown["providers"] for text in (each["name"], each["display_name"]))
    words = " ".join((name, *model.aliases, model.label, model.vendor, vendor, *providers)).lower()
    return ModelCard(model, shown, vendor, documents.priced(model), at, words)


def pick(cards: Iterable[ModelCard], query: ModelQuery) -> Sequence[ModelCard]:
    """What a query asks for, in its order; what has no price to sort by comes last."""
    found = [card for card in cards if _fits(card, query)]
    return sorted(found, key=lambda card: (*_ORDER[query.sort](card, query), card.label.lower(), card.id))


def _fits(card: ModelCard, query: ModelQuery) -> bool:
    model, most = card.model, query.most_price
    price = card.price("input") if most is not None else None
    return (
        all(word in card.words for word in query.text.lower().split())
        and model.capabilities.issuperset(query.capabilities)
        and (not query.provider or any(each["name"] == query.provider for each in card.shown["providers"]))
        and (not query.surface or query.surface in model.surfaces)
        and model.context >= query.context
        and (not query.free or model.free)
        and (most is None or (price is not None and price <= most))
    )


def _lowest(value: Decimal | Usd | None) -> tuple[bool, Decimal | Usd]:
    return value is None, Decimal(0) if value is None else value


_ORDER: Final[Mapping[Sort, Callable[[ModelCard, ModelQuery], tuple[Any, ...]]]] = {
    "name": lambda _card, _query: (),
    "cost": lambda card, query: _lowest(card.cost(query.call)),
    "input": lambda card, _: _lowest(card.price("input")),
    "output": lambda card, _: _lowest(card.price("output")),
    "context": lambda card, _: (-card.model.context,),
    "newest": lambda card, _: (-card.model.created,),
}


@dataclass(frozen=True, slots=True)
class ModelChoices:
    """What the list can be narrowed to: only what some model has."""

    capabilities: Sequence[str]
    providers: Sequence[tuple[str, str]]  # name, and for people
    surfaces: Sequence[str]
    free: bool


def choices_of(cards: Iterable[ModelCard]) -> ModelChoices:
    cards = list(cards)
    sellers = [each for card in cards for each in card.shown["providers"]]
    providers = {each["name"]: each["display_name"] or each["name"] for each in sellers}
    return ModelChoices(
        sorted({each for card in cards for each in card.capabilities}),
        sorted(providers.items(), key=lambda each: each[1].lower()),
        sorted({each for card in cards for each in card.model.surfaces}),
        any(card.model.free for card in cards),
    )
