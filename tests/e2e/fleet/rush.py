"""Many callers at once over all gateways, at a vendor that answers nobody before everybody's fate is known."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.e2e.auditor import nano
from tests.e2e.fleet.gateways import Fleet
from tests.e2e.raw_client import PATHS, ClientAnswer, ClientRequest, ask, question, until
from tests.e2e.vendor import Vendor

MAX_TOKENS = 100


@dataclass(frozen=True)
class Quoted:
    """What is held for a request: nano-USD, and the bound of its tokens."""

    amount: int
    tokens: int


@dataclass(frozen=True)
class Rush:
    """A fleet, and the vendor behind it."""

    fleet: Fleet
    vendor: Vendor

    @contextlib.asynccontextmanager
    async def of(self, asked: Sequence[ClientRequest]) -> AsyncIterator[Sequence[ClientAnswer]]:
        """All ask at once. Inside, each has been refused, or waits at the vendor; at the end these are answered."""
        heard = [ClientAnswer(each) for each in asked]
        before = self.vendor.waiting
        self.vendor.shut()
        asking = asyncio.gather(*self._ask(heard))
        try:
            await until(lambda: sum(e.closed for e in heard) + self.vendor.waiting - before == len(heard), 60)
            yield heard
        finally:
            self.vendor.open()
            await asking

    async def all_answered(self, asked: Sequence[ClientRequest]) -> Sequence[ClientAnswer]:
        """All ask at once, and the vendor answers at once."""
        heard = [ClientAnswer(each) for each in asked]
        await asyncio.gather(*self._ask(heard))
        return heard

    def _ask(self, heard: Sequence[ClientAnswer]) -> Iterator[Awaitable[ClientAnswer]]:
        urls = self.fleet.urls
        return (ask(urls[place % len(urls)], each.question, each) for place, each in enumerate(heard))

    async def quote(self, asked: ClientRequest) -> Quoted:
        heard = await ask(self.fleet.urls[0], replace(asked, path=f"{asked.path}?dry_run=1"))
        quote = heard.json()["quote"]
        return Quoted(nano(quote["amount_usd"]), quote["input_tokens"] + quote["output_tokens"])


def equals(keys: Sequence[str], count: int, **more: Any) -> Sequence[ClientRequest]:
    """Streams and not, in both dialects, all of one length, so that they are all quoted alike; over all keys."""
    asked = []
    for number in range(count):
        stream = number // 2 % 2 == 0
        text = f"{number:03d}" + "." * stream  # "true" is shorter than "false"
        key = keys[number // 4 % len(keys)]
        asked.append(question(PATHS[number % 2], key, text, stream=stream, **{"max_tokens": MAX_TOKENS} | more))
    assert len({len(each.body) for each in asked}) == 1
    return asked
