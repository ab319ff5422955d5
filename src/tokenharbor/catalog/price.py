"""Prices: read from their table, in canonical form, and in readable form.

    price = { input = "2", output = "10", cache_read = "0.2", cache_write = "2.5", search = "0.01",
              steps = [{ above_input = 272000, input = "4", output = "15" }],
              hours = [{ from = "01:00", to = "04:00", days = ["sat", "sun"], input = "4", output = "20" }],
              later = [{ from = 2027-01-01, input = "3", output = "15" }] }

Tokens are priced in USD per 1M, as decimal strings of at most six places, which makes whole pico-USD per
token, and so are characters; `image`, `second`, `search`, `tool_use` and `search_unit` in USD for one. A step, an hour
or a later price states only what differs.

For products with sizes or qualities, `variants = [{ size = "1024x1024", quality = "hd", image = "0.08" }, …]`: each
is a complete price, the table's with its own lines added.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec

from tokenharbor.catalog.surfaces import CHAT, NEEDS, uncovered_surface
from tokenharbor.catalog.types import Price, PriceComponent, PriceHours, PriceVariant
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.tables import ConfigFaults, TableLocation, read_fields, type_name
from tokenharbor.kernel.usage import UNITS

PER_MILLION: Mapping[str, str] = {
    "input": "input",
    "output": "output",
    "cache_read": "cache_read",
    "cache_write": "cache_write_5m",
    "cache_write_1h": "cache_write_1h",
    "reasoning": "reasoning",
    "audio_in": "audio_in",
    "audio_out": "audio_out",
    "image_in": "image_in",
    "character": "characters",
}
"""Fields in USD per 1M tokens (or characters), and the units of `Usage` that they price."""

PER_ONE: Mapping[str, str] = {
    "image": "images_out",
    "second": "seconds",
    "search": "web_searches",
    "tool_use": "tool_uses",
    "search_unit": "search_units",
}
"""Likewise, fields in USD per unit."""

_PICO_PLACES = 12
_MILLION_PLACES = 6
_DECIMAL = re.compile(r"([0-9]{1,7})(?:\.([0-9]{1,12}))?")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)


class _Units(msgspec.Struct, frozen=True, kw_only=True):
    input: str | None = None
    output: str | None = None
    cache_read: str | None = None
    cache_write: str | None = None
    cache_write_1h: str | None = None
    reasoning: str | None = None
    audio_in: str | None = None
    audio_out: str | None = None
    image_in: str | None = None
    image: str | None = None
    second: str | None = None
    search: str | None = None
    tool_use: str | None = None
    character: str | None = None
    search_unit: str | None = None


class _Step(_Units, frozen=True, kw_only=True):
    above_input: int


class _Hours(_Units, frozen=True, kw_only=True, rename={"from_": "from"}):
    from_: str
    to: str
    days: Sequence[Day] = DAYS


class _Later(_Units, frozen=True, kw_only=True, rename={"from_": "from"}):
    from_: Any  # a date or a datetime; msgspec has no union of them
    steps: Sequence[object] = ()
    hours: Sequence[object] = ()


R = TypeVar("R", bound=_Units)


class _Table(_Units, frozen=True, kw_only=True):
    steps: Sequence[object] = ()
    hours: Sequence[object] = ()
    later: Sequence[object] = ()


class _Which(msgspec.Struct, frozen=True, kw_only=True, eq=True):
    size: Annotated[str, msgspec.Meta(min_length=1, max_length=40)] | None = None
    quality: Annotated[str, msgspec.Meta(min_length=1, max_length=40)] | None = None


def read_variants(table: object, place: TableLocation, surfaces: Collection[str]) -> tuple[PriceVariant, ...]:
    """Return the prices for sizes and qualities; a single price if the table has no `variants`."""
    rows = table.get("variants") if isinstance(table, Mapping) else None
    if not isinstance(table, Mapping) or rows is None:
        return (PriceVariant(None, None, _read_price(table, place, surfaces)),)
    shared = {field: value for field, value in table.items() if field != "variants"}
    if not isinstance(rows, list) or not rows or surfaces == (CHAT,):
        place.fault("variants must be an array of tables with size and quality, and chat models have none")
        return (PriceVariant(None, None, _read_price(shared, place, surfaces)),)
    found: dict[_Which, PriceVariant] = {}
    for count, row in enumerate(rows):
        here = place.within(f"variants[{count}]")
        if not isinstance(row, Mapping):
            here.fault("must be a table")
            continue
        which = read_fields(_Which, {name: row[name] for name in ("size", "quality") if name in row}, here)
        own = {field: value for field, value in row.items() if field not in ("size", "quality")}
        price = _read_price(shared | own, here, surfaces)
        if which in found:
            here.fault("this size and quality have more than one price")
        if which is not None:
            found[which] = PriceVariant(which.size, which.quality, price)
    return tuple(found.values())


def read_price(table: object, where: str, surfaces: Collection[str] = (CHAT,)) -> Price:
    """Return the table's price. Raises Misconfigured with one line that says what is wrong and where.

    The units that the surfaces are billed by must be priced (for chat: input and output), since unpriced units would be
    free; and not all of them may be "0".
    """
    faults = ConfigFaults()
    price = _read_price(table, TableLocation(where, faults), surfaces)
    faults.raise_any()
    return price


def _read_price(table: object, place: TableLocation, surfaces: Collection[str]) -> Price:
    stated = [field for field in (*PER_MILLION, *PER_ONE) if isinstance(table, Mapping) and field in table]
    read = _read_row(_Table, table, place)
    lacking = uncovered_surface(surfaces, stated)
    if lacking is not None and not place.faults.was_misread(place.name, ""):
        what = "input and output must both" if lacking[0] == CHAT else f"{lacking[0]} needs {lacking[1]} to"
        place.fault(f"{what} be stated")
    components = [] if read is None else [*_components(read, place), *_varied(read, place, None)]
    for count, row in enumerate(read.later if read is not None else ()):
        here = place.within(f"later[{count}]")
        later = _read_row(_Later, row, here)
        if later is None:
            continue
        if isinstance(later.from_, date):
            since = _midnight(later.from_)
            components += [*_components(later, here, since=since), *_varied(later, here, since)]
        else:
            here.fault(f"from must be a date such as 2027-01-31, not {type_name(later.from_)}")
    if _can_cost_nothing(components, surfaces):
        place.fault("it can cost nothing: set free = true in place of the price if that is intended")
    try:
        return make_price(components, place.name)
    except Misconfigured as error:
        place.faults.add(str(error))
        return make_price(())


def free_price(surfaces: Collection[str]) -> Price:
    """Return a price of 0 for all units that these surfaces can be billed by."""
    fields = frozenset[str]().union(*(group for surface in surfaces for group in NEEDS[surface]))
    return make_price([PriceComponent(PER_MILLION.get(field) or PER_ONE[field], 0) for field in fields])


def _can_cost_nothing(components: Collection[PriceComponent], surfaces: Collection[str]) -> bool:
    """Return whether a request may be free at some time or size, probably by a typing error."""
    lines = [line for line in components if surfaces != (CHAT,) or line.unit in ("input", "output")]
    free = {line.unit for line in lines if line.pico == 0}
    return bool(lines) and free == {line.unit for line in lines}


def _varied(read: _Table | _Later, place: TableLocation, since: datetime | None) -> Iterator[PriceComponent]:
    """Yield the lines of steps and hours."""
    for count, row in enumerate(read.steps):
        here = place.within(f"steps[{count}]")
        step = _read_row(_Step, row, here)
        if step is not None and step.above_input < 1:
            here.fault("above_input must be at least 1")
        elif step is not None:
            yield from _components(step, here, since=since, above=step.above_input)
    for count, row in enumerate(read.hours):
        here = place.within(f"hours[{count}]")
        hours = _read_row(_Hours, row, here)
        if hours is None:
            continue
        days = tuple(sorted({DAYS.index(day) for day in hours.days}))
        window = PriceHours(_minute(hours.from_, here.within("from")), _minute(hours.to, here.within("to")), days)
        if 0 <= window.start == window.end or not days:
            here.fault("these hours contain no time")
        yield from _components(hours, here, since=since, hours=window)


def _components(
    row: _Units, place: TableLocation, *, since: datetime | None = None, above: int = 0, hours: PriceHours | None = None
) -> Iterator[PriceComponent]:
    for field, unit in (*PER_MILLION.items(), *PER_ONE.items()):
        text = getattr(row, field)
        if text is not None:
            places = _MILLION_PLACES if field in PER_MILLION else _PICO_PLACES
            yield PriceComponent(unit, _pico(text, places, place.within(field)), above, since, hours)


def _pico(text: str, places: int, place: TableLocation) -> int:
    """Return USD per 10^(12 − places) as whole pico-USD per unit; 1 for a fault."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        place.fault(f'not a decimal string such as "0.28": {text[:40]!r}')
        return 1
    whole, fraction = match[1], (match[2] or "").rstrip("0")
    if len(fraction) > places:
        place.fault(f"more than {places} decimals, finer than one pico-USD: {text[:40]!r}")
        return 1
    return int(whole + fraction.ljust(places, "0"))


