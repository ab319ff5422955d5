"""Which credit may leave, where to and from when; and if it may not, why.

| credit | leaves |
|---|---|
| a top-up | to what paid, while the processor can refund it; paid in US dollars, to a payee after its last dispute |
| referral, cashback | to a payee, once it has matured |
| what came back from a refund or a dispute | to a payee, once no top-up of the account can be refunded or disputed |
| all other credit | never |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import asyncpg

from tokenharbor.funding import refund_store
from tokenharbor.funding.amounts import BOOKS_CURRENCY
from tokenharbor.funding.context import Funding
from tokenharbor.funding.refund_types import CaptureBalance
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.credit_state import CreditState
from tokenharbor.ledger.line import Lot, LotAmount
from tokenharbor.ledger.types import Pool, Restriction

TOP_UP: Final = "top-up"
RETURNED: Final = "returned"

_MATURING: Final = ("referral", "cashback")
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


class WayOut(StrEnum):
    """How a lot's credit can leave."""

    ORIGINAL = "original"  # to what paid for it
    PAYEE = "payee"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class LotOutlook:
    """What of a lot is unspent, and how it can leave. `since` is None where no time is known; `top_up_id` is the one to
    whose payment it goes back.
    """

    lot: Lot
    amount: Usd
    way: WayOut
    since: datetime | None = None
    top_up_id: UUID | None = None
    why: str = ""

    def leaves(self, way: WayOut, now: datetime) -> bool:
        """Whether it can leave so now."""
        return self.way is way and self.since is not None and self.since <= now


async def read_outlook(conn: asyncpg.Connection, funding: Funding, state: CreditState) -> Sequence[LotOutlook]:
    """Of every lot that has something unspent, in the order in which it would be spent. The wallet is locked."""
    captures = {each.lot_id: each for each in await refund_store.list_captures(conn, state.account_id)}
    held_back = await funding.hooks.held_back(conn, state.account_id)
    rules = _Rules(captures, held_back, frozenset(funding.processors), funding.world.clock.now())
    locked = [
        LotOutlook(state.lots[lot_id], amount, WayOut.NONE, why="locked until its top-up is spent")
        for (lot_id, place), amount in state.restricted.items()
        if place is Restriction.LOCKED and amount
    ]
    return [*(rules.look(piece) for piece in state.tail), *locked]


@dataclass(frozen=True, slots=True)
class _Rules:
    """What the rules need to know of an account."""

    captures: Mapping[UUID, CaptureBalance]
    held_back: frozenset[UUID]
    processors: frozenset[str]
    now: datetime

    def look(self, piece: LotAmount) -> LotOutlook:
        lot = piece.lot
        if lot.pool is not Pool.PAID:
            return LotOutlook(lot, piece.amount, WayOut.NONE, why="credit that was given is not paid out")
        if lot.id in self.captures:
            return self._top_up(piece, self.captures[lot.id])
        if lot.origin in _MATURING:
            return self._maturing(piece)
        if lot.origin == RETURNED:
            return self._returned(piece)
        return LotOutlook(lot, piece.amount, WayOut.NONE, why="no payment is known for it")

    def _top_up(self, piece: LotAmount, capture: CaptureBalance) -> LotOutlook:
        last = capture.processor_refundable_until
        if capture.processor not in self.processors:
            why = f"{capture.processor} is not configured"
            return LotOutlook(piece.lot, piece.amount, WayOut.ORIGINAL, why=why)
        if last is None or self.now <= last:
            most = max(Usd(0), min(piece.amount, capture.left - capture.leaving))
            return LotOutlook(piece.lot, most, WayOut.ORIGINAL, capture.paid_at, capture.top_up_id)
        if capture.money.currency != BOOKS_CURRENCY:
            why = f"paid in {capture.money.currency}: it could only go back to what paid, until {last:%Y-%m-%d}"
            return LotOutlook(piece.lot, piece.amount, WayOut.NONE, why=why)
        since = max(last, capture.dispute_until or last)
        why = "" if since <= self.now else "not until it can be disputed no more"
        return LotOutlook(piece.lot, piece.amount, WayOut.PAYEE, since, why=why)

    def _maturing(self, piece: LotAmount) -> LotOutlook:
        lot = piece.lot
        if lot.id in self.held_back:
            why = "not until a top-up was paid, and, of a referral, spent and past its last dispute"
            return LotOutlook(lot, piece.amount, WayOut.PAYEE, why=why)
        why = "" if lot.withdrawable_from and lot.withdrawable_from <= self.now else "not matured"
        return LotOutlook(lot, piece.amount, WayOut.PAYEE, lot.withdrawable_from, why=why)

    def _returned(self, piece: LotAmount) -> LotOutlook:
        """Which payment it came from is not known any more: none may be able to take it back."""
        lasts = [
            max(each.processor_refundable_until or _NEVER, each.dispute_until or each.paid_at)
            for each in self.captures.values()
        ]
        foreign = any(each.money.currency != BOOKS_CURRENCY for each in self.captures.values())
        if foreign or _NEVER in lasts or not lasts:
            return LotOutlook(piece.lot, piece.amount, WayOut.NONE, why="a top-up can go back only to what paid for it")
        since = max(lasts)
        why = "" if since < self.now else "not until no top-up can be refunded or disputed any more"
        return LotOutlook(piece.lot, piece.amount, WayOut.PAYEE, since, why=why)
