"""Due credit is granted before a refusal, and an account without balance causes no repeated queries."""

from tokenharbor.billing.due_credit import DueCredit
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.types import HoldRefusal, RefusedHold

ACCOUNT = UUID(int=1)


async def test_due_credit_is_asked_for_once_for_what_an_account_has_left() -> None:
    asked: list[UUID] = []

    async def run_due(account_id: UUID) -> bool:
        asked.append(account_id)
        return len(asked) == 1

    due = DueCredit(run_due)
    refused = RefusedHold(HoldRefusal.BALANCE, Usd(5), Usd(3))
    assert await due.grant(ACCOUNT, refused)
    for _ in range(100):  # a penniless hammerer, whatever is held at the moment
        assert not await due.grant(ACCOUNT, refused)
        assert not await due.grant(ACCOUNT, RefusedHold(HoldRefusal.BALANCE, Usd(8), Usd(0)))
    assert not await due.grant(ACCOUNT, RefusedHold(HoldRefusal.QUOTA, Usd(1), Usd(0)))
    assert len(asked) == 1
    assert not await due.grant(ACCOUNT, RefusedHold(HoldRefusal.BALANCE, Usd(4), Usd(3)))  # something was spent
    assert len(asked) == 2
