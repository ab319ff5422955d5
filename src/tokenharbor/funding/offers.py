"""The currencies in which a top-up can be paid now, with their methods, or why a currency is not available."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tokenharbor.funding import store
from tokenharbor.funding.amounts import BOOKS_CURRENCY, is_rate_within
from tokenharbor.funding.context import Funding
from tokenharbor.funding.types import ExchangeRate
from tokenharbor.payments.types import ProcessorAbility


class CurrencyFault(StrEnum):
    """Why a currency is not available now."""

    NO_METHOD = "no_method"  # no configured processor takes it
    NO_RATE = "no_rate"  # no rate was set, or it waits for a second person
    RATE_OVER = "rate_over"  # the last rate has ended
    RATE_OUTSIDE = "rate_outside"  # the rate is outside the edition's bounds


@dataclass(frozen=True, slots=True)
class CurrencyOffer:
    """A currency, its payment methods in the edition's order, and its rate. `fault` says why it is not available."""

    currency: str
    methods: Sequence[str]
    rate: ExchangeRate | None
    fault: CurrencyFault | None


async def read_currencies(funding: Funding) -> Sequence[CurrencyOffer]:
    """Return the edition's currencies in its order. The database is read only for currencies other than USD."""
    return [await _offer(funding, currency) for currency in funding.policy().topups.currencies]


def list_methods(funding: Funding, currency: str | None = None) -> Sequence[str]:
    """Return the edition's methods that a configured processor takes, in that currency; else those of the
    processors.
    """
    taken = {
        name
        for each in funding.offered(ProcessorAbility.CHECKOUT)
        for name, currencies in each.methods.items()
        if currency is None or currency in currencies
    }
    return [each for each in funding.policy().topups.methods if each in taken] or sorted(taken)


async def _offer(funding: Funding, currency: str) -> CurrencyOffer:
    methods = list_methods(funding, currency)
    rate = None
    if currency != BOOKS_CURRENCY:
        async with funding.acquire() as conn:
            rate = await store.read_rate(conn, currency)
    fault = _find_fault(funding, currency, rate) if methods else CurrencyFault.NO_METHOD
    return CurrencyOffer(currency, methods, rate if fault is None else None, fault)


def _find_fault(funding: Funding, currency: str, rate: ExchangeRate | None) -> CurrencyFault | None:
    if currency == BOOKS_CURRENCY:
        return None
    if rate is None:
        return CurrencyFault.NO_RATE
    if rate.ends_at is not None and rate.ends_at <= funding.world.clock.now():
        return CurrencyFault.RATE_OVER
    return None if is_rate_within(funding.policy().topups, rate.per_usd) else CurrencyFault.RATE_OUTSIDE
