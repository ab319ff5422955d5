"""What a top-up costs and what it credits: packs and custom amounts of an edition, and exact exchange rates."""

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
_NANO_PER_MINOR_AT_ONE = NANO_PER_CENT * 1_000_000  # of a rate in millionths


@dataclass(frozen=True, slots=True)
class TopUpPrice:
    """What is paid for a credit, and until when its rate lasts."""

    money: Money
    credit: Usd
    rate: str | None = None
    rate_until: datetime | None = None


def rate_micro(text: str) -> int:
    """A rate in millionths. Raises ValueError for what is no positive decimal with at most six places."""
    match = _RATE.fullmatch(text)
    micro = 0 if match is None else int(match[1]) * 1_000_000 + int((match[2] or "").ljust(6, "0"))
    if micro <= 0:
        raise ValueError(f"not a rate: a positive number with at most six places: {text[:40]!r}")
    return micro


def is_rate_within(policy: TopUpPolicy, per_usd: str) -> bool:
    """Whether the edition believes a rate. Raises ValueError for what is none."""
    return rate_micro(policy.cny_rate_least) <= rate_micro(per_usd) <= rate_micro(policy.cny_rate_most)


def price_top_up(
    policy: TopUpPolicy, amount: Usd, currency: str, rate: ExchangeRate | None, now: datetime
) -> TopUpPrice:
    """The price of a credit of `amount`. In another currency it is rounded up to its minor unit.

    Raises Rejected for an amount or a currency that the edition does not sell, or without a rate.
    """
    _check_amount(policy, amount)
    if currency not in policy.currencies:
        raise Rejected(
            f"top-ups are in {', '.join(policy.currencies)}, not in {currency[:10]!r}", param="currency"
        ).because(ErrorReason.CURRENCY_NOT_SOLD, currencies=", ".join(policy.currencies))
    if currency == BOOKS_CURRENCY:
        return TopUpPrice(Money.of_usd_down(amount), amount)
    if rate is None or not is_rate_within(policy, rate.per_usd):
        raise Rejected(
            f"there is no exchange rate for {currency} now: pay in {BOOKS_CURRENCY}", param="currency"
        ).because(ErrorReason.EXCHANGE_RATE_MISSING, currency=currency)
    minor = round_up(amount * rate_micro(rate.per_usd), _NANO_PER_MINOR_AT_ONE)
    until = now + timedelta(minutes=policy.cny_rate_minutes)
    return TopUpPrice(Money(currency, int(minor)), amount, rate.per_usd, until)


def credit_of(top_up: TopUp, current_rate: ExchangeRate | None, paid_at: datetime) -> Usd:
    """What a payment credits: what was agreed; if it came after its rate, at the current rate where that gives less."""
    if top_up.rate is None or top_up.rate_until is None or paid_at <= top_up.rate_until or current_rate is None:
        return top_up.credit
    return min(top_up.credit, worth_in_usd(top_up.before_tax, current_rate))


def tax_of(top_up: TopUp, tax_minor: int, credited: Usd) -> Usd:
    """What a tax on top of a top-up is, at the rate at which the top-up is credited."""
    return round_down(credited * tax_minor, top_up.before_tax.minor)


def fee_in_usd(fee: Money | None) -> Usd:
    """What a processor kept, as far as the books know its currency."""
    return fee.usd if fee is not None and fee.currency == BOOKS_CURRENCY else ZERO


def worth_in_usd(money: Money, rate: ExchangeRate) -> Usd:
    """What a sum in the rate's currency is worth, rounded down."""
    return round_down(money.minor * _NANO_PER_MINOR_AT_ONE, rate_micro(rate.per_usd))


def add_months(moment: datetime, months: int) -> datetime:
    """The same day and time so many months later, or that month's last day."""
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
        raise Rejected(f"a top-up is one of {packs}", param="amount").because(ErrorReason.TOP_UP_PACKS, packs=packs)
    if not policy.minimum <= amount <= policy.maximum:
        least, most = policy.minimum.brief_up(), policy.maximum.brief_down()
        raise Rejected(f"a top-up is one of {packs}, or any amount from ${least} to ${most}", param="amount").because(
            ErrorReason.TOP_UP_BOUNDS, least_usd=policy.minimum, most_usd=policy.maximum
        )
    if amount % NANO_PER_CENT:
        raise Rejected("a top-up is a whole number of cents", param="amount").because(ErrorReason.WHOLE_CENTS)