def _read_row(kind: type[R], table: object, place: TableLocation) -> R | None:
    """Read a row; report a number in place of a decimal string, the likeliest error."""
    if isinstance(table, Mapping):
        table = dict(table)
        for field in (*PER_MILLION, *PER_ONE):
            if field in table and not isinstance(table[field], str):
                place.fault(f'{field} must be a decimal string such as "0.28", not {type_name(table.pop(field))}')
    return read_fields(kind, table, place)


def _minute(text: str, place: TableLocation) -> int:
    """Return minutes since midnight; -1 for a fault."""
    match = _TIME.fullmatch(text)
    if match is None:
        place.fault(f'not a UTC time of day such as "16:30": {text[:20]!r}')
        return -1
    return int(match[1]) * 60 + int(match[2])


def _midnight(day: date) -> datetime:
    """Return a date's first moment, or the datetime itself, in UTC."""
    if not isinstance(day, datetime):
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    return day.replace(tzinfo=UTC) if day.tzinfo is None else day.astimezone(UTC)


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(tuple[PriceComponent, ...])


def make_price(components: Sequence[PriceComponent], where: str = "a price") -> Price:
    """Return a price of these lines in canonical order, with its version.

    Raises Misconfigured if two lines have the same unit, size and time.
    """
    lines = tuple(sorted(components, key=_order))
    for line, following in pairwise(lines):
        if _order(line) == _order(following):
            raise Misconfigured(f"{where}: {line.unit} has more than one price for the same input size and time")
    return Price(lines, hashlib.sha256(_ENCODER.encode(lines)).digest())


