"""Rating: the exact charge for a usage, and the highest cost within a bound.

A class without a price is charged as its nearest plain class: cache reads and writes, audio and images in as `input`
(an hour's cache write as the five minutes' one, if that is priced), reasoning and audio out as `output`. Units other
than tokens (images out, seconds, searches, tool uses) have no such class: a unit outside `Rates.priced` costs nothing,
so the seller must refuse it first.

The step in force is decided by the whole input's size and applies to the whole request. The time in force is passed in:
for a request, the time of its quote.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction

import msgspec
from msgspec.structs import astuple

from tokenharbor.catalog.types import Price, PriceComponent
from tokenharbor.kernel.money import PICO_PER_NANO, ZERO, Usd, round_up
from tokenharbor.kernel.usage import NO_USAGE, UNITS, Usage, input_size

BP = 10_000  # basis points in a whole

_FALLBACK: Mapping[str, tuple[str, ...]] = {
    "cache_read": ("input",),
    "cache_write_5m": ("input",),
    "cache_write_1h": ("cache_write_5m", "input"),
    "reasoning": ("output",),
    "audio_in": ("input",),
    "audio_out": ("output",),
    "image_in": ("input",),
}
_START = datetime.min.replace(tzinfo=UTC)
_DAY = 24 * 60  # minutes


class Terms(msgspec.Struct, frozen=True):
    """The changes to a vendor's price, in basis points: + markup, then − discount, then + service fee."""

    markup_bp: int = 0
    discount_bp: int = 0
    fee_bp: int = 0

    def __post_init__(self) -> None:
        if self.markup_bp < 0 or self.fee_bp < 0 or not 0 <= self.discount_bp < BP:
            raise ValueError(f"invalid terms: {self}")

    @property
    def sold(self) -> int:
        """The factor from the vendor's price to the model's price before the service fee, in units of 1 / `BP`²."""
        return (BP + self.markup_bp) * (BP - self.discount_bp)


class Charge(msgspec.Struct, frozen=True, gc=False):
    """The cost of a usage: `total` for the caller, which includes the service fee `fee`; `vendor_cost` for the
    operator.

    All are rounded up to the nano-dollar. The model part is `total − fee`.
    """

    total: Usd
    fee: Usd
    vendor_cost: Usd


class CostLine(msgspec.Struct, frozen=True, gc=False):
    """One component of a cost, for a receipt: `count` units at `pico` each, `cost_pico` in total.

    It has the vendor's exact price: rounding happens once, on the sum.
    """

    unit: str
    count: int
    pico: int
    cost_pico: int


class UsageBound(msgspec.Struct, frozen=True, gc=False):
    """The most that a request can use.

    `input` and `output` are tokens of all classes together; the flags tell which of the dearer classes can occur: cache
    writes for minutes or for an hour, images, audio. `pieces` has the units other than tokens.
    """

    input: int
    output: int
    cache_writes: bool = False
    cache_writes_1h: bool = False
    images: bool = False
    audio: bool = False
    pieces: Usage = NO_USAGE


class _Picos(Usage, frozen=True, gc=False):
    """The price of each unit in pico-USD, in the fields of `Usage`."""


