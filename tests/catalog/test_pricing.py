"""Rating: exact to the nano against fractions, never below cost, and never above its bound."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from tokenharbor.catalog.price import make_price, read_price
from tokenharbor.catalog.pricing import Charge, Rates, RatesCache, Terms, UsageBound
from tokenharbor.catalog.types import Price, PriceComponent, PriceHours
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.usage import INPUT_UNITS, PIECE_UNITS, UNITS, Usage, input_size

MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)
FALLBACK = {
    "cache_read": ["input"],
    "cache_write_5m": ["input"],
    "cache_write_1h": ["cache_write_5m", "input"],
    "reasoning": ["output"],
    "audio_in": ["input"],
    "audio_out": ["output"],
    "image_in": ["input"],
}

counts = st.one_of(st.just(0), st.integers(0, 2_000_000))
usages = st.builds(Usage, **dict.fromkeys(UNITS, counts))
picos = st.integers(0, 10**14)
terms = st.builds(Terms, st.integers(0, 20_000), st.integers(0, 9_999), st.integers(0, 5_000))
moments = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
sinces = st.sampled_from([None, datetime(2026, 7, 1, tzinfo=UTC), datetime(2027, 3, 1, 8, 30, tzinfo=UTC)])
windows = st.sampled_from([None, PriceHours(60, 240), PriceHours(1380, 30), PriceHours(600, 720, (5, 6))])
steps = st.sampled_from([0, 0, 32_000, 200_000, 1_000_000])


@st.composite
def prices(draw: st.DrawFn) -> Price:
    lines = draw(
        st.dictionaries(st.tuples(st.sampled_from(UNITS), steps, sinces, windows), picos, min_size=0, max_size=12)
    )
    base = {("input", 0, None, None): draw(picos), ("output", 0, None, None): draw(picos)}
    return make_price(
        [
            PriceComponent(unit, pico, above, since, hours)
            for (unit, above, since, hours), pico in (lines | base).items()
        ]
    )


def _in_force(price: Price, unit: str, size: int, at: datetime) -> int:
    """An independent reading of a price: the line in force for a unit, then its plain class."""
    minute = at.hour * 60 + at.minute

    def holds(line: PriceComponent) -> bool:
        if line.above_input >= size and line.above_input:
            return False
        if line.since is not None and at < line.since:
            return False
        if line.hours is None:
            return True
        start, end = line.hours.start, line.hours.end
        within = start <= minute < end if start < end else not end <= minute < start
        return within and at.weekday() in line.hours.days

    def rank(line: PriceComponent) -> tuple[float, bool, int, int]:
        since = line.since.timestamp() if line.since else 0
        return since, line.hours is not None, line.above_input, line.hours.start if line.hours else 0

    for name in (unit, *FALLBACK.get(unit, ())):
        lines = [line for line in price.components if line.unit == name and holds(line)]
        if lines:
            return max(lines, key=rank).pico
    return 0


def _exact(price: Price, usage: Usage, at: datetime) -> Fraction:
    """The vendor's cost in nano-USD."""
    size = sum(count for unit, count in asdict(usage).items() if unit in INPUT_UNITS)
    pico = sum(count * _in_force(price, unit, size, at) for unit, count in asdict(usage).items())
    return Fraction(pico, 1_000)


@given(prices(), terms, usages, moments)
def test_a_charge_is_exact_to_the_end_and_rounded_up_once(
    price: Price, sold: Terms, usage: Usage, at: datetime
) -> None:
    vendor = _exact(price, usage, at)
    model = vendor * Fraction(10_000 + sold.markup_bp, 10_000) * Fraction(10_000 - sold.discount_bp, 10_000)
    total = model * Fraction(10_000 + sold.fee_bp, 10_000)

    charge = Rates(price, sold).rate(usage, at)

    assert charge.total == ceil(total)
    assert charge.total - charge.fee == min(ceil(total), ceil(model))
    assert charge.vendor_cost == ceil(vendor)
    assert charge.fee >= 0
    assert all(type(amount) is Usd for amount in (charge.total, charge.fee, charge.vendor_cost))


@given(prices(), st.integers(0, 20_000), st.integers(0, 5_000), usages, moments)
def test_without_a_discount_nothing_is_sold_below_its_cost(
    price: Price, markup: int, fee: int, usage: Usage, at: datetime
) -> None:
    charge = Rates(price, Terms(markup_bp=markup, fee_bp=fee)).rate(usage, at)
    assert charge.total - charge.fee >= charge.vendor_cost


