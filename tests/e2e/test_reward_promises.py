"""What the default edition promises of rewards, on a running server, with pretended payments."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.e2e.fleet.gateways import Fleet, running_fleet
from tests.e2e.raw_client import CHAT, ClientAnswer, ask, get, question
from tests.e2e.vendor import Vendor
from tests.postgres_server import create_database

from tokenharbor.kernel import ids

pytestmark = pytest.mark.slow

CONFIG = """
[providers.one]
wire = "openai_chat"
base_url = "{url}/v1"
credential = "env:SIM_KEY"

[models.sim]
vendor = "sims"
context = 2000000
max_output = 1000000

[[models.sim.endpoints]]
provider = "one"
price = {{ input = "0", output = "1000" }}

[models.gift]
vendor = "sims"
context = 200000
max_output = 8192

[[models.gift.endpoints]]
provider = "one"
free = true
"""
TOKENS = 1000
"""Of output for a dollar."""


@dataclass
class Shop:
    """A running server, and customers of it. Amounts are whole dollars."""

    fleet: Fleet
    vendor: Vendor
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def sign_up(self, *options: str) -> tuple[str, str]:
        """An account, and its key."""
        email = f"customer{next(self.numbers)}@example.com"
        account: str = self.fleet.run("accounts", "create", "--email", email, *options)["id"]
        return account, self.fleet.new_key(account)

    def top_up(self, account: str, usd: int) -> None:
        opened = self.fleet.run("topups", "create", account, "--usd", f"{usd}.00")
        assert self.fleet.run("topups", "sync", opened["id"])["state"] == "paid"

    async def spend(self, key: str, usd: int, model: str = "sim") -> ClientAnswer:
        tokens = usd * TOKENS
        self.vendor.set_answer({"text": "one two three", "usage": {"input": 3, "output": tokens}})
        return await ask(self.fleet.urls[0], question(CHAT, key, max_tokens=tokens, model=model))

    async def balance(self, key: str) -> dict[str, str]:
        """As a customer reads it; pools that are empty are left out."""
        heard = await get(self.fleet.urls[0], "/v1/account/balance", key)
        found: dict[str, Any] = heard.json()
        return {pool: amount for pool, amount in found["pools"].items() if float(amount)}

    async def change(self, sql: str, account: str) -> None:
        async with self.fleet.connected() as conn:
            await conn.execute(sql, ids.parse("acct", account))

    def check_books(self) -> None:
        assert self.fleet.run("ledger", "verify")["ok"]


@pytest.fixture(scope="module")
def shop(postgres_url: str) -> Iterator[Shop]:
    with Vendor() as vendor:
        database = create_database(postgres_url, "rewards")
        config = f'edition = "token-harbor"\n{CONFIG}\n[processors.pretended]\nenabled = true\n'
        with running_fleet(vendor=vendor.url, database=database, workers=(1,), config=config) as fleet:
            yield Shop(fleet, vendor)


def usd(amount: str) -> str:
    whole, _, places = amount.partition(".")
    return f"{whole}.{places.ljust(9, '0')}"


async def test_TH_B4_the_welcome_grant_is_claimed_by_hand_spent_on_anything_and_given_once(shop: Shop) -> None:
    account, key = shop.sign_up()
    assert (await shop.spend(key, 1)).status == 402
    assert shop.fleet.run("rewards", "claim", account)["usd"] == usd("5")
    assert await shop.balance(key) == {"trial": usd("5")}
    assert (await shop.spend(key, 2)).status == 200
    with pytest.raises(AssertionError):
        shop.fleet.run("rewards", "claim", account)
    lots = shop.fleet.run("rewards", "list", account)
    assert [(each["kind"], each["state"], each["usd"]) for each in lots] == [("welcome", "granted", usd("5"))]


async def test_TH_B5_the_match_lands_locked_and_is_there_when_a_hold_would_be_refused(shop: Shop) -> None:
    account, key = shop.sign_up()
    shop.top_up(account, 10)
    assert await shop.balance(key) == {"paid": usd("10"), "locked": usd("10")}
    assert (await shop.spend(key, 10)).status == 200
    assert (await shop.spend(key, 10)).status == 200  # what was spent has unlocked as much: nobody had to wait
    shop.check_books()
    assert (await shop.spend(key, 10)).status == 402


async def test_TH_B6_a_referral_is_rewarded_at_the_first_billed_request(shop: Shop) -> None:
    referrer, referrers_key = shop.sign_up()
    code = shop.fleet.run("referrals", "show", referrer)["code"]
    account, key = shop.sign_up("--referral", code)
    shop.fleet.run("accounts", "free-models", account, "on")
    await asyncio.sleep(1)
    assert (await shop.spend(key, 1, "gift")).status == 200
    assert shop.fleet.run("referrals", "show", referrer)["referrals"][0]["active"] is False
    shop.fleet.run("rewards", "claim", account)
    assert (await shop.spend(key, 1)).status == 200
    [shown] = shop.fleet.run("referrals", "show", referrer)["referrals"]
    assert (shown["account"], shown["state"], shown["active"], shown["paid"]) == (account, "granted", True, False)
    assert await shop.balance(referrers_key) == {"paid": usd("2")}
    with pytest.raises(AssertionError):
        shop.sign_up("--referral", "NOBODY")


async def test_TH_B7_all_rewards_of_an_account_are_capped_for_life(shop: Shop) -> None:
    account, key = shop.sign_up()
    shop.fleet.run("rewards", "claim", account)
    await shop.change(  # as if the rest had been given before
        "insert into reward (id, account_id, kind, key, state, wanted, amount, at, entry_id, lot_id) "
        "select gen_random_uuid(), $1, 'code', 'before', 'granted', amount * 99, 493000000000, now(), "
        "entry_id, lot_id "
        "from reward where account_id = $1",
        account,
    )
    await shop.change("update reward_account set granted = 498000000000 where account_id = $1", account)
    code = shop.fleet.run("codes", "create", "--usd", "3.00", "--uses", "5")["code"]
    assert shop.fleet.run("codes", "redeem", account, code)["usd"] == usd("2")
    assert await shop.balance(key) == {"trial": usd("5"), "promo": usd("2")}
    shop.top_up(account, 10)
    assert (await shop.balance(key))["paid"] == usd("10")  # beyond the cap, only top-ups
    assert "locked" not in await shop.balance(key)
    await shop.change("delete from reward where account_id = $1 and key = 'before'", account)
    await shop.change("update reward_account set granted = 7000000000 where account_id = $1", account)


async def test_TH_B8_cashback_goes_to_the_paid_balance_at_the_rate_of_lifetime_spend(shop: Shop) -> None:
    account, key = shop.sign_up()
    shop.top_up(account, 50)
    assert (await shop.spend(key, 20)).status == 200
    assert await shop.balance(key) == {"paid": usd("32"), "locked": usd("30"), "match": usd("20")}
    assert (await shop.spend(key, 20)).status == 200  # the match: it earns nothing
    assert (await shop.spend(key, 10)).status == 200
    shop.fleet.run("balance", account)
    found = shop.fleet.run("rewards", "list", account)
    earned = [each["usd"] for each in found if each["kind"] == "cashback"]
    assert earned == [usd("2"), usd("1.2")]  # 10 %, then 12 % after twenty dollars
    shop.check_books()
