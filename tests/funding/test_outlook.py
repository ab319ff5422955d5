"""What can be withdrawn, as shown: many small lots are joined."""

from datetime import UTC, datetime, timedelta

from tokenharbor.funding.withdrawable import DestinationKind, LotOutlook, WithheldReason, join_outlooks
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.line import Lot
from tokenharbor.ledger.types import Pool

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def _outlook(number: int, origin: str, usd: str, days: int, why: WithheldReason | None = None) -> LotOutlook:
    lot = Lot(UUID(int=number), Pool.PAID, origin, Usd.parse(usd), DAY)
    return LotOutlook(lot, Usd.parse(usd), DestinationKind.PAYEE, DAY + timedelta(days=days), why=why)


def test_neighbours_that_leave_alike_are_one_from_when_on_all_of_it_may_leave() -> None:
    lots = [
        _outlook(1, "cashback", "0.01", 1),
        _outlook(2, "cashback", "0.02", 2),
        _outlook(3, "top-up", "10", 0),
        _outlook(4, "cashback", "0.03", 3),
        _outlook(5, "cashback", "0.04", 40, WithheldReason.NOT_MATURED),
        _outlook(6, "cashback", "0.05", 41, WithheldReason.NOT_MATURED),
    ]
    reported = [(each.lot.id.int, str(each.amount), each.since) for each in join_outlooks(lots)]
    assert reported == [
        (1, "0.030000000", DAY + timedelta(days=2)),
        (3, "10.000000000", DAY),
        (4, "0.030000000", DAY + timedelta(days=3)),
        (5, "0.090000000", DAY + timedelta(days=41)),
    ]
