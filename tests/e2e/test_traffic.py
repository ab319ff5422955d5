"""The books are right to the nano: over random traffic, at the end of the money, under locks and slow commits."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e import books, traffic
from tests.e2e.auditor import NANO, Audit, Findings, Prices, read_prices
from tests.e2e.harbor import Harbor, make_harbor, start_simulator
from tests.e2e.raw_client import ClientAnswer, ClientRequest, ask
from tests.editions.derived import derive_text

pytestmark = pytest.mark.slow

AT_ONCE = 40


@dataclass(frozen=True)
class Run:
    """A harbor under an edition, and what an auditor knows of its prices."""

    harbor: Harbor
    prices: Prices
    seed: int
    requests: int


@pytest.fixture(params=["token-harbor", "own", "bills-broken"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    tmp_path.chmod(0o755)
    name = request.param
    seed, requests = {"token-harbor": (1, 450), "own": (2, 450), "bills-broken": (3, 200)}[name]
    terms = derive_text("token-harbor")
    if name != "token-harbor":
        terms = derive_text("token-harbor", **traffic.OWN_TERMS, billing={"broken_streams": name == "bills-broken"})
        edition = tmp_path / "own.toml"
        edition.write_text(terms)
        name = str(edition)
    with contextlib.ExitStack() as stack:
        simulator, url = start_simulator("", tmp_path)
        stack.callback(simulator.stop)
        config = traffic.config(url, name)
        harbor = make_harbor(tmp_path, url, config.replace("{", "{{").replace("}", "}}"))
        stack.callback(harbor.stop)
        books.simulator(harbor, "POST", "script", traffic.script(seed))
        yield Run(harbor, read_prices(config, terms), seed, requests)


async def test_random_traffic_is_billed_to_the_nano(run: Run) -> None:
    harbor = run.harbor
    other = harbor.new_account("other@example.com", "7.000000001")
    keys = {
        harbor.account: (harbor.key, harbor.new_key(harbor.account, "--deny-providers", "one")),
        other: (harbor.new_key(other),),
    }
    asked = traffic.questions(run.seed, [key for each in keys.values() for key in each], run.requests)
    answers = await _ask_all(harbor.url, asked)
    found = Findings()
    for account, granted in ((harbor.account, 100 * NANO), (other, 7 * NANO + 1)):
        left = await books.nothing_held(harbor.url, keys[account][0])
        written = await books.receipts(harbor.url, keys[account][0])
        records = {record["id"]: record for record in books.simulator(harbor, "GET", "requests")}
        audit = Audit(run.prices, records, {each["client_request_id"]: each for each in written})
        assert len(audit.receipts) == len(written), "two receipts for one request"
        of_account = audit.all([heard for heard in answers if heard.question.key in keys[account]])
        assert granted - left == of_account.charged, "what the receipts say is what has gone"
        found += of_account
    assert books.verified(harbor)["ok"]
    assert found.complete > run.requests // 3, found
    assert min(found.estimated, found.failed, found.failed_over, found.hung_up) > 1, found
    assert bool(found.broken) == run.prices.edition["billing"]["broken_streams"], found


async def _ask_all(url: str, asked: Sequence[ClientRequest]) -> Sequence[ClientAnswer]:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(question: ClientRequest) -> ClientAnswer:
        async with places:
            return await ask(url, question)

    return await asyncio.gather(*map(one, asked))
