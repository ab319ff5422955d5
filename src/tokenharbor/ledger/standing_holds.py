"""Standing holds: the holds that a gateway knows to stand, placed again if a crash of PostgreSQL has lost them.

Holds commit asynchronously, so a crash of PostgreSQL may lose the newest ones and all that was counted for them, while
their requests are still open. So whenever the connection for holds is opened anew, the lost holds are placed again
before any new hold.
"""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial

import asyncpg

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.batch_arguments import place_again_arguments
from tokenharbor.ledger.book import Answer
from tokenharbor.ledger.statements import LedgerQueries
from tokenharbor.ledger.types import Hold, PlacedHold, RefusedHold

_AT_ONCE = 500


class StandingHolds:
    """Holds by request id, from the answer that one was placed to the answer that it ended."""

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
        """Forget holds that were settled, released, given back or handed over."""
        standing = self._holds
        for request_id in request_ids:
            standing.pop(request_id, None)

    async def place_lost(self, conn: asyncpg.Connection) -> None:
        """Place lost holds again as far as the accounts cover them, whatever the limits. Raises the driver's errors."""
        standing = [*self._holds.values()]
        for begin in range(0, len(standing), _AT_ONCE):
            page = standing[begin : begin + _AT_ONCE]
            found = await conn.fetch(self._sql.standing_holds, [hold.request_id for hold in page])
            there = {row["request_id"] for row in found}
            lost = [hold for hold in page if hold.request_id not in there and hold.request_id in self._holds]
            if lost:
                await conn.fetchval(self._sql.place_holds_again, *place_again_arguments(lost, self._gateway_id))
