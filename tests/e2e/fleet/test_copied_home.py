"""A HOME that was copied: of two servers with one gateway.id the later one runs; the earlier one says why it ends."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.fleet.evidence import at_rest, verify
from tests.e2e.fleet.gateways import make_fleet
from tests.e2e.fleet.rush import Rush, equals
from tests.e2e.house import CONFIG
from tests.e2e.raw_client import ask
from tests.e2e.vendor import Vendor
from tests.postgres_server import create_database

pytestmark = pytest.mark.slow

EACH = 3


@pytest.fixture
def copies(postgres_url: str) -> Iterator[Rush]:
    """Two gateways, of which only the first runs; the second has the first one's id."""
    with tempfile.TemporaryDirectory(prefix="th-e2e-") as name, Vendor() as vendor:
        folder = Path(name)
        folder.chmod(0o755)
        database = create_database(postgres_url, "copied_home")
        fleet = make_fleet(folder, vendor=vendor.url, database=database, workers=(1, 1), config=CONFIG)
        try:
            first, second = fleet.gateways
            first.start()
            shutil.copy(first.home / "gateway.id", second.home / "gateway.id")
            yield Rush(fleet, vendor)
        finally:
            vendor.open()
            fleet.stop()


async def test_the_earlier_server_of_a_copied_home_ends_and_the_later_one_serves(copies: Rush) -> None:
    fleet, (first, second) = copies.fleet, copies.fleet.gateways
    account = fleet.new_account()
    (question, *_) = asked = equals([fleet.new_key(account)], EACH)
    fleet.gateways = [first]
    async with copies.of(asked) as answers:
        await fleet.start([second])
        assert first.server is not None
        await asyncio.to_thread(first.server.wait_for, "gateway.id")
        assert await asyncio.to_thread(first.server.process.wait, 30) == 1
    assert {one.how for one in answers} <= {"failed", "cut"}, "their vendor has not answered"
    fleet.gateways = [second]
    assert (await ask(second.url, question)).how == "complete"
    await at_rest(fleet)
    verify(fleet)
