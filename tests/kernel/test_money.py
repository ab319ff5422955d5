"""Money: parsed and shown exactly, rounded in our favour only where the books say so."""

import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tokenharbor.kernel.money import MAX_NANO, Money, Usd, round_down, round_up

amounts = st.integers(-MAX_NANO, MAX_NANO).map(Usd)
STATUS = re.compile("429|500|502|503|504|524")


def exact(amount: Usd) -> str:
    return str(amount).rstrip("0")


@given(amounts)
def test_what_is_shown_reads_back_and_has_nine_places(amount: Usd) -> None:
    text = str(amount)
    assert Usd.parse(text) == amount
    assert len(text.partition(".")[2]) == 9
    assert Decimal(text).scaleb(9) == int(amount)


@given(amounts)
def test_in_a_sentence_an_amount_is_as_short_as_is_exact_with_at_least_two_places(amount: Usd) -> None:
    for text in (amount.brief_down(), amount.brief_up()):
        places = text.partition(".")[2]
        assert len(places) == 2 or (len(places) > 2 and not places.endswith("0"))
        assert Usd.parse(text) == amount or STATUS.search(exact(amount))


@given(st.integers(-99 * 10**9, 99 * 10**9).map(Usd))
def test_no_amount_in_a_sentence_looks_like_a_status_to_retry(amount: Usd) -> None:
    """opencode searches the message of a refusal for these, and retries five times if it finds one."""
    down, up = amount.brief_down(), amount.brief_up()
    assert not STATUS.search(down)
    assert not STATUS.search(up)
    assert Usd.parse(down) <= amount <= Usd.parse(up)


@given(amounts, amounts)
def test_in_a_sentence_too_little_stays_less_than_what_is_needed(one: Usd, other: Usd) -> None:
    little, needed = sorted((one, other))
    assume(little < needed)
    assert Usd.parse(Usd(little).brief_down()) < Usd.parse(Usd(needed).brief_up())


@pytest.mark.parametrize(
    ("nano", "down", "up"),
    [
        (76_827_500, "0.0768275", "0.0768275"),
        (-5_000_000_000, "-5.00", "-5.00"),
        (42_900_000, "0.042", "0.043"),
        (500_100, "0.0005", "0.000501"),
        (3_005_020_001, "3.005", "3.0051"),
        (429_570_000_000, "429.57", "429.57"),
    ],
)
def test_an_amount_in_a_sentence_gives_up_only_the_places_that_look_like_a_status(
    nano: int, down: str, up: str
) -> None:
    assert (Usd(nano).brief_down(), Usd(nano).brief_up()) == (down, up)


@given(st.decimals(min_value=0, max_value=9_000_000_000, places=9))
def test_any_decimal_of_up_to_nine_places_is_read_exactly(value: Decimal) -> None:
    assert Usd.parse(f"{value:f}") == value.scaleb(9)
    assert Usd.parse(f"{value.normalize():f}") == value.scaleb(9)


@pytest.mark.parametrize(
    "text",
    ["", ".5", "5.", "1e3", "+1", "1,000", " 1", "1 ", "0x10", "NaN", "Infinity", "1.0000000001", "٣", "--1", "1_0"],
)
def test_anything_but_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount in USD"):
        Usd.parse(text)


def test_the_books_range_is_the_limit() -> None:
    assert Usd.parse("9223372036.854775807") == MAX_NANO
    with pytest.raises(ValueError, match="range"):
        Usd.parse("9223372036.854775808")


@given(amounts, amounts)
def test_sums_and_differences_are_amounts(one: Usd, other: Usd) -> None:
    assert isinstance(one + other, Usd)
    assert isinstance(one - other, Usd)
    assert (one + other) - other == one
    assert int(-one) == -int(one)


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**12))
def test_rounding_errs_by_less_than_a_nano_and_to_the_stated_side(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    assert exact <= round_up(numerator, denominator) < exact + 1
    assert exact - 1 < round_down(numerator, denominator) <= exact


minor = st.integers(0, 10**13)
currencies = st.sampled_from(["USD", "CNY"])


@given(minor, currencies)
def test_a_payments_amount_reads_back_exactly(minor: int, currency: str) -> None:
    money = Money(currency, minor)
    assert Money.parse(money.decimal, currency) == money
    assert str(money) == f"{Decimal(minor).scaleb(-2):.2f} {currency}"


@pytest.mark.parametrize("text", ["", "1.234", "-1", "1,00", "1e3", ".5", "1.", " 1", "NaN", "１", "9" * 13])
def test_what_is_no_exact_amount_of_a_payment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="places"):
        Money.parse(text, "USD")


def test_a_payments_amount_has_a_known_currency_and_is_never_below_zero() -> None:
    for currency, minor in (("JPY", 1), ("usd", 1), ("USD", -1), ("USD", MAX_NANO + 1)):
        with pytest.raises(ValueError, match=r"currency|range"):
            Money(currency, minor)
    with pytest.raises(ValueError, match="range"):
        Money("USD", 1) - Money("USD", 2)


def test_two_currencies_are_never_added() -> None:
    dollar, yuan = Money("USD", 100), Money("CNY", 100)
    with pytest.raises(ValueError, match="different currencies"):
        dollar + yuan
    with pytest.raises(ValueError, match="different currencies"):
        dollar - yuan
    with pytest.raises(ValueError, match="not in USD"):
        _ = yuan.usd


@given(st.integers(0, MAX_NANO))
def test_the_cents_within_an_amount_are_never_more_than_it(nano: int) -> None:
    down = Money.of_usd_down(Usd(nano)).usd
    assert 0 <= nano - down < 10_000_000
