"""A price over time: its periods, with their steps and hours, under given terms."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tokenharbor.catalog.describe import show_hours, unit_prices
from tokenharbor.catalog.price import make_price
from tokenharbor.catalog.pricing import Rates, Terms
from tokenharbor.catalog.types import Price, PriceComponent, PriceHours

_START = datetime.min.replace(tzinfo=UTC)
_A_WEEKDAY = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday


@dataclass(frozen=True, slots=True)
class PriceLine:
    """Decimal strings by the catalogue's field names, for inputs above `above_input` tokens. `hours` "": all hours
    without a line of their own.
    """

    prices: Mapping[str, str]
    above_input: int = 0
    hours: str = ""


@dataclass(frozen=True, slots=True)
class PricePeriod:
    """Prices from `since` until `until`; None: without a beginning or an end. The plain line comes first."""

    since: datetime | None
    until: datetime | None
    lines: Sequence[PriceLine]

    def holds(self, at: datetime) -> bool:
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)

    def within(self, since: datetime | None, until: datetime | None) -> "PricePeriod | None":
        """Return the part between two times; None if it is empty."""
        begins = max((each for each in (self.since, since) if each), default=None)
        ends = min((each for each in (self.until, until) if each), default=None)
        empty = begins is not None and ends is not None and begins >= ends
        return None if empty else PricePeriod(begins, ends, self.lines)


@dataclass(frozen=True, slots=True)
class OfferedPrice:
    """A price that an endpoint had, and its beginning."""

    since: datetime
    price: Price


def price_periods(price: Price, terms: Terms) -> Sequence[PricePeriod]:
    """Return the periods in order of time, without gaps."""
    sinces = sorted({line.since or _START for line in price.components})
    ends = [*sinces[1:], None]
    return [
        PricePeriod(None if since == _START else since, until, tuple(_lines(price, terms, since)))
        for since, until in zip(sinces, ends, strict=True)
    ]


def price_history(offered: Sequence[OfferedPrice], current: Price, terms: Terms) -> Sequence[PricePeriod]:
    """Return past, present and coming prices in order of time, under today's terms. `offered` are the recorded prices,
    the oldest first; the last of them is replaced by `current`.
    """
    prices = [*(each.price for each in offered[:-1]), current]
    sinces = [None, *(each.since for each in offered[1:])]
    found = [
        period.within(since, until)
        for price, since, until in zip(prices, sinces, [*sinces[1:], None], strict=True)
        for period in price_periods(price, terms)
    ]
    return list(_joined([each for each in found if each is not None]))


def _joined(periods: Sequence[PricePeriod]) -> Iterator[PricePeriod]:
    """Join adjacent periods with the same prices."""
    last: PricePeriod | None = None
    for period in periods:
        if last is not None and last.lines == period.lines:
            last = PricePeriod(last.since, period.until, last.lines)
            continue
        if last is not None:
            yield last
        last = period
    if last is not None:
        yield last


def _lines(price: Price, terms: Terms, since: datetime) -> Iterator[PriceLine]:
    """Yield the price lines in force at `since`."""
    begun = [line for line in price.components if (line.since or _START) <= since]
    plain = Rates(make_price([line for line in begun if line.hours is None]), terms)
    steps = plain.thresholds(since)
    for step in steps:
        yield PriceLine(unit_prices(plain, since, step), step)
    full = Rates(make_price(begun), terms)
    for hours in _windows(begun):
        moment = _moment_in(hours, since)
        for step in full.thresholds(moment):
            prices = unit_prices(full, moment, step)
            if prices != unit_prices(plain, since, step):
                yield PriceLine(prices, step, show_hours(hours))


def _windows(lines: Sequence[PriceComponent]) -> Sequence[PriceHours]:
    return list(dict.fromkeys(line.hours for line in lines if line.hours is not None))


def _moment_in(hours: PriceHours, since: datetime) -> datetime:
    """Return a moment in these hours after `since`."""
    base = _A_WEEKDAY if since < _A_WEEKDAY else since.replace(hour=0, minute=0, second=0, microsecond=0)
    days = (base + timedelta(days=count) for count in range(1, 8))
    day = next(each for each in days if each.weekday() in hours.days)
    return day + timedelta(minutes=hours.start)
