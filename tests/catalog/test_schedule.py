"""The displayed prices over time are those charged at each moment."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tests.catalog.test_pricing import moments, prices, terms

from tokenharbor.catalog.describe import unit_prices
from tokenharbor.catalog.price import read_price
from tokenharbor.catalog.pricing import Rates, Terms
from tokenharbor.catalog.schedule import OfferedPrice, price_history, price_periods
from tokenharbor.catalog.types import Price

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def price(text: str, **more: object) -> Price:
    return read_price({"input": text, "output": text, **more}, "a price")


@given(prices(), terms, moments)
def test_TH_A7_at_each_moment_one_line_says_what_is_charged(stated: Price, under: Terms, at: datetime) -> None:
    rates = Rates(stated, under)
    found = [period for period in price_periods(stated, under) if period.holds(at)]
    assert len(found) == 1
    for threshold in rates.thresholds(at):
        charged = unit_prices(rates, at, threshold)
        said = [line.prices for line in found[0].lines]
        known = [{unit: each[unit] for unit in charged.keys() & each.keys()} for each in said]
        assert any(each == {unit: charged[unit] for unit in each} for each in known), (charged, said)


def test_a_plain_line_comes_first_and_what_is_dearer_after_it() -> None:
    stated = price(
        "1",
        steps=[{"above_input": 1000, "input": "2"}],
        hours=[{"from": "01:00", "to": "04:00", "days": ["mon", "tue"], "output": "3"}],
    )
    (period,) = price_periods(stated, Terms())
    assert [(line.above_input, line.hours, line.prices) for line in period.lines] == [
        (0, "", {"input": "1", "output": "1"}),
        (1000, "", {"input": "2", "output": "1"}),
        (0, "01:00-04:00 mon,tue", {"input": "1", "output": "3"}),
        (1000, "01:00-04:00 mon,tue", {"input": "2", "output": "3"}),
    ]


@given(st.lists(st.sampled_from(["1", "2", "3"]), min_size=1, max_size=5))
def test_a_history_has_no_gaps_and_no_borders_at_which_nothing_changes(amounts: list[str]) -> None:
    offered = [OfferedPrice(NOON + timedelta(days=day), price(amount)) for day, amount in enumerate(amounts)]
    found = price_history(offered, offered[-1].price, Terms())
    assert (found[0].since, found[-1].until) == (None, None)
    assert all(one.until == other.since for one, other in pairwise(found))
    for day, amount in enumerate(amounts):
        (then,) = [each for each in found if each.holds(NOON + timedelta(days=day))]
        assert then.lines[0].prices["input"] == amount
    assert all(one.lines != other.lines for one, other in pairwise(found))


def test_what_comes_is_cut_off_where_another_price_was_offered_before_it() -> None:
    first = price("1", later=[{"from": NOON + timedelta(days=10), "input": "9"}])
    offered = [OfferedPrice(NOON, first), OfferedPrice(NOON + timedelta(days=2), price("2"))]
    found = price_history(offered, offered[-1].price, Terms())
    assert [each.lines[0].prices["input"] for each in found] == ["1", "2"]
    assert found[1].since == NOON + timedelta(days=2)


def test_prices_are_shown_under_the_terms_of_who_pays() -> None:
    (period,) = price_periods(price("2"), Terms(markup_bp=500, fee_bp=300))
    assert period.lines[0].prices["input"] == "2.1", "the fee is stated apart"
