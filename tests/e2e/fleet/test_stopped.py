"""A gateway that stands still past its lease, as a paused machine does, and goes on: nothing is billed twice."""

import asyncio
import contextlib
import shutil
import signal
from collections.abc import Iterator

import pytest
from tests.e2e.fleet.evidence import at_rest, audit, verify
from tests.e2e.fleet.gateways import Fleet, running_fleet, running_vendor
from tests.e2e.fleet.load import SCRIPT, Load, plain
from tests.e2e.harbor import Harbor
from tests.postgres_server import create_database

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fleet(postgres_url: str) -> Iterator[Fleet]:
    with (
        running_vendor(SCRIPT) as vendor,
        running_fleet(vendor=vendor, database=create_database(postgres_url, "stopped")) as fleet,
    ):
        yield fleet


async def test_stopped_past_its_lease_a_gateway_goes_on_and_bills_nothing_twice(fleet: Fleet) -> None:
    accounts = [fleet.new_account() for _ in range(2)]
    async with Load(fleet, plain([*map(fleet.new_key, accounts)]), seed=15) as load:
        await load.serves(0, 1, 2)
        with _stopped(fleet.gateways[0]):
            await _lapsed(fleet)
            await load.serves(1, 2)
        await load.serves(0, 1, 2)
    await at_rest(fleet)
    await audit(fleet, accounts, load.heard)
    verify(fleet)


async def test_a_copy_of_its_home_takes_the_place_of_one_that_stands_still(fleet: Fleet) -> None:
    """What the old one had open is given back by the copy; whatever it still settles is settled once."""
    accounts = [fleet.new_account() for _ in range(2)]
    original = fleet.gateways[2]
    copy = Harbor(original.home.with_name("copy"), original.simulator, original.env)
    assert original.server is not None
    async with Load(fleet, plain([*map(fleet.new_key, accounts)]), seed=16) as load:
        await load.serves(0, 1, 2)
        with _stopped(original):
            shutil.copytree(original.home, copy.home, ignore=shutil.ignore_patterns("*.sock"))
            await fleet.start([copy])
            fleet.gateways[2] = copy
        assert await asyncio.to_thread(original.server.process.wait, 30) == 1
        original.server.wait_for("gateway.id")
        await load.serves(0, 1, 2)
    await at_rest(fleet)
    await audit(fleet, accounts, load.heard)
    verify(fleet)


@contextlib.contextmanager
def _stopped(gateway: Harbor) -> Iterator[None]:
    assert gateway.server is not None
    gateway.server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        gateway.server.process.send_signal(signal.SIGCONT)


async def _lapsed(fleet: Fleet) -> None:
    """Until a lease has ended unrenewed, by the database's time."""
    statement = "select 1 from gateway where ended_at is null and alive_until < clock_timestamp()"
    async with asyncio.timeout(60), fleet.connected() as conn:
        while await conn.fetchval(statement) is None:  # noqa: ASYNC110  it is asked, it does not tell
            await asyncio.sleep(0.1)
