"""Calls that a gateway refuses before anything is held: counted in memory, and written every few seconds.

A refusal costs no more for it: one more in a dictionary, whoever hammers. Who shows no key of ours counts nowhere, so
that strangers fill nothing. An account with very many keys has a row for some of them in an hour, and one for the
others together.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import asyncpg
import structlog

from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import HTTP_ERRORS, DatabaseUnavailable, RateLimited
from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.refused_calls import RefusedCallGroup, add_refused_calls

MOST_PAIRS: Final = 10_000
"""Of caller and code between two writings; what is beyond is not counted."""
MOST_OF_ACCOUNT: Final = 200
"""Of key and code that an account has rows for in an hour, by this gateway."""

REPEATED: Final = HTTP_ERRORS[RateLimited].code
"""Of a refusal that is repeated without looking at the request."""

_EVERY_SECONDS: Final = 5
_log = structlog.get_logger("gateway")


class RefusalCounts:
    """Since the last writing."""

    def __init__(self) -> None:
        self._counts: dict[tuple[Caller, str], int] = {}
        self._hour: datetime | None = None
        self._named: defaultdict[UUID, set[RefusedCallGroup]] = defaultdict(set)  # in this hour

    def note(self, caller: Caller, code: str) -> None:
        pair = caller, code
        counted = self._counts.get(pair)
        if counted is not None or len(self._counts) < MOST_PAIRS:
            self._counts[pair] = (counted or 0) + 1

    def take(self, hour: datetime) -> Mapping[RefusedCallGroup, int]:
        """They are counted anew from here on."""
        counts, self._counts = self._counts, {}
        if hour != self._hour:
            self._hour = hour
            self._named.clear()
        found: dict[RefusedCallGroup, int] = {}
        for (caller, code), calls in counts.items():
            pair = self._name(RefusedCallGroup(caller.account_id, caller.payer.key_id, code))
            found[pair] = found.get(pair, 0) + calls
        return found

    def _name(self, pair: RefusedCallGroup) -> RefusedCallGroup:
        """With its key, unless the account has rows for so many already."""
        named = self._named[pair.account_id]
        if pair not in named and len(named) >= MOST_OF_ACCOUNT:
            return pair._replace(key_id=None)
        named.add(pair)
        return pair


async def report_refusals(counts: RefusalCounts, pool: asyncpg.Pool, clock: Clock) -> None:
    """Until cancelled."""
    while True:
        await asyncio.sleep(_EVERY_SECONDS)
        await write_refusals(counts, pool, clock)


async def write_refusals(counts: RefusalCounts, pool: asyncpg.Pool, clock: Clock) -> None:
    """What was counted since the last time. Where the database does not answer it is lost: these are no books."""
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    found = counts.take(hour)
    if not found:
        return
    try:
        await add_refused_calls(pool, found, hour)
    except DatabaseUnavailable as error:
        _log.warning("refusals_not_written", reason=str(error), calls=sum(found.values()))
