"""The console's way to payments: as a server's, with its own look at whether providers charge us."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tokenharbor.app.console_sale import ConsoleParts, ConsoleSale
from tokenharbor.app.funding import FundingParts, open_funding
from tokenharbor.billing.alarms import Alarm, Alarms
from tokenharbor.funding.context import Funding, FundingAlarm
from tokenharbor.identity.credentials import CredentialWatch
from tokenharbor.rewards.hooks import RewardHooks


@contextlib.asynccontextmanager
async def open_console_funding(parts: ConsoleParts, sale: ConsoleSale) -> AsyncIterator[Funding]:
    """The sale is kept up to date as long as it is open. Raises Misconfigured, DatabaseUnavailable."""
    watch = CredentialWatch(parts.pool)
    await watch.start()
    await sale.open()
    watching = asyncio.ensure_future(watch.run(sale.reload))
    alarms = Alarms()

    def report(alarm: FundingAlarm, about: str, processor: str) -> None:
        alarms.report_payment(Alarm(alarm.value), about, processor)

    funding = FundingParts(
        acquire=parts.pool.acquire,
        policy=parts.policy,
        report=report,
        hooks=RewardHooks(parts.world, parts.policy),
        is_charged=sale.is_charged,
        public_url=parts.public_url,
    )
    try:
        async with open_funding(parts.settings, parts.world, parts.root, funding) as opened:
            yield opened
    finally:
        watching.cancel()
