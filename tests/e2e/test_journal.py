"""A database that falls silent in the middle of requests: what callers are told is what the receipts say later."""

import asyncio
import contextlib
import resource
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.e2e import books
from tests.e2e.auditor import NANO, nano
from tests.e2e.harbor import Harbor, launch, make_harbor, start_simulator
from tests.e2e.raw_client import CHAT, PATHS, ClientAnswer, ask, get, question, read, until

from tokenharbor.kernel import ids
from tokenharbor.ledger.journal import left_journals, read_journal

pytestmark = pytest.mark.slow

SCRIPT = """
[answer]
tokens = 30
chunk_chars = 20
delay_ms = 60
usage = { input = 3, output = 30 }
[[rules]]
match = { contains = "[long]" }
answer = { tokens = 2000, chunk_chars = 20, delay_ms = 60 }
"""


@pytest.fixture
def harbor(tmp_path: Path) -> Iterator[Harbor]:
    tmp_path.chmod(0o755)
    with contextlib.ExitStack() as stack:
        simulator, url = start_simulator(SCRIPT, tmp_path)
        stack.callback(simulator.stop)
        harbor = make_harbor(tmp_path, url)
        stack.callback(harbor.stop)
        yield harbor


@contextlib.contextmanager
def silent_database(harbor: Harbor) -> Iterator[None]:
    """PostgreSQL stopped in its tracks: connections stay, answers come when it goes on."""
    with books.nobody_starts_postgres(harbor.home):
        pids = books.postgres_processes(harbor.home)
        books.kill(pids, signal.SIGSTOP)
        try:
            yield
        finally:
            books.kill(pids, signal.SIGCONT)


async def begun(
    harbor: Harbor, count: int, text: str = "hi"
) -> tuple[list[ClientAnswer], list[asyncio.Task[ClientAnswer]]]:
    """Streams whose first content has come, so that their holds stand."""
    asked = [question(PATHS[i % 2], harbor.key, text, stream=True, max_tokens=5000) for i in range(count)]
    heard = [ClientAnswer(one) for one in asked]
    clients = [asyncio.create_task(ask(harbor.url, one.question, one)) for one in heard]
    await until(lambda: all(one.text_bytes for one in heard))
    return heard, clients


def journaled(harbor: Harbor) -> set[str]:
    """The requests in the journals of this HOME."""
    files = left_journals(harbor.home / "journal")
    return {ids.show("req", each.request_id) for file in files for each in read_journal(file)}


async def hang_up(clients: Sequence[asyncio.Task[ClientAnswer]]) -> None:
    for client in clients:
        client.cancel()
    await asyncio.wait(clients)


async def charged_once(harbor: Harbor, heard: Sequence[ClientAnswer]) -> None:
    """Each has its receipt, charged, and the wallet has paid for these alone."""
    available = await books.nothing_held(harbor.url, harbor.key)
    receipts = await books.receipts(harbor.url, harbor.key)
    paid = [receipt for receipt in receipts if "entry" in receipt]
    assert {one.id for one in heard} == {receipt["id"] for receipt in paid}
    assert available == 100 * NANO - sum(nano(receipt["cost_usd"]) for receipt in paid)
    assert all(nano(receipt["cost_usd"]) > 0 for receipt in paid)
    assert books.verified(harbor)["ok"]


async def test_F3_a_silent_database_does_not_make_a_billed_answer_fail(harbor: Harbor) -> None:
    heard, clients = await begun(harbor, 8)
    with silent_database(harbor):
        await asyncio.wait(clients)
        assert [one.how for one in heard] == ["complete"] * 8
        assert journaled(harbor)
    await charged_once(harbor, heard)
    await until(lambda: not journaled(harbor))
    said = (await get(harbor.url, "/metrics")).body.decode()
    assert 'tokenharbor_alarms_total{kind="journaled"' in said


