"""Which credit may leave, where to and from when; and if it may not, why.

| credit | leaves |
|---|---|
| a top-up | to what paid, while the processor can refund it; paid in US dollars, to a payee after its last dispute |
| referral, cashback | to a payee, once it has matured |
| what came back from a refund or a dispute | to a payee, once no top-up of the account can be refunded or disputed |
| all other credit | never |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from itertools import groupby
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


class WithheldReason(StrEnum):
    """Why a lot's credit cannot leave, or not yet."""

    LOCKED = "locked"
    GIVEN = "given"
    NO_PAYMENT = "no_payment"
    NO_PROCESSOR = "no_processor"
    CURRENCY = "currency"
    ORIGINAL_ONLY = "original_only"
    NOT_EARNED = "not_earned"
    NOT_MATURED = "not_matured"
    DISPUTABLE = "disputable"
    TOP_UPS_OPEN = "top_ups_open"


WITHHELD_WORDS: Final[Mapping[WithheldReason, str]] = {
    WithheldReason.LOCKED: "locked until its top-up is spent",
    WithheldReason.GIVEN: "credit that was given is not paid out",
    WithheldReason.NO_PAYMENT: "no payment is known for it",
    WithheldReason.NO_PROCESSOR: "what paid for it is not configured any more",
    WithheldReason.CURRENCY: "paid in another currency: it could only go back to what paid, and no longer can",
    WithheldReason.ORIGINAL_ONLY: "a top-up can go back only to what paid for it",
    WithheldReason.NOT_EARNED: "not until a top-up was paid, and, of a referral, spent and past its last dispute",
    WithheldReason.NOT_MATURED: "not matured",
    WithheldReason.DISPUTABLE: "not until it can be disputed no more",
    WithheldReason.TOP_UPS_OPEN: "not until no top-up can be refunded or disputed any more",
}


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
    why: WithheldReason | None = None

    def leaves(self, way: WayOut, now: datetime) -> bool:
        """Whether it can leave so now."""
        return self.way is way and self.since is not None and self.since <= now


@dataclass(frozen=True, slots=True)
class WithdrawalWay:
    """What can leave now to one place: to what paid for a top-up, or, None, to a payee."""

    top_up_id: UUID | None
    amount: Usd


def list_ways(lots: Sequence[LotOutlook], now: datetime) -> Sequence[WithdrawalWay]:
    """Those by which something can leave; to a payee last."""
    original = [
        WithdrawalWay(each.top_up_id, each.amount)
        for each in lots
        if each.amount and each.top_up_id is not None and each.leaves(WayOut.ORIGINAL, now)
    ]
    to_payee = Usd(sum(each.amount for each in lots if each.leaves(WayOut.PAYEE, now)))
    return [*original, WithdrawalWay(None, to_payee)] if to_payee else original


def join_outlooks(lots: Sequence[LotOutlook]) -> Sequence[LotOutlook]:
    """Neighbours that leave alike as the first of them, with what all have, from when on all of it may leave: cashback
    is a lot or two of each day.
    """
    found = []
    for _, group in groupby(lots, lambda each: (each.lot.pool, each.lot.origin, each.way, each.top_up_id, each.why)):
        alike = list(group)
        since = max((each.since for each in alike if each.since is not None), default=None)
        found.append(replace(alike[0], amount=Usd(sum(each.amount for each in alike)), since=since))
    return found


async def read_outlook(conn: asyncpg.Connection, funding: Funding, state: CreditState) -> Sequence[LotOutlook]:
    """Of every lot that has something unspent, in the order in which it would be spent. The wallet is locked."""
    captures = {each.lot_id: each for each in await refund_store.list_captures(conn, state.account_id)}
    held_back = await funding.hooks.held_back(conn, state.account_id)
    rules = _Rules(captures, held_back, frozenset(funding.processors), funding.world.clock.now())
    locked = [
        LotOutlook(state.lots[lot_id], amount, WayOut.NONE, why=WithheldReason.LOCKED)
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
            return LotOutlook(lot, piece.amount, WayOut.NONE, why=WithheldReason.GIVEN)
        if lot.id in self.captures:
            return self._top_up(piece, self.captures[lot.id])
        if lot.origin in _MATURING:
            return self._maturing(piece)
        if lot.origin == RETURNED:
            return self._returned(piece)
        return LotOutlook(lot, piece.amount, WayOut.NONE, why=WithheldReason.NO_PAYMENT)

    def _top_up(self, piece: LotAmount, capture: CaptureBalance) -> LotOutlook:
        last = capture.processor_refundable_until
        if capture.processor not in self.processors:
            return LotOutlook(piece.lot, piece.amount, WayOut.ORIGINAL, why=WithheldReason.NO_PROCESSOR)
        if last is None or self.now <= last:
            most = max(Usd(0), min(piece.amount, capture.left - capture.leaving))
            return LotOutlook(piece.lot, most, WayOut.ORIGINAL, capture.paid_at, capture.top_up_id)
        if capture.money.currency != BOOKS_CURRENCY:
            return LotOutlook(piece.lot, piece.amount, WayOut.NONE, why=WithheldReason.CURRENCY)
        since = max(last, capture.dispute_until or last)
        why = None if since <= self.now else WithheldReason.DISPUTABLE
        return LotOutlook(piece.lot, piece.amount, WayOut.PAYEE, since, why=why)

    def _maturing(self, piece: LotAmount) -> LotOutlook:
        lot = piece.lot
        if lot.id in self.held_back:
            return LotOutlook(lot, piece.amount, WayOut.PAYEE, why=WithheldReason.NOT_EARNED)
        why = None if lot.withdrawable_from and lot.withdrawable_from <= self.now else WithheldReason.NOT_MATURED
        return LotOutlook(lot, piece.amount, WayOut.PAYEE, lot.withdrawable_from, why=why)

    def _returned(self, piece: LotAmount) -> LotOutlook:
        """Which payment it came from is not known any more: none may be able to take it back."""
        lasts = [
            max(each.processor_refundable_until or _NEVER, each.dispute_until or each.paid_at)
            for each in self.captures.values()
        ]
        foreign = any(each.money.currency != BOOKS_CURRENCY for each in self.captures.values())
        if foreign or _NEVER in lasts or not lasts:
            return LotOutlook(piece.lot, piece.amount, WayOut.NONE, why=WithheldReason.ORIGINAL_ONLY)
        since = max(lasts)
        why = None if since < self.now else WithheldReason.TOP_UPS_OPEN
        return LotOutlook(piece.lot, piece.amount, WayOut.PAYEE, since, why=why)