@given(prices(), terms, usages, moments)
def test_a_vendors_cache_saves_what_its_tokens_would_have_cost_as_input(
    price: Price, sold: Terms, usage: Usage, at: datetime
) -> None:
    rates = Rates(price, sold)
    plain = usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h
    uncached = replace(usage, input=plain, cache_read=0, cache_write_5m=0, cache_write_1h=0)
    saved = rates.saved_by_vendor(usage, at, rates.rate(usage, at).total)
    assert saved == rates.rate(uncached, at).total - rates.rate(usage, at).total
    assert type(saved) is Usd


def _bound_of(usage: Usage, spare: int) -> UsageBound:
    return UsageBound(
        input=input_size(usage) + spare,
        output=usage.output + usage.reasoning + usage.audio_out + spare,
        cache_writes=usage.cache_write_5m > 0,
        cache_writes_1h=usage.cache_write_1h > 0,
        images=usage.image_in > 0,
        audio=usage.audio_in + usage.audio_out > 0,
        pieces=Usage(**{unit: getattr(usage, unit) + spare for unit in PIECE_UNITS}),
    )


@given(prices(), terms, usages, moments, st.sampled_from([0, 1, 40_000]))
def test_no_usage_within_a_bound_costs_more_than_it(
    price: Price, sold: Terms, usage: Usage, at: datetime, spare: int
) -> None:
    rates = Rates(price, sold)
    assert rates.rate(usage, at).total <= rates.upper_bound(_bound_of(usage, spare), at)


@given(prices(), terms, usages, moments, st.integers(0, 10**13))
def test_the_most_output_is_the_most_that_the_budget_covers(
    price: Price, sold: Terms, usage: Usage, at: datetime, budget: int
) -> None:
    rates = Rates(price, sold)
    bound = _bound_of(usage, 0)
    most = rates.most_output(bound, Usd(budget), at)

    def cost(output: int) -> Usd:
        return rates.upper_bound(replace(bound, output=output), at)

    if most < 0:
        assert cost(0) > budget
    else:
        assert most <= bound.output
        assert cost(most) <= budget
        assert most == bound.output or cost(most + 1) > budget


@given(prices(), usages, moments)
def test_a_receipts_lines_add_up_to_the_vendors_cost(price: Price, usage: Usage, at: datetime) -> None:
    rates = Rates(price, Terms())
    lines = rates.cost_lines(usage, at)
    assert ceil(Fraction(sum(line.cost_pico for line in lines), 1_000)) == rates.rate(usage, at).vendor_cost
    assert {line.unit: line.count for line in lines} == {unit: count for unit, count in asdict(usage).items() if count}
    assert all(line.cost_pico == line.count * line.pico for line in lines)


def _rates(sold: Terms | None = None, **fields: Any) -> Rates:
    return Rates(read_price({"input": "3", "output": "15", **fields}, "test"), sold or Terms())


def test_lnk_1_the_service_fee_stands_beside_the_model_fee() -> None:
    charge = _rates(Terms(fee_bp=300)).rate(Usage(input=1_000_000, output=1_000_000), MONDAY)
    assert str(charge.total) == "18.540000000"
    assert str(charge.fee) == "0.540000000"
    assert str(charge.vendor_cost) == "18.000000000"


def test_th_b2_the_default_is_the_vendors_price() -> None:
    usage = Usage(input=1_234, output=567)
    assert _rates().rate(usage, MONDAY) == Charge(Usd(12_207_000), Usd(0), Usd(12_207_000))


def test_one_token_of_a_price_below_a_nano_costs_a_nano() -> None:
    rates = Rates(read_price({"input": "0.000001", "output": "0"}, "test"), Terms(fee_bp=300))
    assert rates.rate(Usage(input=1), MONDAY) == Charge(Usd(1), Usd(0), Usd(1))


def test_nothing_used_costs_nothing() -> None:
    assert _rates(Terms(500, 0, 300)).rate(Usage(), MONDAY) == Charge(Usd(0), Usd(0), Usd(0))


@pytest.mark.parametrize(("tokens", "dollars"), [(200_000, "0.600000000"), (200_001, "1.200006000")])
def test_a_step_holds_for_the_whole_request_and_only_above_its_size(tokens: int, dollars: str) -> None:
    rates = _rates(steps=[{"above_input": 200_000, "input": "6"}])
    assert str(rates.rate(Usage(input=tokens), MONDAY).total) == dollars


