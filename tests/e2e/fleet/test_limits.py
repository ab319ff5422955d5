"""Five hundred callers over three gateways against each limit: never exceeded, and nobody is refused below it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pytest
from tests.e2e.books import usd
from tests.e2e.fleet.evidence import at_rest, audit
from tests.e2e.fleet.rush import Quoted, Rush, equals
from tests.e2e.midnight import away_from_midnight
from tests.e2e.raw_client import ClientAnswer, ClientRequest

from tokenharbor.accounts.budgets import BudgetsChange, change_budgets
from tokenharbor.kernel import ids
from tokenharbor.kernel.money import Usd

pytestmark = pytest.mark.slow

CALLERS = 500
FIT = 37
USAGE = {"input": 3, "output": 20}
COST = (3 * 1_000_001 + 20 * 2_500_000) // 1000 + 1
WINDOW_SECONDS = 60

Owner = Literal["key", "account", "own"]
OWNERS = pytest.mark.parametrize("owner", ["key", "account"])


@pytest.fixture
async def quoted(rush: Rush) -> Quoted:
    """What is held for one of the equal requests."""
    rush.vendor.set_answer({"text": "x" * 30, "usage": USAGE})
    return await rush.quote(equals([rush.fleet.new_key(rush.fleet.new_account())], 1)[0])


@dataclass(frozen=True)
class Limited:
    """Callers of one account, by one key or by several, and all that they have ever heard."""

    rush: Rush
    account: str
    asked: Sequence[ClientRequest]
    heard: list[ClientAnswer]

    async def admits(self, count: int, status: int, code: str) -> Sequence[ClientAnswer]:
        """Of five hundred at once so many; the others are told why, and are returned."""
        async with self.rush.of(self.asked) as heard:
            refused = [one for one in heard if one.closed]
            assert len(heard) - len(refused) == count
        for one in refused:
            assert (one.status, (one.error or {})["code"]) == (status, code), one.raw
        await at_rest(self.rush.fleet)
        self.heard.extend(heard)
        return refused

    async def check(self, complete: int) -> None:
        found = await audit(self.rush.fleet, [self.account], self.heard)
        assert found.endings == {"complete": complete, "failed": len(self.heard) - complete}


def limited(rush: Rush, owner: Owner, option: str, value: int | str) -> Limited:
    """A limit of one key, or of an account with five keys."""
    fleet = rush.fleet
    account = fleet.new_account()
    if owner == "key":
        keys = [fleet.new_key(account, option, str(value))]
    else:
        fleet.run("accounts", "limits", account, option, str(value))
        keys = [fleet.new_key(account) for _ in range(5)]
    return Limited(rush, account, equals(keys, CALLERS), [])


@pytest.mark.parametrize(
    ("owner", "limit"),
    [
        *(("key", "quota"), ("key", "daily"), ("key", "monthly")),
        *(("account", "daily"), ("account", "monthly")),
        *(("own", "daily"), ("own", "monthly")),
    ],
)
async def test_a_budget_is_never_exceeded_and_used_to_the_last_request(
    rush: Rush, quoted: Quoted, owner: Owner, limit: str
) -> None:
    await away_from_midnight()
    budget = FIT * quoted.amount + quoted.amount // 2
    callers = limited(rush, owner, f"--{limit}-usd", usd(2 * budget if owner == "own" else budget))
    if owner == "own":  # below the operator's limit
        async with rush.fleet.connected() as conn:
            await change_budgets(conn, ids.parse("acct", callers.account), BudgetsChange(**{limit: Usd(budget)}))
    rest = (budget - FIT * COST) // quoted.amount
    for fits in (FIT, rest):
        await callers.admits(fits, 402, "insufficient_quota")
    await callers.check(FIT + rest)


@OWNERS
async def test_requests_a_minute_are_never_exceeded_and_all_admitted(
    rush: Rush, quoted: Quoted, owner: Owner, *, at_length: bool
) -> None:
    callers = limited(rush, owner, "--rpm", FIT)
    began = time.monotonic()
    refused = await callers.admits(FIT, 429, "rate_limit_exceeded")
    first_seconds = time.monotonic() - began
    refused = [*refused, *await callers.admits(0, 429, "rate_limit_exceeded")]
    assert time.monotonic() - began < WINDOW_SECONDS, "the machine is too slow for two rushes in one window"
    waits = [int(one.headers["retry-after"]) for one in refused]
    assert WINDOW_SECONDS - first_seconds - 1 <= max(waits) <= WINDOW_SECONDS
    assert min(waits) > 0
    windows = 1
    if at_length:
        await asyncio.sleep(min(waits))
        await callers.admits(FIT, 429, "rate_limit_exceeded")
        windows = 2
    await callers.check(windows * FIT)


@OWNERS
async def test_tokens_a_minute_count_bounds_while_open_and_what_was_used_afterwards(
    rush: Rush, quoted: Quoted, owner: Owner
) -> None:
    limit = FIT * quoted.tokens + quoted.tokens // 2
    callers = limited(rush, owner, "--tpm", limit)
    began, used, complete = time.monotonic(), 0, 0
    for _ in range(2):
        fits = (limit - used) // quoted.tokens
        await callers.admits(fits, 429, "rate_limit_exceeded")
        complete += fits
        used += fits * sum(USAGE.values())
    assert time.monotonic() - began < WINDOW_SECONDS, "the machine is too slow for two rushes in one window"
    await callers.check(complete)


@OWNERS
async def test_so_many_are_open_at_once_and_their_places_are_free_when_they_end(
    rush: Rush, quoted: Quoted, owner: Owner
) -> None:
    callers = limited(rush, owner, "--concurrency", FIT)
    for _ in range(2):
        await callers.admits(FIT, 429, "rate_limit_exceeded")
    await callers.check(2 * FIT)
