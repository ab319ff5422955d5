"""A running server with a simulated processor, and the actions of payers."""

import asyncio
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from tests.e2e.harbor import Harbor

from tokenharbor.kernel import ids
from tokenharbor.kernel.world import real_world
from tokenharbor.simulator.paypal import CLIENT_ID, CLIENT_SECRET, WEBHOOK_ID, SimulatedPayPal
from tokenharbor.simulator.processor_server import ProcessorServer
from tokenharbor.simulator.stripe import WEBHOOK_SECRET, SimulatedStripe

POSTED = 15.0
"""Seconds within which a payment is credited."""

CONFIGS = {
    "stripe": """
[processors.stripe]
secret = "env:STRIPE_KEY"
webhook_secret = "env:STRIPE_WEBHOOK"
methods = ["card", "alipay", "wechat_pay"]
currencies = ["USD", "CNY"]
base_url = "{url}"

[processors.manual]
enabled = true
""",
    "paypal": """
[processors.paypal]
client_id = "env:PAYPAL_ID"
secret = "env:PAYPAL_KEY"
webhook_id = "env:PAYPAL_WEBHOOK"
base_url = "{url}"
""",
    "": "",
}
SECRETS = {
    "STRIPE_KEY": "sk_test_of_the_tests",
    "STRIPE_WEBHOOK": WEBHOOK_SECRET,
    "PAYPAL_ID": CLIENT_ID,
    "PAYPAL_KEY": CLIENT_SECRET,
    "PAYPAL_WEBHOOK": WEBHOOK_ID,
}


class ProcessorThread:
    """A simulated processor in a thread of its own."""

    def __init__(self, make: Callable[[], ProcessorServer]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.server: ProcessorServer = self._run(self._start(make))
        self.url = self.server.url

    async def _start(self, make: Callable[[], ProcessorServer]) -> ProcessorServer:
        server = make()
        await server.start()
        return server

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def call(self, control: str, **arguments: Any) -> Any:
        answer = httpx.post(f"{self.url}/simulator/{control}", json=arguments, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def stop(self) -> None:
        self._run(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@dataclass
class Cashier:
    """A server, its processor, its database, and an account without credit."""

    harbor: Harbor
    processor: ProcessorThread | None
    database_url: str
    account: str = ""

    def start(self) -> None:
        self.harbor.start()
        if self.processor is not None:
            name = "paypal" if isinstance(self.processor.server, SimulatedPayPal) else "stripe"
            self.processor.call("webhooks", url=f"{self.harbor.url}/api/webhooks/{name}")

    def cli(self, *words: str) -> Any:
        return self.harbor.cli(*words)

    def create(self, usd: str, *more: str, account: str = "") -> dict[str, Any]:
        opened: dict[str, Any] = self.cli("topups", "create", account or self.account, "--usd", usd, *more)
        return opened

    def pay(self, top_up: dict[str, Any], **how: Any) -> None:
        """As the payer, on the processor's page."""
        assert self.processor is not None
        [(processor_id,)] = self.fetch("select processor_id from top_up where id = $1", top_up["id"])
        named = "order_id" if isinstance(self.processor.server, SimulatedPayPal) else "session_id"
        self.processor.call("pay", **{named: processor_id}, **how)

    def fetch(self, sql: str, *top_ups: str) -> list[tuple[Any, ...]]:
        async def ask() -> list[tuple[Any, ...]]:
            conn = await asyncpg.connect(self.database_url)
            try:
                return [tuple(row) for row in await conn.fetch(sql, *(ids.parse("topup", each) for each in top_ups))]
            finally:
                await conn.close()

        return asyncio.run(ask())

    def balance(self) -> str:
        answer: str = self.cli("balance", self.account)["balance_usd"]
        return answer

    def wait_for(self, top_up: dict[str, Any], state: str = "paid", seconds: float = POSTED) -> dict[str, Any]:
        """The top-up in this state, within so many seconds."""
        until = time.monotonic() + seconds
        while True:
            shown: dict[str, Any] = self.cli("topups", "show", top_up["id"])
            if shown["state"] == state:
                return shown
            assert time.monotonic() < until, shown
            time.sleep(0.2)

    def check(self, credited: int) -> None:
        """So many payments in the books, each with its capture; and the books are right."""
        assert self.fetch("select count(*) from capture c join lot l on l.id = c.lot_id and l.amount = c.captured") == [
            (credited,)
        ]
        assert self.fetch("select count(*) from lot where origin = 'top-up'") == [(credited,)]
        assert self.cli("ledger", "verify")["fault"] is None


@contextmanager
def running_cashier(edition: str, processor: str, database_url: str, *, start: bool = True) -> Iterator[Cashier]:
    """`processor` "": none is configured."""
    makers: dict[str, Callable[[], ProcessorServer]] = {
        "stripe": lambda: SimulatedStripe(real_world(), secret=SECRETS["STRIPE_KEY"]),
        "paypal": lambda: SimulatedPayPal(real_world()),
    }
    with tempfile.TemporaryDirectory(prefix="th-e2e-") as name:
        home = Path(name) / "home"
        home.mkdir(mode=0o755)
        thread = ProcessorThread(makers[processor]) if processor else None
        config = CONFIGS[processor].format(url=thread.url if thread else "")
        (home / "tokenharbor.toml").write_text(f'edition = "{edition}"\n{config}')
        env = SECRETS | {"TOKENHARBOR_DATABASE_URL": database_url}
        cashier = Cashier(Harbor(home, "", env), thread, database_url)
        try:
            cashier.account = cashier.cli("accounts", "create", "--email", "payer@example.com")["id"]
            if start:
                cashier.start()
            yield cashier
        finally:
            if cashier.harbor.server is not None:
                cashier.harbor.stop()
            if thread is not None:
                thread.stop()
