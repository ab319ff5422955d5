"""Many callers over three gateways on one wallet: what is there is sold, to the last that fits, and nothing beyond."""

import pytest
from tests.e2e import books
from tests.e2e.fleet.evidence import at_rest
from tests.e2e.fleet.rush import Rush, equals

pytestmark = pytest.mark.slow

CALLERS = 300


async def test_three_hundred_callers_get_exactly_what_the_wallet_affords(rush: Rush) -> None:
    fleet = rush.fleet
    asker = fleet.new_key(fleet.new_account())
    quote = (await rush.quote(equals([asker], 1)[0])).amount
    amount = 37 * quote + quote // 2
    key = fleet.new_key(fleet.new_account(books.usd(amount)))
    rush.vendor.set_answer({"text": "x" * 30, "usage": {"input": 3, "output": 20}})
    async with rush.of(equals([key], CALLERS)) as heard:
        assert sum(not one.closed for one in heard) == 37
        for url in fleet.urls:
            assert await books.balance(url, key) == (amount - 37 * quote, 37 * quote)
        for one in heard:
            if one.closed:
                assert (one.status, (one.error or {})["code"]) == (402, "insufficient_quota"), one.raw
    await at_rest(fleet)
    left, held = await books.balance(fleet.urls[1], key)
    served = [one for one in heard if one.how == "complete"]
    cost = (3 * 1_000_001 + 20 * 2_500_000) // 1000 + 1
    assert (len(served), left, held) == (37, amount - 37 * cost, 0)


async def test_a_wallet_is_drained_to_the_last_request_that_fits_and_never_below(rush: Rush) -> None:
    fleet = rush.fleet
    rush.vendor.set_answer({"text": "x" * 30, "usage": {"input": 10, "output": 90}})
    asker = fleet.new_key(fleet.new_account())
    quote = (await rush.quote(equals([asker], 1)[0])).amount
    account = fleet.new_account(books.usd(90 * quote))
    key = fleet.new_key(account)
    served = 0
    while True:
        heard = await rush.all_answered(equals([key], CALLERS))
        complete = sum(one.how == "complete" for one in heard)
        left, held = await books.balance(fleet.urls[0], key)
        assert left >= 0
        if not complete:
            break
        served += complete
    assert left < quote
    cost = (10 * 1_000_001 + 90 * 2_500_000) // 1000 + 1
    assert (left, held) == (90 * quote - served * cost, 0)
