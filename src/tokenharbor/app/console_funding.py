"""Payment processors of the console's process."""

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
    """Open payments, and keep `sale` up to date meanwhile. Raises Misconfigured, DatabaseUnavailable."""
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
