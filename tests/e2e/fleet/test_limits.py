"""Five hundred callers over three gateways against each limit: never exceeded, and nobody is refused below it."""

import pytest
from tests.e2e.books import usd
from tests.e2e.fleet.evidence import at_rest, audit
from tests.e2e.fleet.rush import Rush, equals
from tests.e2e.midnight import away_from_midnight
from tests.e2e.raw_client import ClientAnswer

pytestmark = pytest.mark.slow

CALLERS = 500
FIT = 37
USAGE = {"input": 3, "output": 20}
COST = (3 * 1_000_001 + 20 * 2_500_000) // 1000 + 1


@pytest.fixture
async def quote(rush: Rush) -> int:
    """What is held for one of the equal requests."""
    rush.vendor.set_answer({"text": "x" * 30, "usage": USAGE})
    return await rush.quote(equals([rush.fleet.new_key(rush.fleet.new_account())], 1)[0])


@pytest.mark.parametrize("limit", ["quota", "daily", "monthly"])
async def test_the_budget_of_a_key_is_never_exceeded_and_used_to_the_last_request(
    rush: Rush, quote: int, limit: str
) -> None:
    await away_from_midnight()
    account, budget = rush.fleet.new_account(), FIT * quote + quote // 2
    key = rush.fleet.new_key(account, f"--{limit}-usd", usd(budget))
    await _sells_exactly(rush, account, [key], fits=[FIT, (budget - FIT * COST) // quote])


async def _sells_exactly(rush: Rush, account: str, keys: list[str], *, fits: list[int]) -> None:
    """As many are admitted at each rush; the others are told that it is the money."""
    asked = equals(keys, CALLERS)
    everybody: list[ClientAnswer] = []
    for count in fits:
        async with rush.of(asked) as heard:
            refused = [one for one in heard if one.closed]
            assert len(heard) - len(refused) == count
            for one in refused:
                assert (one.status, (one.error or {})["code"]) == (402, "insufficient_quota"), one.raw
        await at_rest(rush.fleet)
        everybody += heard
    found = await audit(rush.fleet, [account], everybody)
    assert found.endings == {"complete": sum(fits), "failed": len(fits) * CALLERS - sum(fits)}
