"""Prices of top-ups and the credit that they grant: packs, custom amounts, exact exchange rates."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tokenharbor.editions.policy import TopUpPolicy
from tokenharbor.funding.types import ExchangeRate, TopUp
from tokenharbor.kernel.errors import Rejected
from tokenharbor.kernel.money import NANO_PER_CENT, ZERO, Money, Usd, round_down, round_up
from tokenharbor.kernel.reasons import ErrorReason

BOOKS_CURRENCY: Final = "USD"

_RATE = re.compile(r"(\d{1,6})(?:\.(\d{1,6}))?", re.ASCII)
_NANO_PER_MINOR_AT_ONE = NANO_PER_CENT * 1_000_000  # nano-dollars per minor unit, at a rate of one millionth


@dataclass(frozen=True, slots=True)
class TopUpPrice:
    """The price of a credit, and until when its exchange rate is guaranteed."""

    money: Money
    credit: Usd
    rate: str | None = None
    rate_until: datetime | None = None


def rate_micro(text: str) -> int:
    """Return a rate in millionths. Raises ValueError unless it is a positive decimal with at most six places."""
    match = _RATE.fullmatch(text)
    micro = 0 if match is None else int(match[1]) * 1_000_000 + int((match[2] or "").ljust(6, "0"))
    if micro <= 0:
        raise ValueError(f"a rate must be a positive number with at most six decimal places, not {text[:40]!r}")
    return micro


def is_rate_within(policy: TopUpPolicy, per_usd: str) -> bool:
    """Return whether a rate is within the edition's bounds. Raises ValueError if it is no rate."""
    return rate_micro(policy.cny_rate_least) <= rate_micro(per_usd) <= rate_micro(policy.cny_rate_most)


def price_top_up(
    policy: TopUpPolicy, amount: Usd, currency: str, rate: ExchangeRate | None, now: datetime
) -> TopUpPrice:
    """Return the price of a credit of `amount`. In another currency it is rounded up to the minor unit.

    Raises Rejected if the edition does not sell the amount or the currency, or if there is no rate in force.
    """
    _check_amount(policy, amount)
    if currency not in policy.currencies:
        raise Rejected(
            f"top-ups are sold in {', '.join(policy.currencies)}, not in {currency[:10]!r}", param="currency"
        ).because(ErrorReason.CURRENCY_NOT_SOLD, currencies=", ".join(policy.currencies))
    if currency == BOOKS_CURRENCY:
        return TopUpPrice(Money.of_usd_down(amount), amount)
    if rate is None or not is_rate_within(policy, rate.per_usd):
        raise Rejected(
            f"no exchange rate for {currency} is in force: pay in {BOOKS_CURRENCY}", param="currency"
        ).because(ErrorReason.EXCHANGE_RATE_MISSING, currency=currency)
    minor = round_up(amount * rate_micro(rate.per_usd), _NANO_PER_MINOR_AT_ONE)
    until = now + timedelta(minutes=policy.cny_rate_minutes)
    return TopUpPrice(Money(currency, int(minor)), amount, rate.per_usd, until)


def credit_of(top_up: TopUp, current_rate: ExchangeRate | None, paid_at: datetime) -> Usd:
    """Return the credit for a payment: the agreed one; after `rate_until`, the lower of that and today's worth."""
    if top_up.rate is None or top_up.rate_until is None or paid_at <= top_up.rate_until or current_rate is None:
        return top_up.credit
    return min(top_up.credit, worth_in_usd(top_up.before_tax, current_rate))


def tax_of(top_up: TopUp, tax_minor: int, credited: Usd) -> Usd:
    """Return the tax on a top-up in USD, at the rate at which it is credited."""
    return round_down(credited * tax_minor, top_up.before_tax.minor)


def fee_in_usd(fee: Money | None) -> Usd:
    """Return a processor's fee in USD; 0 if it is in another currency, which the books do not track."""
    return fee.usd if fee is not None and fee.currency == BOOKS_CURRENCY else ZERO


def worth_in_usd(money: Money, rate: ExchangeRate) -> Usd:
    """Return the worth in USD of an amount in the rate's currency, rounded down."""
    return round_down(money.minor * _NANO_PER_MINOR_AT_ONE, rate_micro(rate.per_usd))


def add_months(moment: datetime, months: int) -> datetime:
    """Return the same day and time `months` months later, or the last day of that month if it is shorter."""
    index = moment.month - 1 + months
    year, month = moment.year + index // 12, index % 12 + 1
    first_of_next = moment.replace(year=year + month // 12, month=month % 12 + 1, day=1)
    last_day = (first_of_next - timedelta(days=1)).day
    return moment.replace(year=year, month=month, day=min(moment.day, last_day))


def _check_amount(policy: TopUpPolicy, amount: Usd) -> None:
    if amount in policy.packs:
        return
    packs = ", ".join(f"${pack.brief_down()}" for pack in policy.packs)
    if not policy.custom:
        raise Rejected(f"a top-up must be one of {packs}", param="amount").because(
            ErrorReason.TOP_UP_PACKS, packs=packs
        )
    if not policy.minimum <= amount <= policy.maximum:
        least, most = policy.minimum.brief_up(), policy.maximum.brief_down()
        message = f"a top-up must be one of {packs}, or any amount from ${least} to ${most}"
        raise Rejected(message, param="amount").because(
            ErrorReason.TOP_UP_BOUNDS, least_usd=policy.minimum, most_usd=policy.maximum
        )
    if amount % NANO_PER_CENT:
        raise Rejected("a top-up must be a whole number of cents", param="amount").because(ErrorReason.WHOLE_CENTS)
