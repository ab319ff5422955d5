"""Killed without a word at random moments under load: one of three gateways, PostgreSQL, or everything at once."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import pytest
from tests.e2e.books import kill
from tests.e2e.fleet import mixed
from tests.e2e.fleet.evidence import at_rest, audit, verify
from tests.e2e.fleet.gateways import Fleet, running_fleet, running_vendor
from tests.e2e.fleet.load import SCRIPT, Load
from tests.e2e.harbor import Harbor
from tests.e2e.raw_client import until
from tests.postgres_server import PostgresServer, create_database, running_postgres

pytestmark = [pytest.mark.slow, pytest.mark.takes(50)]

Victim = Literal[
    "gateway", "worker", "postgres", "everything", "backend", "connections", "a gateway's time", "postgres' time"
]
_HOW_OFTEN = (4, 3, 3, 2, 2, 2, 1, 1)
_WORKERS = (1, 2, 1)
_OURS = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


@dataclass(frozen=True)
class Mortals:
    """A fleet, and the PostgreSQL that it stands on."""

    fleet: Fleet
    postgres: PostgresServer


@pytest.fixture
def mortals() -> Iterator[Mortals]:
    with (
        running_postgres(full_page_writes="on") as postgres,
        running_vendor(SCRIPT + mixed.FAULTS) as vendor,
        running_fleet(
            vendor=vendor, database=create_database(postgres.url, "mortals"), workers=_WORKERS, config=mixed.CONFIG
        ) as fleet,
    ):
        yield Mortals(fleet, postgres)


async def test_after_deaths_at_random_moments_every_complete_answer_has_its_bill(
    mortals: Mortals, seed: int, *, at_length: bool
) -> None:
    fleet, dice, kinds = mortals.fleet, random.Random(seed), get_args(Victim)
    victims = [*kinds, *dice.choices(kinds, _HOW_OFTEN, k=(100 if at_length else 20) - len(kinds))]
    payer, callers = mixed.new_callers(fleet)
    async with Load(fleet, partial(mixed.draw, callers=callers), seed) as load:
        await load.serves(0, 1, 2)
        for number, victim in enumerate(victims, 1):
            await asyncio.sleep(dice.random() * 0.5)
            await _kill_and_bring_back(mortals, load, victim, dice)
            if number % 10 == 0:
                verify(fleet)
    await at_rest(fleet)
    found = await audit(fleet, [payer], [one for one in load.heard if one.question.key in callers.payers])
    verify(fleet)
    assert found.endings["complete"] > len(victims) * 15, found
    assert found.endings["cut"] > len(victims), f"deaths came in the middle of answers: {found}"
    assert found.failed_over > len(victims), f"its vendor fails as well: {found}"
    print(f"{len(victims)} deaths: {found}")


async def _kill_and_bring_back(mortals: Mortals, load: Load, victim: Victim, dice: random.Random) -> None:
    fleet, postgres = mortals.fleet, mortals.postgres
    match victim:
        case "gateway":
            place = dice.randrange(len(fleet.gateways))
            _kill(fleet.gateways[place])
            await load.serves(*(other for other in range(len(fleet.gateways)) if other != place))
            await fleet.start([fleet.gateways[place]])
        case "worker":  # its parent starts another one, and its sister serves
            await _kill_a_worker(fleet, dice)
        case "postgres":
            postgres.kill()
            await asyncio.sleep(dice.random() * 0.3)
            await asyncio.to_thread(postgres.start)
        case "backend":  # PostgreSQL throws out everybody and recovers by itself
            await _kill_a_backend(fleet)
        case "connections":
            await _end_connections(fleet, dice.random())
        case "a gateway's time":
            place = dice.randrange(len(fleet.gateways))
            with _stopped([_pid(fleet.gateways[place])]):
                await load.serves(*(other for other in range(len(fleet.gateways)) if other != place))
        case "postgres' time":  # for so long that charges go to the journals
            with _stopped(postgres.processes()):
                await asyncio.sleep(1 + dice.random() * 2)
        case "everything":
            doomed: list[Callable[[], None]] = [*(partial(_kill, each) for each in fleet.gateways), postgres.kill]
            dice.shuffle(doomed)
            for die in doomed:
                die()
            await asyncio.to_thread(postgres.start)
            await fleet.start(fleet.gateways)
    await load.serves(*range(len(fleet.gateways)))
    await _nothing_of_the_dead_is_held(fleet)


async def _kill_a_worker(fleet: Fleet, dice: random.Random) -> None:
    place = _WORKERS.index(2)
    doomed = dice.choice(fleet.worker_processes(place))
    os.kill(doomed, signal.SIGKILL)
    await until(lambda: len({*fleet.worker_processes(place)} - {doomed}) == 2)


async def _kill_a_backend(fleet: Fleet) -> None:
    async with fleet.connected() as conn:
        pid = await conn.fetchval(f"select pid {_OURS} order by random() limit 1")
    os.kill(pid, signal.SIGKILL)


async def _end_connections(fleet: Fleet, share: float) -> None:
    async with fleet.connected() as conn:
        await conn.execute(f"select pg_terminate_backend(pid) {_OURS} and random() < $1", share)


@contextlib.contextmanager
def _stopped(pids: Sequence[int]) -> Iterator[None]:
    kill(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        kill(pids, signal.SIGCONT)


def _pid(gateway: Harbor) -> int:
    assert gateway.server is not None
    return gateway.server.process.pid


def _kill(gateway: Harbor) -> None:
    assert gateway.server is not None
    gateway.server.process.kill()
    gateway.server.process.wait()


async def _nothing_of_the_dead_is_held(fleet: Fleet) -> None:
    """Until every hold is one of a run that goes on: a successor gives back what the dead one held."""
    dead = "select count(*) from hold h join gateway g on g.id = h.gateway_id where g.ended_at is not null"
    async with asyncio.timeout(30), fleet.connected() as conn:
        while await conn.fetchval(dead):  # noqa: ASYNC110  it is asked, it does not tell
            await asyncio.sleep(0.05)