async def test_F3_killed_after_the_journal_and_before_the_database(harbor: Harbor) -> None:
    heard, clients = await begun(harbor, 8)
    with silent_database(harbor):
        await asyncio.wait(clients)
        assert [one.how for one in heard] == ["complete"] * 8
        assert harbor.server is not None
        harbor.stop(signal.SIGKILL)
    (left,) = (harbor.home / "journal").glob("*.journal")
    replayed_twice = left.read_bytes()
    harbor.start()
    assert not left.exists()
    await charged_once(harbor, heard)
    harbor.stop()
    left.write_bytes(replayed_twice)
    harbor.start()
    assert not left.exists()
    await charged_once(harbor, heard)


async def test_F3_who_hung_up_is_in_the_journal_as_well(harbor: Harbor) -> None:
    heard, clients = await begun(harbor, 4, "[long]")
    with silent_database(harbor):
        await hang_up(clients)
        await until(lambda: journaled(harbor) == {one.id for one in heard})
        harbor.stop(signal.SIGKILL)
    harbor.start()
    await charged_once(harbor, heard)


async def test_F3_killed_before_a_hang_up_is_durable_it_is_released_and_not_billed(harbor: Harbor) -> None:
    """The journal takes a settlement when the database has not confirmed it for two seconds. One that was sent to the
    silent database may still be carried out: who is in neither is not billed, who is in one of them is billed once.
    """
    heard, clients = await begun(harbor, 4, "[long]")
    with silent_database(harbor):
        await hang_up(clients)
        harbor.stop(signal.SIGKILL)
        durable = journaled(harbor)
    harbor.start()
    available = await books.nothing_held(harbor.url, harbor.key)
    receipts = await books.receipts(harbor.url, harbor.key)
    paid = [receipt for receipt in receipts if "entry" in receipt]
    assert durable <= {receipt["id"] for receipt in paid} <= {one.id for one in heard}
    assert available == 100 * NANO - sum(nano(receipt["cost_usd"]) for receipt in paid)
    assert books.verified(harbor)["ok"]


async def test_F3_with_a_full_disk_no_ending_leaves_and_no_untruth(harbor: Harbor) -> None:
    heard, clients = await begun(harbor, 4)
    assert harbor.server is not None
    resource.prlimit(harbor.server.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    with silent_database(harbor):
        await asyncio.wait(clients)
    for one in heard:
        assert (one.how, (one.error or {})["code"]) == ("failed", "unavailable")
        assert not one.has_ending
    await books.nothing_held(harbor.url, harbor.key)
    for one in heard:  # charged or not: what the caller was told is that the receipt says it
        assert (await read(harbor.url, f"/v1/requests/{one.id}", harbor.key))["status"] in ("complete", "failed")
    assert books.verified(harbor)["ok"]


async def test_F3_a_damaged_journal_stops_the_server_and_a_torn_one_does_not(harbor: Harbor) -> None:
    heard, clients = await begun(harbor, 2)
    with silent_database(harbor):
        await asyncio.wait(clients)
        harbor.stop(signal.SIGKILL)
    (left,) = (harbor.home / "journal").glob("*.journal")
    whole = left.read_bytes()
    left.write_bytes(whole.replace(b'"cost":', b'"cast":', 1))
    program = launch("serve", "--home", str(harbor.home), "--port", "0", env=harbor.env)
    assert program.process.wait(60) == 1
    program.wait_for(left.name)
    left.write_bytes(whole + whole[:40])
    harbor.start()
    await charged_once(harbor, heard)


async def test_F3_a_request_whose_hold_is_not_known_to_stand_is_never_charged(harbor: Harbor) -> None:
    with silent_database(harbor):
        asked = [asyncio.create_task(ask(harbor.url, question(CHAT, harbor.key))) for _ in range(4)]
        await asyncio.wait(asked)
    for one in asked:
        assert (one.result().status, (one.result().error or {})["code"]) == (503, "unavailable")
    assert await books.nothing_held(harbor.url, harbor.key) == 100 * NANO
    assert books.verified(harbor)["ok"]
