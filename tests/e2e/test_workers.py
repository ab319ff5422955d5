"""Several workers in one server: one port, one bill, one sum of metrics; a death of one is nobody else's matter."""

import asyncio
import os
import re
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.fleet.gateways import Fleet, make_fleet, running_vendor
from tests.e2e.fleet.load import SCRIPT, Load, plain
from tests.e2e.harbor import CONFIG, Harbor, launch
from tests.e2e.raw_client import CHAT, ClientAnswer, ask, get, question, until

pytestmark = pytest.mark.slow


@pytest.fixture
def fleet(database_url: str) -> Iterator[Fleet]:
    """One server with two workers, on a database that lives on whatever dies."""
    with running_vendor(SCRIPT) as vendor, tempfile.TemporaryDirectory(prefix="th-e2e-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        fleet = make_fleet(folder, vendor=vendor, database=database_url, workers=(2,), config=CONFIG)
        fleet.gateways[0].start()
        try:
            yield fleet
        finally:
            fleet.stop()


def parent(harbor: Harbor) -> int:
    assert harbor.server is not None
    return harbor.server.process.pid


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def said(harbor: Harbor, event: str) -> list[str]:
    assert harbor.server is not None
    return [line for line in harbor.server.lines if f'"event": "{event}"' in line]


async def counted(url: str) -> float:
    """Requests in the metrics."""
    text = (await get(url, "/metrics")).body.decode()
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith("tokenharbor_requests_"))


async def check_books(fleet: Fleet, account: str, heard: list[ClientAnswer]) -> None:
    """Each complete answer is billed once, nothing is left held."""
    async with fleet.connected() as conn:
        async with asyncio.timeout(30):
            while await conn.fetchval("SELECT EXISTS (SELECT FROM hold)"):  # noqa: ASYNC110  no event says it
                await asyncio.sleep(0.05)
        billed = await conn.fetchval("SELECT count(*) FROM entry WHERE type = 'usage' AND amount > 0")
    complete = sum(one.how == "complete" for one in heard)
    assert complete <= billed <= len(heard)
    assert fleet.run("balance", account)["held_usd"] == "0.000000000"
    assert fleet.run("ledger", "verify")["ok"]


async def test_requests_go_to_both_workers_and_any_of_them_adds_all_up(fleet: Fleet) -> None:
    [harbor] = fleet.gateways
    account = fleet.new_account()
    key = fleet.new_key(account)
    heard = await asyncio.gather(*(ask(harbor.url, question(CHAT, key, max_tokens=100)) for _ in range(40)))
    assert {one.how for one in heard} == {"complete"}
    assert [await counted(harbor.url) for _ in range(8)] == [40.0] * 8
    async with fleet.connected() as conn:
        shares = [row["count"] for row in await conn.fetch("SELECT count(*) FROM gateway GROUP BY slot")]
    assert shares == [1, 1], "a run for each worker"
    await check_books(fleet, account, list(heard))


async def test_a_worker_that_is_killed_under_load_stops_nobody_else(fleet: Fleet) -> None:
    [harbor] = fleet.gateways
    account = fleet.new_account()
    async with Load(fleet, plain([fleet.new_key(account)], leave=0), 3, clients=16) as load:
        await load.serves(0, answers=20)
        before = await counted(harbor.url)
        killed, other = fleet.worker_processes(0)
        os.kill(killed, signal.SIGKILL)
        await load.serves(0, answers=20)
        await until(lambda: len(said(harbor, "worker_ended")) == 1 and len(fleet.worker_processes(0)) == 2)
        assert other in fleet.worker_processes(0)
        assert await counted(harbor.url) >= before, "what the dead had counted stays counted"
        await load.serves(0, answers=40)
    assert not [one for one in load.heard if one.how == "failed"], "none was refused"
    cut = [one for one in load.heard if one.how != "complete"]
    assert len(cut) <= 16, "no more than were open"
    await check_books(fleet, account, load.heard)


