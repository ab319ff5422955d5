"""What the page of a model shows beside its card: providers, prices over time, what a call costs, commands."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tokenharbor.catalog.price import PER_MILLION, PER_ONE
from tokenharbor.catalog.schedule import OfferedPrice, PriceLine, PricePeriod, price_history
from tokenharbor.catalog.types import Endpoint
from tokenharbor.console.site.cards import ModelCard
from tokenharbor.ledger.endpoint_days import AnswerCount

_FEWEST_ANSWERS: Final = 20
"""Calls below which a share says nothing."""

PriceChanges = Mapping[str, Sequence[OfferedPrice]]
"""By the name of an endpoint's price (`Endpoint.prices`), the prices that were written down."""


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A line of a table of prices. `when`: now, coming or before. `variant` is a size and quality, where they have
    prices of their own.
    """

    variant: str
    when: str
    period: PricePeriod
    line: PriceLine


@dataclass(frozen=True, slots=True)
class PriceTable:
    """A provider's prices over time: now, then what comes, then what was, the latest first."""

    provider: str
    rows: Sequence[PriceRow]

    @property
    def units(self) -> Sequence[str]:
        """What any of them prices, in the catalogue's order."""
        priced = {unit for row in self.rows for unit in row.line.prices}
        return [unit for unit in (*PER_MILLION, *PER_ONE) if unit in priced]


def price_tables(card: ModelCard, changes: PriceChanges) -> Sequence[PriceTable]:
    """Wires of a provider that have the same prices are one table."""
    found: dict[Hashable, PriceTable] = {}
    labels = {each["name"]: each["display_name"] or each["name"] for each in card.shown["providers"]}
    for each in card.priced:
        prices = [(changes.get(name, ()), price) for name, price in each.endpoint.prices()]
        versions = tuple((price.version, *((one.since, one.price.version) for one in then)) for then, price in prices)
        rows = [
            row
            for place, (offered, price) in enumerate(prices)
            for row in _rows(_variant(each.endpoint, place), price_history(offered, price, each.rates.terms), card.at)
        ]
        provider = each.endpoint.provider.name
        found.setdefault((provider, versions), PriceTable(labels[provider], rows))
    return list(found.values())


def answered_shares(card: ModelCard, answers: Mapping[str, AnswerCount]) -> Mapping[str, int]:
    """By provider, how many in a thousand of its calls each has answered, at all its wires; rounded down. Providers
    that had too few are left out.
    """
    found: dict[str, list[AnswerCount]] = {}
    for each in card.priced:
        if each.endpoint.name in answers:
            found.setdefault(each.endpoint.provider.name, []).append(answers[each.endpoint.name])
    sums = {name: (sum(one.answered for one in counts), sum(map(sum, counts))) for name, counts in found.items()}
    return {name: answered * 1000 // asked for name, (answered, asked) in sums.items() if asked >= _FEWEST_ANSWERS}


def _variant(endpoint: Endpoint, place: int) -> str:
    if len(endpoint.variants) < 2:
        return ""
    variant = endpoint.variants[place]
    return " ".join(each for each in (variant.size, variant.quality) if each)


def _rows(variant: str, periods: Sequence[PricePeriod], at: datetime) -> Iterator[PriceRow]:
    now = [each for each in periods if each.holds(at)]
    coming = [each for each in periods if each.since is not None and each.since > at]
    before = [each for each in reversed(periods) if each.until is not None and each.until <= at]
    for when, listed in (("now", now), ("coming", coming), ("before", before)):
        for period in listed:
            for line in period.lines:
                yield PriceRow(variant, when, period, line)
