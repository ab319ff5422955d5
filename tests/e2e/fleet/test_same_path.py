"""Two containers' worth of servers with the same path of HOME on one database: neither touches what the other holds."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.fleet.evidence import at_rest, audit, verify
from tests.e2e.fleet.gateways import Fleet, make_fleet
from tests.e2e.fleet.rush import Rush, equals
from tests.e2e.harbor import Harbor, launch
from tests.e2e.house import CONFIG
from tests.e2e.raw_client import ClientAnswer
from tests.e2e.vendor import Vendor
from tests.postgres_server import create_database

pytestmark = pytest.mark.slow

_MOUNT = 'mount --bind "$0" "$1" && shift && exec "$@"'
EACH = 5


class Container(Harbor):
    """A server in a mount namespace of its own, which sees its HOME where all the others see theirs."""

    def start(self, *more: str, descriptors: str = "") -> None:  # noqa: ARG002  as a harbor's
        seen = self.home.parent / "seen"
        seen.mkdir(exist_ok=True)
        through = ("unshare", "--mount", "sh", "-c", _MOUNT, str(self.home), str(seen))
        self.server = launch("serve", "--home", str(seen), "--port", "0", *more, env=self.env, through=through)
        self.url = self.server.wait_for(r"listening on (http://\S+)").group(1).rstrip("/")


@pytest.fixture
def containers(postgres_url: str) -> Iterator[Rush]:
    with tempfile.TemporaryDirectory(prefix="th-e2e-") as name, Vendor() as vendor:
        folder = Path(name)
        folder.chmod(0o755)
        database = create_database(postgres_url, "same_path")
        fleet = make_fleet(folder, vendor=vendor.url, database=database, workers=(1, 1), config=CONFIG, kind=Container)
        try:
            for gateway in fleet.gateways:
                gateway.start()
            yield Rush(fleet, vendor)
        finally:
            vendor.open()
            fleet.stop()


async def test_servers_with_one_path_of_home_leave_each_others_holds_alone(containers: Rush) -> None:
    fleet = containers.fleet
    account = fleet.new_account()
    asked = equals([fleet.new_key(account)], 2 * EACH)
    heard: list[ClientAnswer] = []
    for doomed, gateway in enumerate(fleet.gateways):
        async with containers.of(asked) as answers:
            assert await _held(fleet) == [EACH, EACH]
            assert gateway.server is not None
            gateway.server.process.kill()
            gateway.server.process.wait()
            await fleet.start([gateway])
            assert await _held(fleet) == [EACH], "its own are given back, and no others"
        heard += answers
        assert [one.how for one in answers[1 - doomed :: 2]] == ["complete"] * EACH
    await at_rest(fleet)
    assert (await audit(fleet, [account], heard)).endings == {"complete": 2 * EACH, "cut": 2 * EACH}
    verify(fleet)
    async with fleet.connected() as conn:
        assert await conn.fetchval("select count(distinct home) from gateway") == 1


async def _held(fleet: Fleet) -> list[int]:
    """How many holds each gateway has, of those that have any."""
    async with fleet.connected() as conn:
        counts = "select count(*) as held from hold join gateway g on g.id = gateway_id group by g.home_id"
        return [row["held"] for row in await conn.fetch(counts)]
