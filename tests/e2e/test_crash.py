"""Killed without a word, under load: the books are whole after it, and each complete answer has its one bill."""

import asyncio
import contextlib
import json
import random
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Self

import pytest
from tests.e2e import books
from tests.e2e.auditor import NANO, Prices, nano, read_prices
from tests.e2e.harbor import Harbor, make_harbor, start_simulator
from tests.e2e.raw_client import PATHS, ClientAnswer, ask, get, question, read, until
from tests.editions.derived import derive_text

pytestmark = pytest.mark.slow

ROUNDS = 10
CLIENTS = 20
SCRIPT = """
seed = 5
[answer]
tokens = 40
chunk_chars = 20
delay_ms = 15
first_ms = 30
usage = { input = [10, 900], cache_read = [0, 500], output = [1, 400] }
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


@dataclass
class Load:
    """Clients that ask again and again, each as soon as it has its answer, whatever became of the one before."""

    harbor: Harbor
    seed: int
    leave: float = 0  # how likely a client is to hang up
    heard: list[ClientAnswer] = field(default_factory=list)
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        self._clients = [asyncio.create_task(self._client(number)) for number in range(CLIENTS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.enough.set()
        await asyncio.gather(*self._clients)

    async def _client(self, number: int) -> None:
        dice = random.Random(self.seed * 1000 + number)
        while not self.enough.is_set():
            asked = question(dice.choice(PATHS), self.harbor.key, stream=dice.random() < 0.6, max_tokens=500)
            if dice.random() < self.leave:
                asked = replace(asked, leave_bytes=dice.randrange(1, 3000))
            heard = ClientAnswer(asked)
            try:
                await ask(self.harbor.url, asked, heard)
            except ConnectionError:  # nobody listens
                await asyncio.sleep(0.05)
            self.heard.append(heard)


@dataclass
class Books:
    """What was billed since the last look, against what clients saw and what the vendor says it answered."""

    harbor: Harbor
    known: set[str] = field(default_factory=set)
    left: int = 100 * NANO
    answers: set[str] = field(default_factory=set)

    async def check(self, heard: Sequence[ClientAnswer]) -> int:
        """How many answers a client saw complete."""
        url, key = self.harbor.url, self.harbor.key
        listed = (await read(url, "/v1/requests?limit=1000", key))["data"]
        new = [await read(url, f"/v1/requests/{each['id']}", key) for each in listed if each["id"] not in self.known]
        assert len(new) < 1000
        self.known |= {receipt["id"] for receipt in new}
        records = {record["id"]: record for record in books.simulator(self.harbor, "GET", "requests")}
        prices = read_prices((self.harbor.home / "tokenharbor.toml").read_text(), _TERMS)
        billed = {receipt["id"]: receipt for receipt in new if "entry" in receipt}
        for receipt in billed.values():
            self._check_bill(receipt, records, prices)
        complete = [one.id for one in heard if one.how == "complete"]
        assert len(set(complete)) == len(complete)
        assert set(complete) <= set(billed), "a complete answer without its bill"
        available, held = await books.balance(url, key)
        assert held == 0
        assert self.left - available == sum(nano(receipt["cost_usd"]) for receipt in new)
        self.left = available
        failed = {one.id for one in heard if one.how == "failed"}
        assert not failed & set(billed), "told that it failed, and billed"
        return len(complete)

    def _check_bill(self, receipt: dict[str, Any], records: dict[str, Any], prices: Prices) -> None:
        answer = receipt["upstream_request_id"]
        assert answer not in self.answers, "an answer of the vendor billed twice"
        self.answers.add(answer)
        usage = records[answer]["usage"]
        if receipt["status"] == "hung_up" and receipt["usage_source"] == "estimated":
            assert 0 < receipt["delivered_bytes"] <= records[answer]["text_bytes"]
            usage = receipt["usage"]
        assert receipt["status"] in ("complete", "hung_up"), receipt
        bill = prices.bill(receipt["model"], receipt["provider"], usage).within(nano(receipt["hold_usd"]))
        assert nano(receipt["cost_usd"]) == bill.total > 0


_TERMS = derive_text("token-harbor")


async def test_after_ten_deaths_of_everything_the_books_are_whole(harbor: Harbor) -> None:
    dice = random.Random(10)
    accounts = Books(harbor)
    harbor.stop()
    usual = _seconds_to_start(harbor)
    starts, complete, cut = [], 0, 0
    for number in range(ROUNDS):
        async with Load(harbor, number) as load:
            await asyncio.sleep(0.5 + dice.random() * 0.7)
            _kill_everything(harbor, dice)
        starts.append(_seconds_to_start(harbor))
        assert (await books.balance(harbor.url, harbor.key))[1] == 0, "a hold of the dead"
        complete += await accounts.check(load.heard)
        cut += sum(one.how == "cut" for one in load.heard)
        assert books.verified(harbor)["ok"]
    assert complete > ROUNDS * CLIENTS // 2
    assert cut > ROUNDS, "the deaths came in the middle of answers"
    assert statistics.median(starts) < usual + 3, (starts, usual)


async def test_when_postgres_dies_under_load_the_server_says_so_and_goes_on(harbor: Harbor) -> None:
    accounts = Books(harbor)
    async with Load(harbor, 77, leave=0.2) as load:
        for times in range(1, 11):  # a death that comes between two requests of everybody is told to nobody
            await asyncio.sleep(0.7)
            books.kill(books.postgres_processes(harbor.home))
            later = len(load.heard) + CLIENTS  # by then everybody has asked again
            await until(lambda: any(one.how == "complete" for one in load.heard[later:]))  # noqa: B023  awaited here
            if times >= 3 and any(one.how == "failed" for one in load.heard):
                break
    await books.nothing_held(harbor.url, harbor.key)
    assert await accounts.check(load.heard) > CLIENTS
    failed = [one for one in load.heard if one.how == "failed"]
    assert failed
    for one in failed:
        assert (one.error or {})["code"] == "unavailable", one.raw
    assert {one.how for one in load.heard} == {"complete", "failed", "left"}, "who stayed got an answer or an error"
    assert books.verified(harbor)["ok"]
    assert {"database_lost", "postgres_died", "postgres_restarted"} <= {line["event"] for line in _log(harbor)}


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "silent"])
async def test_while_the_database_is_away_the_answer_is_503_and_never_401(harbor: Harbor, gone: bool) -> None:
    stranger = harbor.key[:-4] + "AAAA"
    keys = (harbor.key, stranger)
    with books.nobody_starts_postgres(harbor.home):
        pids = books.postgres_processes(harbor.home)
        books.kill(pids, signal.SIGKILL if gone else signal.SIGSTOP)
        try:
            asked = [question(path, key, stream=stream) for path, key, stream in product(PATHS, keys, (False, True))]
            for heard in await asyncio.gather(*(ask(harbor.url, each) for each in asked)):
                _unavailable(heard)
            if gone:  # silence lasts as long as an odd query may
                _unavailable(await get(harbor.url, "/v1/account/balance", harbor.key))
            assert (await get(harbor.url, "/readyz")).status == 503
            assert (await get(harbor.url, "/healthz")).status == 200
        finally:
            if not gone:
                books.kill(pids, signal.SIGCONT)
    async with asyncio.timeout(30):
        while (await get(harbor.url, "/readyz")).status != 200:  # noqa: ASYNC110  it is asked, it does not tell
            await asyncio.sleep(0.05)
    assert (await ask(harbor.url, question(PATHS[0], stranger))).status == 401
    for path in PATHS:
        assert (await ask(harbor.url, question(path, harbor.key))).how == "complete"
    await books.nothing_held(harbor.url, harbor.key)
    assert await Books(harbor).check(()) == 0
    assert books.verified(harbor)["ok"]


async def test_F3_a_server_ends_in_good_order_while_the_database_is_away(harbor: Harbor) -> None:
    """What it still owes the books is in its journal, which its successor replays."""
    books.simulator(harbor, "POST", "script", "[answer]\ndelay_ms = 300")
    heard = [ClientAnswer(question(path, harbor.key, stream=True, max_tokens=500)) for path in PATHS]
    clients = [asyncio.create_task(ask(harbor.url, one.question, one)) for one in heard]
    await until(lambda: all(one.text_bytes for one in heard))
    assert (await books.balance(harbor.url, harbor.key))[1] > 0
    with _put_away(harbor.home / "postgres" / "data" / "PG_VERSION"):
        books.kill(books.postgres_processes(harbor.home))
        for client in clients:
            client.cancel()
        await asyncio.wait(clients)
        assert harbor.stop() == 0
        (left,) = (harbor.home / "journal").glob("*.journal")
        assert left.stat().st_size
    harbor.start()
    assert not left.exists()
    receipts = await books.receipts(harbor.url, harbor.key)
    assert {receipt["id"] for receipt in receipts if "entry" in receipt} == {one.id for one in heard}
    charged = sum(nano(receipt["cost_usd"]) for receipt in receipts)
    assert await books.balance(harbor.url, harbor.key) == (100 * NANO - charged, 0)
    assert books.verified(harbor)["ok"]


@contextlib.contextmanager
def _put_away(file: Path) -> Iterator[None]:
    """Without it PostgreSQL does not start."""
    away = file.with_suffix(".away")
    file.rename(away)
    try:
        yield
    finally:
        away.rename(file)


def _unavailable(heard: ClientAnswer) -> None:
    error = heard.error
    assert error is not None, heard.raw
    assert (heard.status, error["type"], error["code"]) == (503, "api_error", "unavailable"), heard.raw


def _log(harbor: Harbor) -> Sequence[dict[str, Any]]:
    """What the server wrote since it was ready: one JSON object a line."""
    assert harbor.server is not None
    lines = iter(harbor.server.lines)
    next(line for line in lines if line.startswith("listening"))
    return [json.loads(line) for line in lines]


def _seconds_to_start(harbor: Harbor) -> float:
    began = time.monotonic()
    harbor.start()
    return time.monotonic() - began


def _kill_everything(harbor: Harbor, dice: random.Random) -> None:
    """The gateway and all of PostgreSQL's processes, in any order, as fast as can be."""
    assert harbor.server is not None
    process = harbor.server.process
    pids = [process.pid, *books.postgres_processes(harbor.home)]
    dice.shuffle(pids)
    books.kill(pids)
    process.wait()
    while late := books.postgres_processes(harbor.home):
        books.kill(late)