def test_cached_input_counts_towards_the_step() -> None:
    rates = _rates(cache_read="0.3", steps=[{"above_input": 200_000, "cache_read": "0.6", "output": "22.5"}])
    charge = rates.rate(Usage(input=1, cache_read=200_000, output=1_000), MONDAY)
    assert charge.total == Usd(3_000 + 200_000 * 600 + 1_000 * 22_500)


@pytest.mark.parametrize(
    ("at", "nano"),
    [
        (MONDAY.replace(hour=0, minute=59), 3_000),
        (MONDAY.replace(hour=1, minute=0), 9_000),
        (MONDAY.replace(hour=3, minute=59), 9_000),
        (MONDAY.replace(hour=4, minute=0), 3_000),
        (MONDAY.replace(hour=2) + timedelta(days=5), 3_000),
    ],
)
def test_dearer_hours_hold_on_their_days(at: datetime, nano: int) -> None:
    weekdays = ["mon", "tue", "wed", "thu", "fri"]
    rates = _rates(hours=[{"from": "01:00", "to": "04:00", "days": weekdays, "input": "9"}])
    assert rates.rate(Usage(input=1), at).total == nano


def test_an_announced_price_takes_effect_on_its_day() -> None:
    new_year = datetime(2027, 1, 1, tzinfo=UTC)
    rates = _rates(later=[{"from": new_year.date(), "input": "6"}], steps=[{"above_input": 10, "input": "5"}])
    assert rates.rate(Usage(input=1), new_year - timedelta(microseconds=1)).total == 3_000
    assert rates.rate(Usage(input=1), new_year).total == 6_000
    assert rates.rate(Usage(input=11), new_year).total == 66_000


def test_an_hours_cache_write_without_a_price_costs_what_minutes_cost() -> None:
    assert _rates(cache_write="3.75").rate(Usage(cache_write_1h=1), MONDAY).total == 3_750
    assert _rates().rate(Usage(cache_write_1h=1, cache_write_5m=1, cache_read=1), MONDAY).total == 9_000


def test_what_is_counted_and_not_priced_is_not_in_the_priced_units() -> None:
    assert "web_searches" not in _rates().priced
    assert "web_searches" in _rates(search="0.01").priced
    assert str(_rates(search="0.01").rate(Usage(web_searches=3), MONDAY).total) == "0.030000000"


def test_a_bound_takes_only_the_classes_that_can_apply() -> None:
    rates = _rates(cache_write="3.75", cache_write_1h="6", audio_in="8", image_in="4", audio_out="64")
    plain = UsageBound(input=1_000_000, output=1_000_000)
    assert str(rates.upper_bound(plain, MONDAY)) == "18.000000000"

    def dearer(**flags: bool) -> str:
        return str(rates.upper_bound(replace(plain, **flags), MONDAY))

    assert dearer(cache_writes=True) == "18.750000000"
    assert dearer(cache_writes_1h=True) == "21.000000000"
    assert dearer(images=True) == "19.000000000"
    assert dearer(audio=True) == "72.000000000"


def test_a_bound_below_a_step_is_not_priced_at_it() -> None:
    rates = _rates(steps=[{"above_input": 200_000, "input": "6"}])
    assert str(rates.upper_bound(UsageBound(200_000, 0), MONDAY)) == "0.600000000"
    assert str(rates.upper_bound(UsageBound(200_001, 0), MONDAY)) == "1.200006000"


def test_prices_can_be_asked_for() -> None:
    rates = _rates(steps=[{"above_input": 200_000, "input": "6"}])
    assert rates.thresholds(MONDAY) == (0, 200_000)
    assert rates.pico("input", MONDAY) == 3_000_000
    assert rates.pico("input", MONDAY, 200_001) == 6_000_000
    assert rates.highest_pico("input", MONDAY) == 6_000_000
    assert rates.highest_pico("reasoning", MONDAY) == 15_000_000


@pytest.mark.parametrize("bad", [{"markup_bp": -1}, {"discount_bp": -1}, {"discount_bp": 10_000}, {"fee_bp": -1}])
def test_terms_that_would_pay_the_caller_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="Terms"):
        Terms(**bad)


def test_a_tariff_works_each_price_out_once_for_each_terms() -> None:
    tariff = RatesCache()
    price = read_price({"input": "3", "output": "15"}, "test")
    rates = tariff.rates(price, Terms(fee_bp=300))
    assert tariff.rates(price, Terms(fee_bp=300)) is rates
    assert tariff.rates(price, Terms()) is not rates
    assert rates.rate(Usage(input=100), MONDAY).fee == 9_000