def write_price(price: Price) -> bytes:
    """Return the canonical form as JSON; `version` is its SHA-256."""
    return _ENCODER.encode(price.components)


def load_price(text: bytes) -> Price:
    """Return the price that `write_price` wrote."""
    return make_price(_DECODER.decode(text))


def _order(line: PriceComponent) -> tuple[int, datetime, tuple[int, int, tuple[int, ...]], int]:
    since = line.since or datetime.min.replace(tzinfo=UTC)
    hours = (line.hours.start, line.hours.end, line.hours.days) if line.hours else (-1, -1, ())
    return UNITS.index(line.unit), since, hours, line.above_input


def show_million(pico: int, per: int = 1) -> str:
    """Convert pico-USD per token to USD per 1M tokens, as the shortest decimal string. `per`: a power of ten by which
    `pico` is divided.
    """
    return _decimal(pico, _MILLION_PLACES + len(str(per)) - 1)


def show_one(pico: int, per: int = 1) -> str:
    """Likewise, convert pico-USD to USD."""
    return _decimal(pico, _PICO_PLACES + len(str(per)) - 1)


def _decimal(value: int, places: int) -> str:
    whole, fraction = divmod(value, 10**places)
    return f"{whole}.{fraction:0{places}d}".rstrip("0").rstrip(".")