class _Ceiling(msgspec.Struct, frozen=True, gc=False):
    """The highest prices over a range of steps, in pico-USD.

    `inputs` is indexed by the sum of the flags cache_writes (1), cache_writes_1h (2), images (4), audio (8); `outputs`
    by audio.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, int]
    top: _Picos


class _Steps(msgspec.Struct, frozen=True, gc=False):
    """The prices at one time.

    `tables[i]` applies to inputs above `thresholds[i − 1]`; `ceilings[i]` covers the tables up to i.
    """

    thresholds: tuple[int, ...]
    tables: tuple[_Picos, ...]
    ceilings: tuple[_Ceiling, ...]


class Rates:
    """A price under terms, precomputed so that rating takes a few multiplications; immutable.

    Times are aware UTC.
    """

    __slots__ = (
        "_always",
        "_by_time",
        "_marks",
        "_model",
        "_only_ceiling",
        "_only_table",
        "_plain",
        "_sinces",
        "_total",
        "price",
        "priced",
        "terms",
    )

    def __init__(self, price: Price, terms: Terms) -> None:
        self.price = price
        self.terms = terms
        self.priced = frozenset(line.unit for line in price.components)
        self._sinces = sorted({line.since or _START for line in price.components})
        self._marks = _marks(price)
        self._by_time = [[_steps(price, since, mark) for mark in self._marks] for since in self._sinces]
        self._always = self._by_time[0][0] if len(self._sinces) == len(self._marks) == 1 else None
        only = None if self._always is None or self._always.thresholds else self._always
        self._only_table = only and only.tables[0]  # for a price that depends on neither time nor size, as most
        self._only_ceiling = only and only.ceilings[0]
        sold = terms.sold
        self._plain = sold == BP * BP and terms.fee_bp == 0
        model = Fraction(sold, PICO_PER_NANO * BP * BP)  # the vendor's pico → our nano, in lowest terms
        self._model = model.as_integer_ratio()
        self._total = (model * Fraction(BP + terms.fee_bp, BP)).as_integer_ratio()

    def rate(self, usage: Usage, at: datetime) -> Charge:
        """Return the charge for `usage` at the prices of `at`."""
        vendor_pico = _VENDOR_PICO(usage, self._only_table or self._table(usage, at))
        vendor_cost = round_up(vendor_pico, PICO_PER_NANO)
        if self._plain:
            return Charge(vendor_cost, ZERO, vendor_cost)
        total = round_up(vendor_pico * self._total[0], self._total[1])
        if self.terms.fee_bp == 0:
            return Charge(total, ZERO, vendor_cost)
        model = min(total, round_up(vendor_pico * self._model[0], self._model[1]))
        return Charge(total, total - model, vendor_cost)

    def saved_by_vendor(self, usage: Usage, at: datetime, total: Usd) -> Usd:
        """Return how much the vendor's cache reduced the cost of `usage`, rated at `total`; negative if it was only
        written.
        """
        prices = self._only_table or self._table(usage, at)
        whole = prices.input
        pico = _VENDOR_PICO(usage, prices) + usage.cache_read * (whole - prices.cache_read)
        if usage.cache_write_5m or usage.cache_write_1h:
            pico += usage.cache_write_5m * (whole - prices.cache_write_5m)
            pico += usage.cache_write_1h * (whole - prices.cache_write_1h)
        return Usd(round_up(pico * self._total[0], self._total[1]) - int(total))

    def upper_bound(self, bound: UsageBound, at: datetime) -> Usd:
        """Return the highest cost of a usage within `bound` at the prices of `at`."""
        ceiling = self._only_ceiling or self._ceiling(bound, at)
        pico = _bound_pico(bound, ceiling) + bound.output * ceiling.outputs[bound.audio]
        return round_up(pico * self._total[0], self._total[1])

    def most_output(self, bound: UsageBound, budget: Usd, at: datetime) -> int:
        """Return the most output tokens, up to `bound.output`, whose upper bound is within `budget`; −1 if even the
        input exceeds it.
        """
        ceiling = self._ceiling(bound, at)
        left = budget * self._total[1] // self._total[0] - _bound_pico(bound, ceiling)
        if left < 0:
            return -1
        each = ceiling.outputs[bound.audio]
        return min(bound.output, left // each) if each else bound.output

    def cost_lines(self, usage: Usage, at: datetime) -> tuple[CostLine, ...]:
        """Return each component of the cost of `usage` at the vendor's price, for a receipt."""
        rows = zip(UNITS, astuple(usage), astuple(self._table(usage, at)), strict=True)
        return tuple(CostLine(unit, count, pico, count * pico) for unit, count, pico in rows if count)

    def pico(self, unit: str, at: datetime, input_size: int = 0) -> int:
        """Return the vendor's pico-USD per `unit` in an input of this size."""
        steps = self._always or self._at(at)
        price: int = getattr(steps.tables[bisect_left(steps.thresholds, input_size)], unit)
        return price

    def highest_pico(self, unit: str, at: datetime) -> int:
        """Return the vendor's pico-USD per `unit` at its dearest step."""
        steps = self._always or self._at(at)
        picos: list[int] = [getattr(table, unit) for table in steps.tables]
        return max(picos)

    def thresholds(self, at: datetime) -> tuple[int, ...]:
        """Return the input sizes above which prices change at `at`; the first is 0."""
        return 0, *(self._always or self._at(at)).thresholds

    def changes(self, at: datetime) -> Sequence[datetime]:
        """Return the times after `at` at which prices change."""
        return self._sinces[bisect_right(self._sinces, at) :]

    def _table(self, usage: Usage, at: datetime) -> _Picos:
        steps = self._always or self._at(at)
        return steps.tables[bisect_left(steps.thresholds, input_size(usage))]

    def _ceiling(self, bound: UsageBound, at: datetime) -> _Ceiling:
        steps = self._always or self._at(at)
        return steps.ceilings[bisect_left(steps.thresholds, bound.input)]

    def _at(self, at: datetime) -> _Steps:
        since = max(bisect_right(self._sinces, at) - 1, 0)
        mark = bisect_right(self._marks, at.weekday() * _DAY + at.hour * 60 + at.minute) - 1
        return self._by_time[since][mark]


