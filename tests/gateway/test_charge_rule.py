"""What a vendor reports above the quote is never charged: not to the wallet, and not past a key's limits."""

from typing import Any

import pytest
from tests.e2e.auditor import nano
from tests.gateway.house import CHAT, HELLO, MESSAGES, RESPONSES, House

from tokenharbor.identity.store import KeyRules
from tokenharbor.kernel.money import Usd

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENORMOUS = 'answer = { text = "two words", usage = { input = 3, output = 1_000_000_000 } }'
THIRSTY = 'answer = { text = "two words", usage = { input = 90_000, output = 2 } }'
CENT = Usd.parse("0.01")
LIMITS = (KeyRules(quota=CENT), KeyRules(daily=CENT), KeyRules(monthly=CENT))


async def receipts(house: House, count: int, path: str, *, stream: bool) -> list[Any]:
    """Of as many requests, one after the other, as far as they were not refused."""
    asked = {"messages": HELLO, "max_tokens": 50} if path != RESPONSES else {"input": HELLO, "max_output_tokens": 50}
    said = [await house.post(path, {"model": "solo", "stream": stream, **asked}) for _ in range(count)]
    assert {one.status for one in said} <= {200, 402, 429}
    return [await house.receipt(one.headers["x-request-id"]) for one in said if one.status == 200]


@pytest.mark.parametrize("script", [ENORMOUS, THIRSTY], ids=["enormous_output", "more_input_than_the_bound"])
async def test_F6_F9_no_charge_is_above_what_was_held_for_it(house: House, script: str) -> None:
    house.script(script)
    for path, stream in ((CHAT, False), (CHAT, True), (MESSAGES, True), (RESPONSES, False)):
        (receipt,) = await receipts(house, 1, path, stream=stream)
        assert 0 < nano(receipt["cost_usd"]) <= nano(receipt["hold_usd"]), receipt


@pytest.mark.parametrize("script", [ENORMOUS, THIRSTY], ids=["enormous_output", "more_input_than_the_bound"])
async def test_F6_F9_a_key_is_never_charged_above_its_limits(house: House, script: str) -> None:
    house.script(script)
    for rules in LIMITS:
        house.payer = await house.new_payer("5", rules)
        found = await receipts(house, 3, CHAT, stream=False)
        assert found
        assert sum(nano(receipt["cost_usd"]) for receipt in found) <= CENT
        assert await house.money() == (str(Usd.parse("5") - sum(nano(r["cost_usd"]) for r in found)), "0.000000000")
