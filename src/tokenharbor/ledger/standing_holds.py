"""The holds that a gateway knows to stand, and what is done when a restart of PostgreSQL has lost the last of them.

Holds commit without waiting for the disk, so that a crash of PostgreSQL may lose those of its last moments, with all
that was counted for them. Their requests are open all the same. So whenever the connection of holds is made anew, those
that are gone are placed again, before anybody gets the connection to place new ones.
"""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial

import asyncpg

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.batch_arguments import again_arguments
from tokenharbor.ledger.book import Answer
from tokenharbor.ledger.statements import LedgerQueries
from tokenharbor.ledger.types import Hold, PlacedHold, RefusedHold

_AT_ONCE = 500


class StandingHolds:
    """By request id, from the answer that a hold stands to the answer of its end."""

    def __init__(self, sql: LedgerQueries, gateway_id: UUID) -> None:
        self._sql = sql
        self._gateway_id = gateway_id
        self._holds: dict[UUID, Hold] = {}

    def placed(self, holds: Sequence[Hold], answers: Sequence[Answer[PlacedHold | RefusedHold]]) -> None:
        standing = self._holds
        for hold, answer in zip(holds, answers, strict=True):
            if type(answer) is PlacedHold:
                standing[hold.request_id] = hold
            elif not isinstance(answer, RefusedHold | Exception | PlacedHold):
                answer.add_done_callback(partial(self._placed_later, hold))

    def _placed_later(self, hold: Hold, answer: asyncio.Future[PlacedHold | RefusedHold]) -> None:
        if not answer.cancelled() and answer.exception() is None:
            self.placed([hold], [answer.result()])

    def ended(self, request_ids: Iterable[UUID]) -> None:
        """Settled, released or given back; or somebody else's from now on."""
        standing = self._holds
        for request_id in request_ids:
            standing.pop(request_id, None)

    async def place_lost(self, conn: asyncpg.Connection) -> None:
        """As far as the accounts cover them, whatever limits say. Raises what the driver raises."""
        standing = [*self._holds.values()]
        for begin in range(0, len(standing), _AT_ONCE):
            page = standing[begin : begin + _AT_ONCE]
            found = await conn.fetch(self._sql.standing_holds, [hold.request_id for hold in page])
            there = {row["request_id"] for row in found}
            lost = [hold for hold in page if hold.request_id not in there and hold.request_id in self._holds]
            if lost:
                await conn.fetchval(self._sql.place_holds_again, *again_arguments(lost, self._gateway_id))
