"""The unspent part of top-ups and their matches, and the part that can be refunded now, read without a lock.

A refund reads them again with the wallet locked (`funding/refunds.py`) and subtracts what rewards take. These amounts
say only whether a refund is worth asking for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import asyncpg

from tokenharbor.editions.policy import RefundPolicy
from tokenharbor.funding import refund_store, store
from tokenharbor.funding.refund_types import CaptureBalance
from tokenharbor.funding.returns import money_of
from tokenharbor.funding.types import TopUp, TopUpMatch
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger.lots import read_lot_balances


@dataclass(frozen=True, slots=True)
class TopUpBalance:
    """The unspent part of a top-up. `left` is the credit that is neither spent nor held nor returned; `refundable` is
    the part of it that the customer can get back until `refundable_until`; `match` is the match granted for it.
    """

    left: Usd
    refundable: Usd
    refundable_until: datetime | None
    match: TopUpMatch | None = None


NOTHING_PAID: Final = TopUpBalance(ZERO, ZERO, None)
"""The balance of a top-up that has credited nothing."""


async def read_top_up_balances(
    conn: asyncpg.Connection, policy: RefundPolicy, top_ups: Sequence[TopUp], now: datetime
) -> Mapping[UUID, TopUpBalance]:
    """Return the balances of those top-ups that were paid, by id."""
    balances: dict[UUID, TopUpBalance] = {}
    matches = await store.read_matches(conn, [each.id for each in top_ups])
    for account_id in {each.account_id for each in top_ups if each.capture_id is not None}:
        lots = await read_lot_balances(conn, account_id, now)
        free = {each.lot.id: Usd(each.remaining - each.held) for each in lots if each.restriction is None}
        for capture in await refund_store.list_captures(conn, account_id):
            balances[capture.top_up_id] = _balance(policy, capture, free.get(capture.lot_id, ZERO), now)
            if capture.top_up_id in matches:
                balances[capture.top_up_id] = replace(balances[capture.top_up_id], match=matches[capture.top_up_id])
    return balances


def _balance(policy: RefundPolicy, capture: CaptureBalance, free: Usd, now: datetime) -> TopUpBalance:
    left = max(ZERO, min(free, Usd(capture.left - capture.leaving)))
    ends = [end for end in (capture.refundable_until, capture.processor_refundable_until) if end is not None]
    until = min(ends) if policy.customer and capture.refundable_until is not None else None
    is_open = until is not None and now <= until
    refundable = money_of(capture, left).amount if is_open and left else ZERO
    return TopUpBalance(left, refundable, until)
