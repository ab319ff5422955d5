"""Which credit can be withdrawn, to where and from when; and why other credit cannot.

Invariant: the same money never leaves twice. While a payment can be refunded, its credit goes back only to that
payment; it goes to a payee only once the payment can be neither refunded nor disputed.

| credit | can be withdrawn |
|---|---|
| a top-up | to its payment while the processor can refund it; if paid in USD, to a payee after its last dispute |
| referral, cashback | to a payee, once it has matured |
| returned by a refund or dispute | to a payee, once no top-up of the account can be refunded or disputed |
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


class DestinationKind(StrEnum):
    """The kind of destination to which a lot's credit can be withdrawn."""

    ORIGINAL = "original"  # to the payment of its top-up
    PAYEE = "payee"
    NONE = "none"


class WithheldReason(StrEnum):
    """Why a lot's credit cannot be withdrawn, or not yet."""

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
    WithheldReason.GIVEN: "granted credit cannot be withdrawn",
    WithheldReason.NO_PAYMENT: "its payment is not known",
    WithheldReason.NO_PROCESSOR: "the processor of its payment is no longer configured",
    WithheldReason.CURRENCY: "paid in another currency: it could only go back to its payment, and no longer can",
    WithheldReason.ORIGINAL_ONLY: "a top-up can only go back to its payment",
    WithheldReason.NOT_EARNED: "not until a top-up is paid; for a referral, also spent and past its last dispute",
    WithheldReason.NOT_MATURED: "not matured yet",
    WithheldReason.DISPUTABLE: "its payment can still be disputed",
    WithheldReason.TOP_UPS_OPEN: "a top-up of the account can still be refunded or disputed",
}


@dataclass(frozen=True, slots=True)
class LotOutlook:
    """The unspent credit of a lot, and how it can be withdrawn: from `since` on, None if that time is unknown; to the
    payment of `top_up_id`, if set. `why` says why it cannot be withdrawn now.
    """

    lot: Lot
    amount: Usd
    destination: DestinationKind
    since: datetime | None = None
    top_up_id: UUID | None = None
    why: WithheldReason | None = None

    def can_go_to(self, kind: DestinationKind, now: datetime) -> bool:
        """Return whether the credit can be withdrawn to this kind of destination now."""
        return self.destination is kind and self.since is not None and self.since <= now


@dataclass(frozen=True, slots=True)
class WithdrawalDestination:
    """The credit that can be withdrawn now to the payment of a top-up, or to a payee if `top_up_id` is None."""

    top_up_id: UUID | None
    amount: Usd


def list_destinations(lots: Sequence[LotOutlook], now: datetime) -> Sequence[WithdrawalDestination]:
    """Return the destinations to which credit can be withdrawn now; payees last."""
    original = [
        WithdrawalDestination(each.top_up_id, each.amount)
        for each in lots
        if each.amount and each.top_up_id is not None and each.can_go_to(DestinationKind.ORIGINAL, now)
    ]
    to_payee = Usd(sum(each.amount for each in lots if each.can_go_to(DestinationKind.PAYEE, now)))
    return [*original, WithdrawalDestination(None, to_payee)] if to_payee else original


def join_outlooks(lots: Sequence[LotOutlook]) -> Sequence[LotOutlook]:
    """Join neighbouring lots that can be withdrawn alike, with the sum of their amounts and the latest `since`:
    cashback makes a lot or two a day.
    """
    joined = []
    for _, group in groupby(
        lots, lambda each: (each.lot.pool, each.lot.origin, each.destination, each.top_up_id, each.why)
    ):
        alike = list(group)
        since = max((each.since for each in alike if each.since is not None), default=None)
        joined.append(replace(alike[0], amount=Usd(sum(each.amount for each in alike)), since=since))
    return joined


async def read_outlook(conn: asyncpg.Connection, funding: Funding, state: CreditState) -> Sequence[LotOutlook]:
    """Return the outlook of every lot with unspent credit, in the order of spending. The wallet is locked."""
    captures = {each.lot_id: each for each in await refund_store.list_captures(conn, state.account_id)}
    held_back = await funding.hooks.held_back(conn, state.account_id)
    rules = _Rules(captures, held_back, frozenset(funding.processors), funding.world.clock.now())
    locked = [
        LotOutlook(state.lots[lot_id], amount, DestinationKind.NONE, why=WithheldReason.LOCKED)
        for (lot_id, place), amount in state.restricted.items()
        if place is Restriction.LOCKED and amount
    ]
    return [*(rules.outlook(piece) for piece in state.tail), *locked]


@dataclass(frozen=True, slots=True)
class _Rules:
    """The facts about an account that decide what can be withdrawn."""

    captures: Mapping[UUID, CaptureBalance]
    held_back: frozenset[UUID]
    processors: frozenset[str]
    now: datetime

    def outlook(self, piece: LotAmount) -> LotOutlook:
        lot = piece.lot
        if lot.pool is not Pool.PAID:
            return LotOutlook(lot, piece.amount, DestinationKind.NONE, why=WithheldReason.GIVEN)
        if lot.id in self.captures:
            return self._top_up(piece, self.captures[lot.id])
        if lot.origin in _MATURING:
            return self._maturing(piece)
        if lot.origin == RETURNED:
            return self._returned(piece)
        return LotOutlook(lot, piece.amount, DestinationKind.NONE, why=WithheldReason.NO_PAYMENT)

    def _top_up(self, piece: LotAmount, capture: CaptureBalance) -> LotOutlook:
        last = capture.processor_refundable_until
        if capture.processor not in self.processors:
            return LotOutlook(piece.lot, piece.amount, DestinationKind.ORIGINAL, why=WithheldReason.NO_PROCESSOR)
        if last is None or self.now <= last:
            most = max(Usd(0), min(piece.amount, capture.left - capture.leaving))
            return LotOutlook(piece.lot, most, DestinationKind.ORIGINAL, capture.paid_at, capture.top_up_id)
        if capture.money.currency != BOOKS_CURRENCY:
            return LotOutlook(piece.lot, piece.amount, DestinationKind.NONE, why=WithheldReason.CURRENCY)
        since = max(last, capture.dispute_until or last)
        why = None if since <= self.now else WithheldReason.DISPUTABLE
        return LotOutlook(piece.lot, piece.amount, DestinationKind.PAYEE, since, why=why)

    def _maturing(self, piece: LotAmount) -> LotOutlook:
        lot = piece.lot
        if lot.id in self.held_back:
            return LotOutlook(lot, piece.amount, DestinationKind.PAYEE, why=WithheldReason.NOT_EARNED)
        why = None if lot.withdrawable_from and lot.withdrawable_from <= self.now else WithheldReason.NOT_MATURED
        return LotOutlook(lot, piece.amount, DestinationKind.PAYEE, lot.withdrawable_from, why=why)

    def _returned(self, piece: LotAmount) -> LotOutlook:
        """Require that no payment can be refunded or disputed, since the credit's own payment is no longer known."""
        lasts = [
            max(each.processor_refundable_until or _NEVER, each.dispute_until or each.paid_at)
            for each in self.captures.values()
        ]
        foreign = any(each.money.currency != BOOKS_CURRENCY for each in self.captures.values())
        if foreign or _NEVER in lasts or not lasts:
            return LotOutlook(piece.lot, piece.amount, DestinationKind.NONE, why=WithheldReason.ORIGINAL_ONLY)
        since = max(lasts)
        why = None if since < self.now else WithheldReason.TOP_UPS_OPEN
        return LotOutlook(piece.lot, piece.amount, DestinationKind.PAYEE, since, why=why)
