"""Reported usage above the quote is never charged, neither to the wallet nor past a key's limits."""

from typing import Any

import pytest
from tests.e2e.auditor import nano
from tests.gateway.house import CHAT, HELLO, MESSAGES, RESPONSES, House

from tokenharbor.billing.alarms import Alarm
from tokenharbor.identity.store import KeyRules
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.types import SettledCharge, Settlement

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


async def test_F6_F9_what_is_cut_is_alarmed_with_its_amount(house: House) -> None:
    house.script(THIRSTY)
    lost = house.parts.metrics._alarms.lost_nano
    for stream in (False, True):
        before = lost[Alarm.OVERRUN, "alpha"]
        (receipt,) = await receipts(house, 1, CHAT, stream=stream)
        over = nano(receipt["overrun_usd"])
        assert lost[Alarm.OVERRUN, "alpha"] - before == over > 0
    assert b'tokenharbor_lost_usd_total{kind="overrun",provider="alpha"}' in house.parts.metrics.text()


async def test_F4_a_broken_stream_whose_usage_had_come_is_a_loss_of_ours(house: House) -> None:
    """Nothing is billed for it; what its vendor has counted by then is in the books and in an alarm."""
    fault = 'fault = { kind = "break", after_content = 2 }'
    house.script(
        f'answer = {{ text = "one two three four", chunk_chars = 4, usage = {{ input = 900 }} }}\n[[rules]]\n{fault}'
    )
    lost = house.parts.metrics._alarms.lost_nano
    before = lost[Alarm.UNBILLED, "alpha"]
    said = await house.message(stream=True)
    receipt = await house.receipt(said.headers["x-request-id"])
    assert (receipt["status"], receipt["cost_usd"]) == ("failed", "0.000000000")
    async with house.harbor.pool.acquire() as conn:
        request_id = ids.parse("req", said.headers["x-request-id"])
        entry = await conn.fetchrow("select type, vendor_cost from entry where id = $1", request_id)
    assert entry["type"] == "loss"
    assert entry["vendor_cost"] >= 900 * 1000, "900 tokens at 1.00 USD a million"
    assert lost[Alarm.UNBILLED, "alpha"] - before == entry["vendor_cost"]


async def test_F4_a_settlement_that_could_not_be_made_is_a_loss_of_ours(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(settlement: Settlement) -> SettledCharge:
        raise BooksRefused("no")

    lost = house.parts.metrics._alarms.lost_nano
    before = lost[Alarm.UNBILLED, "alpha"]
    with monkeypatch.context() as patch:
        patch.setattr(house.harbor.books.settlements, "submit", refuse)
        said = await house.chat()
    assert (said.status, said.json()["error"]["code"]) == (503, "unavailable")
    while (await house.money())[1] != "0.000000000":
        pass
    assert lost[Alarm.UNBILLED, "alpha"] > before
    assert (await house.receipt(said.headers["x-request-id"]))["status"] == "failed"
