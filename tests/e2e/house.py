"""A harbor whose vendor waits when it is told to, and accounts with exactly so much money."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tests.e2e.auditor import nano
from tests.e2e.books import usd
from tests.e2e.harbor import Harbor
from tests.e2e.raw_client import ClientAnswer, ClientRequest, ask
from tests.e2e.vendor import Vendor

CONFIG = """
[providers.one]
wire = "openai_chat"
base_url = "{url}/v1"
credential = "env:SIM_KEY"

[providers.two]
wire = "anthropic_messages"
base_url = "{url}/v1"
credential = "env:SIM_KEY"

[models.sim]
vendor = "sims"
context = 200000
max_output = 8192

[[models.sim.endpoints]]
provider = "one"
price = {{ input = "1.000001", output = "2.5" }}

[[models.sim.endpoints]]
provider = "two"
price = {{ input = "1.000001", output = "2.5" }}
"""
INPUT_PICO, OUTPUT_PICO = 1_000_001, 2_500_000


@dataclass(frozen=True)
class House:
    """A harbor, and the vendor behind it."""

    harbor: Harbor
    vendor: Vendor
    numbers: Iterator[int]

    @property
    def url(self) -> str:
        return self.harbor.url

    def new_wallet(self, amount: int) -> tuple[str, str]:
        """An account with so much money (nano-USD), and its key."""
        account = self.harbor.new_account(f"tester{next(self.numbers)}@example.com", usd(amount))
        return account, self.harbor.new_key(account)

    async def quote(self, asked: ClientRequest) -> tuple[int, int]:
        """What would be held for it (nano-USD), and the input tokens that are reckoned with."""
        heard = await ask(self.url, replace(asked, key=self.harbor.key, path=f"{asked.path}?dry_run=1"))
        quoted = heard.json()["quote"]
        assert nano(quoted["amount_usd"]) == cost(quoted["input_tokens"], quoted["output_tokens"])
        return nano(quoted["amount_usd"]), quoted["input_tokens"]

    async def ask_all(self, asked: Sequence[ClientRequest]) -> tuple[Sequence[ClientAnswer], "asyncio.Task[None]"]:
        """All at once; what is heard so far, and the task that ends with the last of them."""
        heard = [ClientAnswer(each) for each in asked]

        async def all_of_them() -> None:
            await asyncio.gather(*(ask(self.url, each.question, each) for each in heard))

        return heard, asyncio.create_task(all_of_them())


def cost(input_tokens: int, output_tokens: int) -> int:
    """In nano-USD, at the prices above."""
    return -(-(input_tokens * INPUT_PICO + output_tokens * OUTPUT_PICO) // 1000)
