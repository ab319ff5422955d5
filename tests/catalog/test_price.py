"""A price's table: read exactly, refused if fields are missing, extra or invalid."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.catalog.price import load_price, make_price, read_price, show_million, show_one, write_price
from tokenharbor.catalog.types import PriceComponent, PriceHours
from tokenharbor.kernel.errors import Misconfigured

AT = datetime(2027, 1, 1, tzinfo=UTC)


def _price(**fields: Any) -> dict[str, Any]:
    return {"input": "3", "output": "15", **fields}


def test_a_dollar_per_million_is_a_million_pico_per_token() -> None:
    price = read_price(_price(cache_read="0.3", cache_write="3.75", cache_write_1h="6"), "here")
    assert {line.unit: line.pico for line in price.components} == {
        "input": 3_000_000,
        "output": 15_000_000,
        "cache_read": 300_000,
        "cache_write_5m": 3_750_000,
        "cache_write_1h": 6_000_000,
    }


def test_images_seconds_searches_and_tool_uses_are_priced_for_one() -> None:
    price = read_price(_price(image="0.04", second="0.1", search="0.01", tool_use="0.000000000001"), "here")
    picos = {line.unit: line.pico for line in price.components}
    assert picos["images_out"] == 40_000_000_000
    assert picos["seconds"] == 100_000_000_000
    assert picos["web_searches"] == 10_000_000_000
    assert picos["tool_uses"] == 1


def test_steps_hours_and_announced_prices() -> None:
    price = read_price(
        _price(
            steps=[{"above_input": 200_000, "input": "6"}],
            hours=[{"from": "22:30", "to": "01:00", "days": ["sun", "sat"], "output": "7.5"}],
            later=[
                {
                    "from": datetime(2027, 1, 1, tzinfo=UTC).date(),
                    "output": "20",
                    "steps": [{"above_input": 5, "output": "21"}],
                }
            ],
        ),
        "here",
    )
    new_year = datetime(2027, 1, 1, tzinfo=UTC)
    assert set(price.components) == {
        PriceComponent("input", 3_000_000),
        PriceComponent("output", 15_000_000),
        PriceComponent("input", 6_000_000, above_input=200_000),
        PriceComponent("output", 7_500_000, hours=PriceHours(22 * 60 + 30, 60, (5, 6))),
        PriceComponent("output", 20_000_000, since=new_year),
        PriceComponent("output", 21_000_000, above_input=5, since=new_year),
    }


@given(st.decimals(min_value=0, max_value=9_999_999, places=6))
def test_what_is_shown_is_what_was_read(dollars: Decimal) -> None:
    price = read_price({"input": f"{dollars:f}", "output": "1"}, "here")
    pico = next(line.pico for line in price.components if line.unit == "input")
    assert Decimal(pico) == dollars * 10**6
    assert Decimal(show_million(pico)) == dollars


def test_shown_prices_are_as_short_as_they_can_be() -> None:
    assert show_million(3_000_000) == "3"
    assert show_million(280_000) == "0.28"
    assert show_million(0) == "0"
    assert show_one(10_000_000_000) == "0.01"
    assert show_one(3_000_000) == "0.000003"
    assert show_million(3_000_000 * 10_500, 10_000) == "3.15"


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"input": "3"}, "input and output must both be stated"),
        ({"output": "3"}, "input and output must both be stated"),
        (_price(input=3.0), 'input must be a decimal string such as "0.28", not a float'),
        (_price(input=3), 'input must be a decimal string such as "0.28", not an integer'),
        (_price(cache_read=True), 'cache_read must be a decimal string such as "0.28", not a boolean'),
        (_price(input="-3"), "input: not a decimal string"),
        (_price(input="3e2"), "input: not a decimal string"),
        (_price(input="1,5"), "input: not a decimal string"),
        (_price(input="٣"), "input: not a decimal string"),
        (_price(input=""), "input: not a decimal string"),
        (_price(input="0.2800001"), "more than 6 decimals"),
        (_price(search="0.0000000000001"), "not a decimal string"),
        (_price(inptu="3"), "unknown field 'inptu'; did you mean 'input'?"),
        (_price(steps={"above_input": 5}), "steps: expected an array, got a table"),
        (_price(steps=[{"above_input": 0, "input": "1"}]), "steps[0]: above_input must be at least 1"),
        (_price(steps=[{"input": "1"}]), "steps[0]: missing required field above_input"),
        (_price(steps=[{"above_input": 5, "input": 1.5}]), "steps[0]: input must be a decimal string"),
        (_price(steps=[{"above_input": 5, "above": 1}]), "steps[0]: unknown field 'above'"),
        (_price(hours=[{"from": "25:00", "to": "01:00"}]), "hours[0] from: "),
        (_price(hours=[{"from": "01:00", "to": "1"}]), "hours[0] to: "),
        (_price(hours=[{"from": "01:00", "to": "01:00"}]), "hours[0]: "),
        (_price(hours=[{"from": "01:00", "to": "02:00", "days": []}]), "hours[0]: "),
        (
            _price(hours=[{"from": "01:00", "to": "02:00", "days": ["sunday"]}]),
            "hours[0]: days[0]: not one of the allowed values",
        ),
        (_price(later=[{"from": "2027-01-01", "input": "1"}]), "later[0]: from must be a date"),
        (_price(steps=[{"above_input": 5, "input": "1"}] * 2), "here: input "),
        ("3", "expected a table, not a string"),
        ({"input": "0", "output": "0"}, "it can cost nothing: set free = true"),
        ({"input": "0", "output": "0", "search": "1"}, "it can cost nothing"),
        (
            _price(later=[{"from": AT, "input": "0", "output": "0"}]),
            "it can cost nothing",
        ),
        (_price(steps=[{"above_input": 5, "input": "0", "output": "0"}]), "it can cost nothing"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_and_where(table: object, says: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read_price(table, "tokenharbor.toml: here")
    message = str(caught.value)
    assert says in message
    assert "tokenharbor.toml: here" in message
    assert "\n" not in message


def test_a_price_is_versioned_by_what_it_says_not_by_how() -> None:
    one = read_price({"input": "3", "output": "15"}, "here")
    same = read_price({"output": "15.00", "input": "3.0"}, "there")
    other = read_price({"input": "3", "output": "15.000001"}, "here")
    assert one == same
    assert len(one.version) == 32
    assert one.version != other.version


def test_a_price_can_be_written_and_read_again() -> None:
    price = read_price(
        _price(
            steps=[{"above_input": 200_000, "input": "6"}],
            hours=[{"from": "01:00", "to": "04:00", "input": "4"}],
            later=[{"from": datetime(2027, 1, 1, 12, tzinfo=UTC), "input": "5"}],
        ),
        "here",
    )
    assert load_price(write_price(price)) == price


def test_two_lines_for_the_same_size_and_time_are_refused() -> None:
    with pytest.raises(Misconfigured, match=r"\binput\b"):
        make_price([PriceComponent("input", 1), PriceComponent("output", 1), PriceComponent("input", 2)])
