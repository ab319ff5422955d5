"""Counts of calls that are refused before anything is held: kept in memory, and written every few seconds.

Counting adds almost nothing to the cost of a refusal: one entry of a dictionary. Calls without a valid key are not
counted, so that strangers cannot fill the table. An account with very many keys gets rows for some of its keys in an
hour, and one row for all others together.
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
"""The most pairs of caller and code between two writes; further pairs are not counted."""
MOST_OF_ACCOUNT: Final = 200
"""The most pairs of key and code for which this gateway writes rows of one account in an hour."""

REPEATED: Final = HTTP_ERRORS[RateLimited].code
"""The code of refusals that are repeated without reading the request."""

_EVERY_SECONDS: Final = 5
_log = structlog.get_logger("gateway")


class RefusalCounts:
    """The counts since the last write, by caller and code."""

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
        """Return the counts since the last call, and start at zero."""
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
        """Return the pair, without its key if the account has too many rows already."""
        named = self._named[pair.account_id]
        if pair not in named and len(named) >= MOST_OF_ACCOUNT:
            return pair._replace(key_id=None)
        named.add(pair)
        return pair


async def report_refusals(counts: RefusalCounts, pool: asyncpg.Pool, clock: Clock) -> None:
    """Write the counts periodically, until cancelled."""
    while True:
        await asyncio.sleep(_EVERY_SECONDS)
        await write_refusals(counts, pool, clock)


async def write_refusals(counts: RefusalCounts, pool: asyncpg.Pool, clock: Clock) -> None:
    """Write the counts since the last write. They are lost if the database is unavailable: no money depends on them."""
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    found = counts.take(hour)
    if not found:
        return
    try:
        await add_refused_calls(pool, found, hour)
    except DatabaseUnavailable as error:
        _log.warning("refusals_not_written", reason=str(error), calls=sum(found.values()))
