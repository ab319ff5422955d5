"""Refused calls are recorded by key, code and hour, whether or not the database refused them; unknown keys are not."""

from datetime import timedelta

import pytest
from tests.gateway.house import CHAT, House
from tests.gateway.test_repeated_refusals import ONE, exhaust

from tokenharbor.db.pool import ConnectOptions, open_pool
from tokenharbor.gateway.refused_calls import MOST_OF_ACCOUNT, MOST_PAIRS, RefusalCounts, write_refusals
from tokenharbor.identity.caller import Caller
from tokenharbor.identity.store import KeyRules
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger.refused_calls import purge_refused_calls, read_refused_calls

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def recorded(house: House, account_id: UUID, *, by_hour: bool = False) -> list[tuple[UUID | None, str, int]]:
    """Of an account, after what was counted is written."""
    pool, clock = house.harbor.pool, house.parts.world.clock
    await write_refusals(house.parts.refusals, pool, clock)
    async with pool.acquire() as conn:
        found = await read_refused_calls(conn, account_id, clock.now(), by_hour=by_hour)
    return [(each.key_id, each.code, each.calls) for each in found]


async def test_each_refusal_counts_by_its_key_and_code_and_what_is_served_does_not(house: House) -> None:
    await exhaust(house, ONE)
    first = house.payer
    for _ in range(3):
        assert (await house.chat()).status == 429
    house.payer = await house.new_key(first.account_id, KeyRules(models=("duo",)))
    second = house.payer
    assert [(await house.chat()).status, (await house.chat("none-such")).status] == [403, 404]
    house.payer = await house.new_key(first.account_id, KeyRules(quota=Usd.parse("0.000000001")))
    assert (await house.chat()).status == 402
    assert sorted(await recorded(house, first.account_id), key=str) == sorted(
        [
            (first.key_id, "rate_limit_exceeded", 4),
            (second.key_id, "permission_denied", 1),
            (second.key_id, "model_not_found", 1),
            (house.payer.key_id, "insufficient_quota", 1),
        ],
        key=str,
    )
    assert (None, "rate_limit_exceeded", 4) in await recorded(house, first.account_id, by_hour=True)
    assert (await house.chat()).status == 402
    assert (house.payer.key_id, "insufficient_quota", 2) in await recorded(house, first.account_id), "they are added up"


async def test_what_has_a_receipt_a_dry_run_and_a_stranger_count_nowhere(house: House) -> None:
    house.payer = await house.new_payer()
    house.fail("kind = 'status', status = 400")
    assert (await house.chat("alpha/duo")).status == 400
    body = {"model": "none-such", "messages": [{"role": "user", "content": "hello"}]}
    assert (await house.post(f"{CHAT}?dry_run=1", body)).status == 404
    for key in ("thk_live_" + "0" * 32, "nothing"):
        assert (await house.post(CHAT, body, headers={"authorization": f"Bearer {key}"})).status == 401
    assert await recorded(house, house.payer.account_id) == []
    assert house.parts.refusals.take(house.parts.world.clock.now()) == {}


async def test_a_database_that_is_away_stops_nothing_and_old_rows_go(house: House) -> None:
    payer, pool, clock = await house.new_payer(), house.harbor.pool, house.parts.world.clock
    counts, refused = RefusalCounts(), Caller(Payer(payer.account_id, payer.key_id))
    away = await open_pool(ConnectOptions(house.settings.database.url or ""), size=1)
    await away.close()
    for target in (away, pool, pool):
        counts.note(refused, "permission_denied")
        await write_refusals(counts, target, clock)
    assert await recorded(house, payer.account_id) == [(payer.key_id, "permission_denied", 2)]
    await purge_refused_calls(pool, clock.now() + timedelta(hours=1))
    assert await recorded(house, payer.account_id) == []


def caller(number: int) -> Caller:
    return Caller(Payer(UUID(int=1), UUID(int=number)))


async def test_many_keys_of_an_account_fill_few_rows_and_little_memory(house: House) -> None:
    hour = house.parts.world.clock.now()
    counts = RefusalCounts()
    for number in range(MOST_PAIRS + 10):
        counts.note(caller(number), "rate_limit_exceeded")
    found = counts.take(hour)
    assert (len(found), sum(found.values())) == (MOST_OF_ACCOUNT + 1, MOST_PAIRS)
    others = next(pair for pair in found if pair.key_id is None)
    assert found[others] == MOST_PAIRS - MOST_OF_ACCOUNT
    for number in (0, MOST_PAIRS + 20):
        counts.note(caller(number), "rate_limit_exceeded")
    assert {pair.key_id for pair in counts.take(hour)} == {UUID(int=0), None}, "a key that has a row keeps it"
    counts.note(caller(MOST_PAIRS + 20), "rate_limit_exceeded")
    assert None not in {pair.key_id for pair in counts.take(hour + timedelta(hours=1))}