class RatesCache:
    """Rates by price and terms, computed on first use."""

    def __init__(self) -> None:
        self._rates: dict[tuple[bytes, Terms], Rates] = {}

    def rates(self, price: Price, terms: Terms) -> Rates:
        key = price.version, terms
        rates = self._rates.get(key)
        if rates is None:
            rates = self._rates[key] = Rates(price, terms)
        return rates


def _unrolled_cost() -> Callable[[Usage, _Picos], int]:
    """Return a function for the exact cost: one line of code per unit, since a loop takes twice the time. Most counts
    are zero, and a test is cheaper than a multiplication.
    """
    sums = [f" if usage.{unit}: pico += usage.{unit} * price.{unit}" for unit in UNITS]
    names: dict[str, Callable[[Usage, _Picos], int]] = {}
    exec("\n".join(["def cost(usage, price):", " pico = 0", *sums, " return pico"]), names)  # noqa: S102  only our own names
    return names["cost"]


_VENDOR_PICO = _unrolled_cost()


def _bound_pico(bound: UsageBound, ceiling: _Ceiling) -> int:
    """Return a bound's cost without its output tokens."""
    flags = bound.cache_writes + 2 * bound.cache_writes_1h + 4 * bound.images + 8 * bound.audio
    pico = bound.input * ceiling.inputs[flags]
    if bound.pieces is not NO_USAGE:
        pico += _VENDOR_PICO(bound.pieces, ceiling.top)
    return pico


def _marks(price: Price) -> list[int]:
    """Return the minutes of the week, from Monday 00:00, at which prices change."""
    marks = {0}
    for hours in {line.hours for line in price.components if line.hours is not None}:
        for day in range(7):
            marks |= {day * _DAY, day * _DAY + hours.start, day * _DAY + hours.end}
    return sorted(marks)


def _steps(price: Price, since: datetime, minute: int) -> _Steps:
    """Return the prices in force from `since` on, at `minute` of the week."""
    lines = [line for line in price.components if (line.since or _START) <= since and _holds(line, minute)]
    thresholds = sorted({line.above_input for line in lines if line.above_input})
    tables = [_table(lines, threshold) for threshold in (0, *thresholds)]
    ceilings = [_ceiling_of(tables[: place + 1]) for place in range(len(tables))]
    return _Steps(tuple(thresholds), tuple(tables), tuple(ceilings))


def _holds(line: PriceComponent, minute: int) -> bool:
    if line.hours is None:
        return True
    start, end = line.hours.start, line.hours.end
    day, minute = divmod(minute, _DAY)
    if day not in line.hours.days:
        return False
    return start <= minute < end if start < end else minute >= start or minute < end


def _table(lines: Sequence[PriceComponent], threshold: int) -> _Picos:
    """Return each unit's price for inputs just above `threshold`."""
    in_force = sorted((line for line in lines if line.above_input <= threshold), key=_rank)
    picos = {line.unit: line.pico for line in in_force}  # the last one has the highest rank and wins
    return _Picos(**{unit: _or_fallback(picos, unit) for unit in UNITS})


def _rank(line: PriceComponent) -> tuple[datetime, bool, int]:
    return line.since or _START, line.hours is not None, line.above_input


def _or_fallback(picos: Mapping[str, int], unit: str) -> int:
    for name in (unit, *_FALLBACK.get(unit, ())):
        if name in picos:
            return picos[name]
    return 0


def _ceiling_of(tables: Sequence[_Picos]) -> _Ceiling:
    top = _Picos(*map(max, zip(*map(astuple, tables), strict=True)))
    spoken = max(top.output, top.reasoning)
    return _Ceiling(
        inputs=tuple(_dearest_input(top, flags) for flags in range(16)),
        outputs=(spoken, max(spoken, top.audio_out)),
        top=top,
    )


def _dearest_input(top: _Picos, flags: int) -> int:
    return max(
        top.input,
        top.cache_read,
        top.cache_write_5m if flags & 1 else 0,
        top.cache_write_1h if flags & 2 else 0,
        top.image_in if flags & 4 else 0,
        top.audio_in if flags & 8 else 0,
    )
