"""The database cut off from all gateways under load: nothing is sold meanwhile, nothing complete is lost."""

import asyncio
import contextlib
import functools
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from tests.e2e.fleet.database_proxy import DatabaseProxy
from tests.e2e.fleet.evidence import at_rest, audit, verify
from tests.e2e.fleet.gateways import Fleet, running_fleet, running_vendor
from tests.e2e.fleet.load import SCRIPT, Load, plain
from tests.e2e.harbor import Harbor
from tests.e2e.raw_client import until
from tests.postgres_server import PostgresServer, create_database, name_of, running_postgres

pytestmark = pytest.mark.slow

_MORE_THAN_IT_MAY_FAIL = 4  # the killed one, and successors that never serve: three of these would end a server else
_TRIES = 10


@dataclass(frozen=True)
class Line:
    """A fleet, and what lies between it and its PostgreSQL."""

    fleet: Fleet
    proxy: DatabaseProxy


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def line(postgres: PostgresServer) -> Iterator[Line]:
    with _running_line(postgres, workers=(1, 1, 1)) as line:
        yield line


@pytest.fixture
def line_of_workers(postgres: PostgresServer) -> Iterator[Line]:
    with _running_line(postgres, workers=(2,)) as line:
        yield line


@contextlib.contextmanager
def _running_line(postgres: PostgresServer, workers: Sequence[int]) -> Iterator[Line]:
    books = create_database(postgres.url, "cut_off")
    with (
        DatabaseProxy(postgres.socket) as proxy,
        running_vendor(SCRIPT) as vendor,
        running_fleet(vendor=vendor, database=proxy.url(name_of(books)), books=books, workers=workers) as fleet,
    ):
        yield Line(fleet, proxy)


@pytest.mark.parametrize("how", ["cut", "frozen"])
async def test_while_the_database_is_cut_off_nothing_is_sold_and_nothing_complete_is_lost(
    line: Line, how: str, at_length: bool
) -> None:
    """For 1 and 6 s; at length for 1, 10 and 60 s."""
    fleet, proxy = line.fleet, line.proxy
    accounts = [fleet.new_account() for _ in range(3)]
    async with Load(fleet, plain([*map(fleet.new_key, accounts)]), seed=4) as load:
        for seconds in (1, 10, 60) if at_length else (1, 6):
            await load.serves(0, 1, 2)
            began, before, complete = time.monotonic(), len(load.heard), sum(load.completed)
            (proxy.cut if how == "cut" else proxy.freeze)()
            await asyncio.sleep(seconds)
            asked_meanwhile = load.heard[before:]
            sold = [one for one in asked_meanwhile if one.how == "complete"]
            assert not sold, f"{len(sold)} were sold in {time.monotonic() - began:.1f} s without the books"
            journaled = sum(load.completed) - complete
            assert seconds < 5 or journaled, "what was under way ends as complete, by the journal"
            proxy.restore()
            await load.serves(0, 1, 2)
    await at_rest(fleet)
    found = await audit(fleet, accounts, load.heard)
    verify(fleet)
    assert found.endings["failed"], found
    for one in load.heard:
        if one.how == "failed":
            assert (one.error or {})["code"] == "unavailable", one.raw
    assert not found.endings.get("cut"), f"who stayed got an answer or an error: {found}"
    assert all(gateway.server is not None and gateway.server.process.poll() is None for gateway in fleet.gateways)


async def test_what_is_in_the_journal_of_a_killed_gateway_is_billed_when_it_starts_again(line: Line) -> None:
    """Killed while the database is cut off: the answers that it ended meanwhile are known to its journal alone."""
    fleet, proxy = line.fleet, line.proxy
    accounts = [fleet.new_account() for _ in range(3)]
    doomed = fleet.gateways[0]
    async with Load(fleet, plain([*map(fleet.new_key, accounts)]), seed=5) as load:
        for _ in range(2):
            await load.serves(0, 1, 2)
            await _cut_off_with_an_answer_in_the_journal(load, proxy, doomed)
            assert doomed.server is not None
            doomed.server.stop(signal.SIGKILL)
            proxy.restore()
            await load.serves(1, 2)
            await fleet.start([doomed])
            await load.serves(0)
    await at_rest(fleet)
    await audit(fleet, accounts, load.heard)
    verify(fleet)


def _more_than(completed: Sequence[int], before: int) -> bool:
    return completed[0] > before


async def _cut_off_with_an_answer_in_the_journal(load: Load, proxy: DatabaseProxy, doomed: Harbor) -> None:
    """Again if no request was between its hold and its charge at that moment, as may be where the machine is busy."""
    for _ in range(_TRIES):
        complete = load.completed[0]
        proxy.cut()
        with contextlib.suppress(TimeoutError):
            await until(lambda: any(file.stat().st_size for file in (doomed.home / "journal").glob("*.journal")), 6)
            await until(functools.partial(_more_than, load.completed, complete), 6)
            return
        proxy.restore()
        await load.serves(0)
    pytest.fail(f"in {_TRIES} cuts no answer came into the journal")


async def test_a_worker_that_dies_while_the_database_is_cut_off_is_followed_when_it_is_back(
    line_of_workers: Line,
) -> None:
    """However often its successors fail to start, the server and the other worker go on."""
    fleet, proxy = line_of_workers.fleet, line_of_workers.proxy
    (gateway,) = fleet.gateways
    account = fleet.new_account()
    async with Load(fleet, plain([fleet.new_key(account)]), seed=6) as load:
        await load.serves(0)
        proxy.cut()
        doomed, sister = fleet.worker_processes(0)
        os.kill(doomed, signal.SIGKILL)
        await until(lambda: _ended_workers(gateway) > _MORE_THAN_IT_MAY_FAIL)
        assert sister in fleet.worker_processes(0)
        proxy.restore()
        await until(lambda: len(fleet.worker_processes(0)) == 2)
        await fleet.ready()
        await load.serves(0, answers=20)
    await at_rest(fleet)
    await audit(fleet, [account], load.heard)
    verify(fleet)


def _ended_workers(gateway: Harbor) -> int:
    assert gateway.server is not None
    return sum("worker_ended" in line for line in gateway.server.lines)
