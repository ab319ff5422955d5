"""Endpoint health on public pages: the outcomes of attempts, from every gateway."""

from datetime import timedelta

import asyncpg
import pytest
from tests.gateway.house import House

from tokenharbor.db.pool import ConnectOptions, open_pool
from tokenharbor.gateway.health_reports import write_health
from tokenharbor.ledger.endpoint_days import AnswerCount, read_answer_counts

pytestmark = pytest.mark.asyncio(loop_scope="session")

ALPHA, BETA = "alpha/duo:openai_chat", "beta/duo:openai_chat"


async def counted(house: House, pool: asyncpg.Pool) -> dict[str, AnswerCount]:
    found = await read_answer_counts(pool, house.parts.world.clock.now().date() - timedelta(days=1))
    return {name: found.get(name, AnswerCount(0, 0)) for name in (ALPHA, BETA)}


async def test_attempts_are_added_to_what_all_gateways_saw_and_kept_while_the_database_is_away(house: House) -> None:
    pool, health, clock = house.harbor.pool, house.parts.health, house.parts.world.clock
    before = await counted(house, pool)
    await house.chat("duo")
    house.fail("kind = 'status', status = 503")
    await house.chat("duo")  # the next one answers
    house.fail("kind = 'break', after_content = 1")
    await house.chat("alpha/duo", stream=True)
    house.fail("kind = 'status', status = 400")
    await house.chat("alpha/duo")  # the caller's fault
    away = await open_pool(ConnectOptions(house.settings.database.url or ""), size=1)
    await away.close()
    await write_health(health, away, clock)
    assert await counted(house, pool) == before
    await write_health(health, pool, clock)
    await write_health(health, pool, clock)
    after = await counted(house, pool)
    assert {name: tuple(b - a for a, b in zip(before[name], after[name], strict=True)) for name in after} == {
        ALPHA: (1, 2),
        BETA: (1, 0),
    }