async def test_SIGTERM_drains_all_workers(fleet: Fleet) -> None:
    [harbor] = fleet.gateways
    account = fleet.new_account()
    key = fleet.new_key(account)
    heard = [ClientAnswer(question(CHAT, key, stream=True, max_tokens=400)) for _ in range(12)]
    asking = [asyncio.create_task(ask(harbor.url, one.question, one)) for one in heard]
    await until(lambda: all(one.body for one in heard))
    os.kill(parent(harbor), signal.SIGTERM)
    await asyncio.gather(*asking)
    assert {one.how for one in heard} == {"complete"}
    assert harbor.server is not None
    assert await asyncio.to_thread(harbor.server.process.wait, 60) == 0  # a second signal may find it at its very end
    await check_books(fleet, account, heard)


async def test_SIGHUP_reloads_all_workers_and_drops_no_request(fleet: Fleet) -> None:
    [harbor] = fleet.gateways
    account = fleet.new_account()
    file = harbor.home / "tokenharbor.toml"
    async with Load(fleet, plain([fleet.new_key(account)], leave=0), 5) as load:
        await load.serves(0)
        file.write_text(file.read_text().replace('output = "2.00"', 'output = "4.00"'))
        os.kill(parent(harbor), signal.SIGHUP)
        await until(lambda: len(said(harbor, "reloaded")) == 2)
        for _ in range(10):  # each is a connection of its own, so that both are asked
            shown = (await get(harbor.url, "/v1/models/sim")).json()
            assert "0.000004" in str(shown), shown
        await load.serves(0)
    assert {one.how for one in load.heard} == {"complete"}


async def test_workers_die_with_their_parent_and_the_next_server_starts_at_once(fleet: Fleet) -> None:
    [harbor] = fleet.gateways
    account = fleet.new_account()
    async with Load(fleet, plain([fleet.new_key(account)], leave=0), 7) as load:
        await load.serves(0)
        dead = fleet.worker_processes(0)
        os.kill(dead[0], signal.SIGSTOP)  # one that cannot see anything dies, too
        os.kill(parent(harbor), signal.SIGKILL)
        assert harbor.server is not None
        harbor.server.process.wait()
        await asyncio.to_thread(harbor.start)
        await until(lambda: not any(lives(pid) for pid in dead))
        await load.serves(0)
    await check_books(fleet, account, load.heard)


def test_a_worker_that_cannot_start_ends_the_server_with_its_reason(fleet: Fleet) -> None:
    [harbor] = fleet.gateways
    harbor.stop()

    async def run_ids() -> list[str]:
        async with fleet.connected() as conn:
            return [str(row["id"]) for row in await conn.fetch("SELECT id FROM gateway WHERE slot = 1")]

    [run] = asyncio.run(run_ids())
    (harbor.home / "journal" / f"{run}.journal").write_text("damaged\n")
    again = launch("serve", "--home", str(harbor.home), "--port", "0", env=harbor.env)
    assert again.process.wait(60) == 1
    last = again.lines[-1]
    assert re.match(rf"tokenharbor: .*{run}\.journal: line 1 ", last), again.lines
    assert sum('"event": "worker_ended"' in line for line in again.lines) == 3
    assert not any("listening" in line for line in again.lines)


def test_a_port_that_another_server_with_workers_has_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    [harbor] = fleet.gateways
    port = harbor.url.rpartition(":")[2]
    home = tmp_path / "other"
    home.mkdir()
    text = (harbor.home / "tokenharbor.toml").read_text()
    (home / "tokenharbor.toml").write_text(text)
    began = time.monotonic()
    other = launch("serve", "--home", str(home), "--port", port, env=harbor.env)
    assert other.process.wait(60) == 1
    assert f"cannot listen on 127.0.0.1:{port}: the address is in use" in other.lines[-1]
    assert time.monotonic() - began < 30


def test_without_its_fork_server_a_server_drains_and_ends_with_its_reason(fleet: Fleet) -> None:
    [harbor] = fleet.gateways
    assert harbor.server is not None
    killed, _ = fleet.worker_processes(0)
    forks = int(Path(f"/proc/{killed}/stat").read_text().rpartition(")")[2].split()[1])  # its parent
    os.kill(forks, signal.SIGKILL)
    os.kill(killed, signal.SIGKILL)
    assert harbor.server.process.wait(60) == 1
    assert harbor.server.lines[-1] == "tokenharbor: the fork server is dead"
