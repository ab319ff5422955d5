"""Videos of gateways that die: each that was taken is billed once, whoever lives when it is done."""

import asyncio
import contextlib
import random
from collections.abc import Iterator, Sequence

import pytest
from tests.e2e.fleet.evidence import at_rest, verify
from tests.e2e.fleet.gateways import Fleet, running_fleet, running_vendor
from tests.e2e.harbor import CONFIG
from tests.e2e.raw_client import ClientRequest, ask, read
from tests.postgres_server import create_database

from tokenharbor.kernel import ids

pytestmark = pytest.mark.slow

CAMERA = """
[models.camera]
surfaces = ["videos"]

[[models.camera.endpoints]]
provider = "simone"
price = {{ second = "0.10" }}
"""
SCRIPT = """
[answer]
first_ms = 60
"""
FORM = (
    b"".join(
        b'--x\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n' % field
        for field in ((b"model", b"camera"), (b"prompt", b"a harbour"), (b"seconds", b"8"))
    )
    + b"--x--\r\n"
)
_COST = 800_000_000  # nano-USD of eight seconds
_DEATHS = 4
_EACH = 3  # videos that each gateway is asked for, when one of them dies


@pytest.fixture
def fleet(postgres_url: str) -> Iterator[Fleet]:
    with (
        running_vendor(SCRIPT) as vendor,
        running_fleet(vendor=vendor, database=create_database(postgres_url, "videos"), config=CONFIG + CAMERA) as fleet,
    ):
        yield fleet


async def test_each_video_of_gateways_that_die_is_billed_once(fleet: Fleet, seed: int) -> None:
    account, dice = fleet.new_account("1000.00"), random.Random(seed)
    key = fleet.new_key(account)
    taken: list[str] = []
    for _ in range(_DEATHS):
        asked = [asyncio.create_task(_make(url, key, taken)) for url in [*fleet.urls] * _EACH]
        await asyncio.sleep(dice.random() * 0.2)
        victim = dice.choice(fleet.gateways)
        assert victim.server is not None
        victim.server.process.kill()
        victim.server.process.wait()
        await asyncio.gather(*asked)
        await fleet.start([victim])
    made = await _tasks(fleet, account)
    assert {*taken} <= {*made}, "its client was told that it was taken"
    assert len(taken) >= _DEATHS * _EACH
    for video in made:
        await _ask_after(fleet, key, video)
    await at_rest(fleet)
    async with fleet.connected() as conn:
        row = await conn.fetchrow(
            "select count(*), sum(amount), (select spent from wallet w where w.account_id = $1) from entry "
            "where account_id = $1 and type = 'usage'",
            ids.parse("acct", account),
        )
    assert tuple(row) == (len(made), len(made) * _COST, len(made) * _COST)
    verify(fleet)


async def _make(url: str, key: str, taken: list[str]) -> None:
    """A video, noted if its client is told that it was taken."""
    with contextlib.suppress(OSError):  # nobody listens
        heard = await ask(url, ClientRequest("/v1/videos", key, FORM, content_type="multipart/form-data; boundary=x"))
        if heard.status == 200 and heard.whole:
            taken.append(heard.json()["id"])


async def _tasks(fleet: Fleet, account: str) -> Sequence[str]:
    async with fleet.connected() as conn:
        rows = await conn.fetch("select request_id from task where account_id = $1", ids.parse("acct", account))
    return [ids.show("video", row["request_id"]) for row in rows]


async def _ask_after(fleet: Fleet, key: str, video: str) -> None:
    """At all gateways at once, until it is done."""
    async with asyncio.timeout(30):
        said = [""]
        while {*said} != {"completed"}:
            said = [
                one["status"]
                for one in await asyncio.gather(*(read(u, f"/v1/videos/{video}", key) for u in fleet.urls))
            ]
