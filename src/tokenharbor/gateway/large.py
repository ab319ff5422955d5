"""Large bodies: refused before they are read if the account has no balance, and parsed off the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tokenharbor.gateway.account_reads import AccountReads
from tokenharbor.gateway.call import Call
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.errors import BooksError, InsufficientQuota, Unavailable
from tokenharbor.kernel.money import ZERO

LARGE = 256 << 10
"""Bytes above which parsing a body takes milliseconds, and would delay other requests."""

T = TypeVar("T")


class LargeBodies:
    """Parses one large body at a time on a thread, so that the event loop keeps its share of the interpreter."""

    def __init__(self, reads: AccountReads) -> None:
        self._reads = reads
        self._reader = ThreadPoolExecutor(1, "large-bodies")

    async def check_balance(self, call: Call, caller: Caller) -> None:
        """Check the balance before a large body is read, unless the account may use free models. Raises
        InsufficientQuota, Unavailable.
        """
        if call.dry_run or caller.account.free_models:
            return
        try:
            balance = await self._reads.balance(caller.account_id, call.started_at)
        except BooksError as error:
            raise Unavailable("Database unavailable. Nothing was billed; try again shortly.") from error
        if balance.available <= ZERO or balance.debt > ZERO:
            raise InsufficientQuota(
                f"The account has no balance (${balance.available.brief_down()}, held ${balance.held.brief_up()},"
                f" debt ${balance.debt.brief_up()}): top up and try again."
            )

    async def read(self, work: Callable[[], T]) -> T:
        """Run `work` on the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, work)
