"""Exchange rates as operators set them: exact, within the edition's bounds, and a leap by two people.

A rate counts until it ends or another is set. One that is more than a tenth from what counted in the last day waits for
a second person, since whoever mistypes a rate, or means to, sells credit for next to nothing.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from tokenharbor.editions.policy import TopUpPolicy
from tokenharbor.funding import store
from tokenharbor.funding.amounts import BOOKS_CURRENCY, is_rate_within, rate_micro
from tokenharbor.funding.context import Funding
from tokenharbor.funding.people import is_same_person
from tokenharbor.funding.types import ExchangeRate
from tokenharbor.kernel.errors import Conflict, Rejected

LEAP_PARTS: Final = 10
"""A rate that is more than one in so many parts of another away from it is a leap."""

_COMPARED: Final = timedelta(days=1)


async def set_exchange_rate(
    funding: Funding, currency: str, per_usd: str, *, lasts: timedelta | None, actor: str
) -> ExchangeRate:
    """What a US dollar costs from now on, or once another person has confirmed it. Raises Rejected."""
    _check(funding.policy().topups, currency, per_usd)
    if not actor.strip():
        raise Rejected("a rate is set by somebody", param="actor")
    now = funding.world.clock.now()
    async with funding.change() as conn:
        before = await store.list_rates_since(conn, currency, now - _COMPARED)
        ends_at = None if lasts is None else now + lasts
        rate = ExchangeRate(currency, now, per_usd, ends_at, actor, waits=_is_leap(per_usd, before))
        await store.set_rate(conn, rate)
    return rate


async def confirm_exchange_rate(funding: Funding, currency: str, actor: str) -> ExchangeRate:
    """The second person's word for the rate that was set last; it counts from now on. Raises Rejected for nobody's
    word, Conflict if it waits for none, has ended, or was set by the same person.
    """
    if not actor.strip():
        raise Rejected("a rate is confirmed by somebody", param="actor")
    now = funding.world.clock.now()
    async with funding.change() as conn:
        rate = await store.lock_last_rate(conn, currency)
        if rate is None or not rate.waits:
            raise Conflict(f"no rate of {currency[:10]} waits for a second person")
        if rate.ends_at is not None and rate.ends_at <= now:
            raise Conflict(f"the rate {rate.per_usd} of {currency} has ended: set another")
        if is_same_person(rate.actor, actor):
            raise Conflict(f"{actor} has set the rate {rate.per_usd} of {currency}: another person has to confirm it")
        return await store.confirm_rate(conn, rate, actor, now)


def _check(policy: TopUpPolicy, currency: str, per_usd: str) -> None:
    others = [each for each in policy.currencies if each != BOOKS_CURRENCY]
    if currency not in others:
        sold = ", ".join(others) or f"none: this edition sells in {BOOKS_CURRENCY} alone"
        raise Rejected(f"rates are of {sold}; not of {currency[:10]!r}", param="currency")
    try:
        is_within = is_rate_within(policy, per_usd)
    except ValueError as error:
        raise Rejected(str(error), param="rate") from None
    if not is_within:
        least, most = policy.cny_rate_least, policy.cny_rate_most
        raise Rejected(f"a rate of {currency} is from {least} to {most} in this edition", param="rate")


def _is_leap(per_usd: str, before: Iterable[ExchangeRate]) -> bool:
    new = rate_micro(per_usd)
    return any(abs(new - old) * LEAP_PARTS > old for old in (rate_micro(each.per_usd) for each in before))
