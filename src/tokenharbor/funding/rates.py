"""Exchange rates set by operators: exact, within the edition's bounds, and large changes confirmed by two people.

Invariant: no single person can make credit much cheaper. A rate is in force until it ends or another one is. A new rate
that differs by more than a tenth from any rate in force during the last day waits for a second person, since a mistyped
or malicious rate would sell credit for next to nothing.
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
"""A rate that differs from another by more than one part in this many of it needs a second person."""

_COMPARED: Final = timedelta(days=1)


async def set_exchange_rate(
    funding: Funding, currency: str, per_usd: str, *, lasts: timedelta | None, actor: str
) -> ExchangeRate:
    """Set the rate of a currency; it is in force now, or, if it waits, once another person has confirmed it.

    Raises Rejected for a currency that the edition does not sell, a rate outside its bounds, or an empty `actor`.
    """
    _check(funding.policy().topups, currency, per_usd)
    if not actor.strip():
        raise Rejected("say who sets the rate", param="actor")
    now = funding.world.clock.now()
    async with funding.change() as conn:
        before = await store.list_rates_since(conn, currency, now - _COMPARED)
        ends_at = None if lasts is None else now + lasts
        rate = ExchangeRate(currency, now, per_usd, ends_at, actor, waits=_is_leap(per_usd, before))
        await store.set_rate(conn, rate)
    return rate


async def confirm_exchange_rate(funding: Funding, currency: str, actor: str) -> ExchangeRate:
    """Confirm the rate that was set last, as the second person; it is in force from now on.

    Raises Rejected for an empty `actor`; Conflict if the rate does not wait, has ended, or was set by the same person.
    """
    if not actor.strip():
        raise Rejected("say who confirms the rate", param="actor")
    now = funding.world.clock.now()
    async with funding.change() as conn:
        rate = await store.lock_last_rate(conn, currency)
        if rate is None or not rate.waits:
            raise Conflict(f"no rate of {currency[:10]} is waiting for a second person")
        if rate.ends_at is not None and rate.ends_at <= now:
            raise Conflict(f"the rate {rate.per_usd} of {currency} has ended: set another")
        if is_same_person(rate.actor, actor):
            raise Conflict(f"{actor} set the rate {rate.per_usd} of {currency}: another person must confirm it")
        return await store.confirm_rate(conn, rate, actor, now)


def _check(policy: TopUpPolicy, currency: str, per_usd: str) -> None:
    others = [each for each in policy.currencies if each != BOOKS_CURRENCY]
    if currency not in others:
        sold = ", ".join(others) or f"none: this edition sells only in {BOOKS_CURRENCY}"
        raise Rejected(f"rates can be set for {sold}; not for {currency[:10]!r}", param="currency")
    try:
        is_within = is_rate_within(policy, per_usd)
    except ValueError as error:
        raise Rejected(str(error), param="rate") from None
    if not is_within:
        least, most = policy.cny_rate_least, policy.cny_rate_most
        raise Rejected(f"a rate of {currency} must be from {least} to {most} in this edition", param="rate")


def _is_leap(per_usd: str, before: Iterable[ExchangeRate]) -> bool:
    new = rate_micro(per_usd)
    return any(abs(new - old) * LEAP_PARTS > old for old in (rate_micro(each.per_usd) for each in before))
