"""Killed without a word at random moments under load: one of three gateways, PostgreSQL, or everything at once."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import pytest
from tests.e2e.fleet.evidence import at_rest, audit, verify
from tests.e2e.fleet.gateways import Fleet, running_fleet, running_vendor
from tests.e2e.fleet.load import SCRIPT, Load
from tests.e2e.harbor import Harbor
from tests.postgres_server import PostgresServer, create_database, running_postgres

pytestmark = pytest.mark.slow

Victim = Literal["gateway", "postgres", "everything"]
SEED = 2026


@dataclass(frozen=True)
class Mortals:
    """A fleet, and the PostgreSQL that it stands on."""

    fleet: Fleet
    postgres: PostgresServer


@pytest.fixture
def mortals() -> Iterator[Mortals]:
    with (
        running_postgres(full_page_writes="on") as postgres,
        running_vendor(SCRIPT) as vendor,
        running_fleet(vendor=vendor, database=create_database(postgres.url, "mortals")) as fleet,
    ):
        yield Mortals(fleet, postgres)


async def test_after_deaths_at_random_moments_every_complete_answer_has_its_bill(
    mortals: Mortals, at_length: bool
) -> None:
    fleet, dice = mortals.fleet, random.Random(SEED)
    accounts = [fleet.new_account() for _ in range(3)]
    kinds = get_args(Victim)
    victims = [*kinds, *dice.choices(kinds, (3, 2, 1), k=(100 if at_length else 20) - len(kinds))]
    async with Load(fleet, [*map(fleet.new_key, accounts)], SEED) as load:
        await load.serves(0, 1, 2)
        for number, victim in enumerate(victims, 1):
            await asyncio.sleep(dice.random() * 0.5)
            await _kill_and_bring_back(mortals, load, victim, dice)
            if number % 10 == 0:
                verify(fleet)
    await at_rest(fleet)
    found = await audit(fleet, accounts, load.heard)
    verify(fleet)
    assert found.endings["complete"] > len(victims) * 15, found
    assert found.endings["cut"] > len(victims), f"deaths came in the middle of answers: {found}"


async def _kill_and_bring_back(mortals: Mortals, load: Load, victim: Victim, dice: random.Random) -> None:
    fleet = mortals.fleet
    if victim == "gateway":
        place = dice.randrange(len(fleet.gateways))
        _kill(fleet.gateways[place])
        await load.serves(*(other for other in range(len(fleet.gateways)) if other != place))
        await fleet.start([fleet.gateways[place]])
    elif victim == "postgres":
        mortals.postgres.kill()
        await asyncio.sleep(dice.random() * 0.3)
        await asyncio.to_thread(mortals.postgres.start)
    else:
        doomed = [*(lambda gateway=gateway: _kill(gateway) for gateway in fleet.gateways), mortals.postgres.kill]
        dice.shuffle(doomed)
        for each in doomed:
            each()
        await asyncio.to_thread(mortals.postgres.start)
        await fleet.start(fleet.gateways)
    await load.serves(*range(len(fleet.gateways)))
    await _nothing_of_the_dead_is_held(fleet)


def _kill(gateway: Harbor) -> None:
    assert gateway.server is not None
    gateway.server.process.kill()
    gateway.server.process.wait()


async def _nothing_of_the_dead_is_held(fleet: Fleet) -> None:
    """Every hold is one of a gateway that runs: a successor has given back what the dead one held."""
    async with fleet.connected() as conn:
        left = await conn.fetch(
            "select g.home, g.epoch, count(*) from hold h join gateway g on g.id = h.gateway_id"
            " where g.ended_at is not null group by 1, 2"
        )
    assert not left, [dict(row) for row in left]
