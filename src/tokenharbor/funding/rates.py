"""Exchange rates as operators set them: exact, and in force until they end or another is set."""

from datetime import timedelta

from tokenharbor.funding import store
from tokenharbor.funding.amounts import BOOKS_CURRENCY, rate_micro
from tokenharbor.funding.context import Funding
from tokenharbor.funding.types import ExchangeRate
from tokenharbor.kernel.errors import Rejected
from tokenharbor.kernel.money import CURRENCIES


async def set_exchange_rate(
    funding: Funding, currency: str, per_usd: str, *, lasts: timedelta | None, actor: str
) -> ExchangeRate:
    """What a US dollar costs from now on. Raises Rejected."""
    if currency not in CURRENCIES or currency == BOOKS_CURRENCY:
        others = ", ".join(each for each in CURRENCIES if each != BOOKS_CURRENCY)
        raise Rejected(f"a rate is of {others}, not of {currency[:10]!r}", param="currency")
    try:
        rate_micro(per_usd)
    except ValueError as error:
        raise Rejected(str(error), param="rate") from None
    now = funding.world.clock.now()
    rate = ExchangeRate(currency, now, per_usd, None if lasts is None else now + lasts, actor)
    async with funding.acquire() as conn:
        await store.set_rate(conn, rate)
    return rate
