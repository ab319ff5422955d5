"""What each reference service promises of limits, keys and free models, on a running server of its edition."""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest
from tests.e2e import house
from tests.e2e.fleet.gateways import Fleet, running_fleet
from tests.e2e.midnight import away_from_midnight
from tests.e2e.raw_client import CHAT, MESSAGES, ClientAnswer, ask, get, question, read, soon, until
from tests.e2e.vendor import Vendor
from tests.postgres_server import create_database

from tokenharbor.accounts.budgets import BudgetsChange, change_budgets
from tokenharbor.kernel import ids
from tokenharbor.kernel.money import Usd

pytestmark = pytest.mark.slow

CONFIG = (
    house.CONFIG
    + """
[providers.one.quota]
rpm = 50

[providers.abroad]
wire = "openai_chat"
base_url = "{url}/v1"
credential = "env:SIM_KEY"
region = "cn"

[[models.sim.endpoints]]
provider = "abroad"
price = {{ input = "0.5", output = "1" }}

[models.gift]
vendor = "sims"
context = 200000
max_output = 8192

[[models.gift.endpoints]]
provider = "one"
free = true
"""
)
_SET_BACK = (
    "update wallet set window_start = window_start - $2 * interval '1 second' where account_id = $1",
    "update key_meter set window_start = window_start - $2 * interval '1 second' where account_id = $1",
)


@dataclass
class Service:
    """A running server of one edition, and the vendor behind it."""

    fleet: Fleet
    vendor: Vendor

    @property
    def url(self) -> str:
        return self.fleet.urls[0]

    def new_key(self, account: str, *options: str) -> tuple[str, str]:
        """Its id, and the key."""
        made = self.fleet.run("keys", "create", account, *options)
        return made["id"], made["key"]

    def customer(self, usd: str = "100.00", *options: str) -> tuple[str, str]:
        """An account with so much money, and its key."""
        account = self.fleet.new_account(usd)
        return account, self.new_key(account, *options)[1]

    async def ask(self, key: str, **fields: Any) -> ClientAnswer:
        path = fields.pop("path", CHAT)
        return await ask(self.url, question(path, key, max_tokens=10, **fields))

    async def ask_many(self, keys: Sequence[str], times: int, at_once: int = 50) -> list[ClientAnswer]:
        """So often with each key."""
        turn = asyncio.Semaphore(at_once)

        async def one(key: str) -> ClientAnswer:
            async with turn:
                return await self.ask(key)

        return await asyncio.gather(*(one(key) for _ in range(times) for key in keys))

    @contextlib.asynccontextmanager
    async def open_at_once(self, keys: Sequence[str], expected: int) -> AsyncIterator[list[ClientAnswer]]:
        """One request with each of the keys, of which so many wait at the vendor while the `with` lasts."""
        self.vendor.shut()
        heard = [ClientAnswer(question(CHAT, key, max_tokens=10)) for key in keys]
        asking = asyncio.gather(*(ask(self.url, one.question, one) for one in heard))
        try:
            await until(lambda: self.vendor.waiting == expected)
            await until(lambda: sum(one.whole for one in heard) == len(keys) - expected)
            yield heard
        finally:
            self.vendor.open()
            await asking

    async def set_back(self, account: str, seconds: int) -> None:
        """As if the windows of an account and its keys had begun so much earlier."""
        async with self.fleet.connected() as conn:
            for statement in _SET_BACK:
                await conn.execute(statement, ids.parse("acct", account), seconds)


@dataclass
class Services:
    """Servers by edition, started when they are first asked for."""

    postgres_url: str
    vendor: Vendor
    stack: contextlib.ExitStack
    running: dict[str, Service] = field(default_factory=dict)

    def __call__(self, edition: str) -> Service:
        if edition not in self.running:
            database = create_database(self.postgres_url, edition.replace("-", "_"))
            config = f'edition = "{edition}"\n{CONFIG}'
            fleet = running_fleet(vendor=self.vendor.url, database=database, workers=(1,), config=config)
            self.running[edition] = Service(self.stack.enter_context(fleet), self.vendor)
        self.vendor.set_answer({"text": "one two three", "usage": {"input": 3, "output": 4}})
        return self.running[edition]


@pytest.fixture(scope="module")
def services(postgres_url: str) -> Iterator[Callable[[str], Service]]:
    with contextlib.ExitStack() as stack:
        vendor = stack.enter_context(Vendor())
        stack.callback(vendor.open)
        yield Services(postgres_url, vendor, stack)


def statuses(heard: Sequence[ClientAnswer]) -> Counter[int | None]:
    return Counter(one.status for one in heard)


def refusal(heard: ClientAnswer, status: int, code: str) -> str:
    """Its message."""
    error = heard.error or {}
    assert (heard.status, error.get("code")) == (status, code), heard.raw
    message: str = error["message"]
    return message


# token-hub


async def test_HUB_6_sixty_requests_a_minute_for_a_key(services: Callable[[str], Service]) -> None:
    service = services("token-hub")
    account, key = service.customer()
    heard = await service.ask_many([key], 75)
    assert statuses(heard) == {200: 60, 429: 15}
    for one in heard:
        assert one.headers["x-ratelimit-limit-requests"] == "60"
        assert re.fullmatch(r"[0-9]+s|1m0s", one.headers["x-ratelimit-reset-requests"])
        if one.status == 429:
            message = refusal(one, 429, "rate_limit_exceeded")
            assert "60 requests a minute for the key (limit of edition token-hub), 60 used" in message
            assert 1 <= int(one.headers["retry-after"]) <= 60
            assert f"{one.headers['retry-after']} s" in message
            assert one.headers["x-ratelimit-remaining-requests"] == "0"
            assert "x-should-retry" not in one.headers
    anthropic = await service.ask(key, path=MESSAGES)
    assert (anthropic.status, (anthropic.error or {})["type"]) == (429, "rate_limit_error")
    service.fleet.run("accounts", "limits", account, "--key-rpm", "120")  # raised on request
    await soon(lambda: _is_served(service, key))


async def test_HUB_6_a_retry_after_the_time_that_is_told_passes(services: Callable[[str], Service]) -> None:
    service = services("token-hub")
    account, key = service.customer()
    assert statuses(await service.ask_many([key], 60)) == {200: 60}
    await service.set_back(account, 57)
    refused = await service.ask(key)
    refusal(refused, 429, "rate_limit_exceeded")
    assert int(refused.headers["retry-after"]) <= 3
    await asyncio.sleep(int(refused.headers["retry-after"]))
    assert (await service.ask(key)).status == 200


async def test_HUB_6_who_hammers_is_refused_without_the_database(services: Callable[[str], Service]) -> None:
    service = services("token-hub")
    account, key = service.customer()
    await service.ask_many([key], 62)
    async with service.fleet.connected() as conn, conn.transaction():
        await conn.execute("select from wallet where account_id = $1 for update", ids.parse("acct", account))
        heard = await service.ask_many([key], 50)  # a hold would wait for the wallet
    assert statuses(heard) == {429: 50}
    assert len({one.id for one in heard}) == 50
    dry = await ask(service.url, replace(question(CHAT, key), path=f"{CHAT}?dry_run=1"))
    assert dry.status == 200, "what holds nothing is not limited with what does"


async def test_HUB_6_six_hundred_requests_a_minute_for_an_account(services: Callable[[str], Service]) -> None:
    service = services("token-hub")
    account = service.fleet.new_account()
    keys = [service.new_key(account)[1] for _ in range(11)]
    heard = await service.ask_many(keys, 57)
    assert statuses(heard) == {200: 600, 429: 27}
    refused = next(one for one in heard if one.status == 429)
    message = refusal(refused, 429, "rate_limit_exceeded")
    assert "600 requests a minute for the account (limit of edition token-hub), 600 used" in message
    assert refused.headers["x-ratelimit-limit-requests"] == "600"


async def test_HUB_9_a_revoked_key_is_refused_before_any_upstream_call(services: Callable[[str], Service]) -> None:
    service = services("token-hub")
    account = service.fleet.new_account()
    key_id, key = service.new_key(account)
    assert (await service.ask(key)).status == 200
    service.fleet.run("keys", "revoke", key_id)
    await soon(lambda: _is_unknown(service, key))
    called = len(service.vendor.records)
    heard = await service.ask_many([key], 10)
    for one in heard:
        refusal(one, 401, "invalid_api_key")
        assert (one.error or {})["type"] == "authentication_error"
    assert len(service.vendor.records) == called


# tokenhub


async def test_LNK_2_plans_differ_in_their_rates_fee_and_boundaries(services: Callable[[str], Service]) -> None:
    service = services("tokenhub")
    account, key = service.customer()
    assert await _fee(service, key) == 300
    heard = await service.ask_many([key], 62, at_once=10)
    assert statuses(heard) == {200: 60, 429: 2}
    refused = next(one for one in heard if one.status == 429)
    message = refusal(refused, 429, "rate_limit_exceeded")
    assert "60 requests a minute for the account (limit of plan starter), 60 used" in message
    for plan, rpm, fee in (("pro", 600, 150), ("enterprise", 6000, 0)):
        service.fleet.run("accounts", "plan", account, plan)
        await soon(partial(_has_fee, service, key, fee))
        answer = await service.ask(key)
        assert (answer.status, answer.headers["x-ratelimit-limit-requests"]) == (200, str(rpm)), plan
        receipt = await read(service.url, f"/v1/requests/{answer.id}", key)
        assert receipt["price"]["fee_bp"] == fee, plan


# relay


async def test_RLY_3_a_quota_of_0_is_unlimited_and_another_is_a_cap(services: Callable[[str], Service]) -> None:
    service = services("relay")
    account = service.fleet.new_account("1.00")
    unlimited = service.new_key(account, "--quota-usd", "0")[1]
    capped = service.new_key(account, "--quota-usd", "0.00001")[1]
    assert statuses(await service.ask_many([unlimited], 5)) == {200: 5}
    message = refusal(await service.ask(capped), 402, "insufficient_quota")
    assert "the key's quota" in message
    assert "$0.00001" in message
    penniless = service.customer("0.000001", "--quota-usd", "0")[1]
    assert "balance" in refusal(await service.ask(penniless), 402, "insufficient_quota")


async def test_RLY_4_a_deleted_token_stops_and_the_balance_stays(services: Callable[[str], Service]) -> None:
    service = services("relay")
    account = service.fleet.new_account()
    (first_id, first), (_, second) = service.new_key(account), service.new_key(account)
    before = await read(service.url, "/v1/account/balance", second)
    service.fleet.run("keys", "revoke", first_id)
    await soon(lambda: _is_unknown(service, first))
    assert (await service.ask(first)).status == 401
    assert await read(service.url, "/v1/account/balance", second) == before
    assert (await service.ask(second)).status == 200


async def test_RLY_5_a_hundred_requests_open_at_once_for_a_token(services: Callable[[str], Service]) -> None:
    service = services("relay")
    account = service.fleet.new_account()
    service.fleet.run("accounts", "limits", account, "--rpm", "0")
    key, other = (service.new_key(account)[1] for _ in range(2))  # who knows them knows the limits
    async with service.open_at_once([key] * 104, expected=100) as heard:
        refused = [one for one in heard if one.whole]
        for one in refused:
            message = refusal(one, 429, "rate_limit_exceeded")
            assert "100 requests open at once for the key (limit of edition relay), 100 open" in message
            assert one.headers["retry-after"] == "1"
        assert len(refused) == 4
        asking = asyncio.create_task(service.ask(other))
        await until(lambda: service.vendor.waiting == 101)
    assert (await asking).status == 200
    assert statuses(heard) == {200: 100, 429: 4}
    assert (await service.ask(key)).status == 200, "the places are free again"


async def test_RLY_5_an_account_has_a_share_of_the_providers_quotas(services: Callable[[str], Service]) -> None:
    service = services("relay")
    account = service.fleet.new_account()
    keys = [service.new_key(account)[1] for _ in range(2)]
    heard = await service.ask_many(keys, 15)
    assert statuses(heard) == {200: 25, 429: 5}
    refused = next(one for one in heard if one.status == 429)
    message = refusal(refused, 429, "rate_limit_exceeded")
    assert "25 requests a minute for the account (limit of the providers' quotas), 25 used" in message


async def test_RLY_6_errors_have_their_statuses_and_codes(services: Callable[[str], Service]) -> None:
    service = services("relay")
    key = service.customer("0.50", "--rpm", "3")[1]
    refusal(await service.ask("thk_live_" + "a" * 32), 401, "invalid_api_key")
    refusal(await service.ask(key, model="nobody"), 404, "model_not_found")
    poor = service.customer("0.000001")[1]
    refusal(await service.ask(poor), 402, "insufficient_quota")
    heard = await service.ask_many([key], 4)
    assert statuses(heard) == {200: 3, 429: 1}
    refused = next(one for one in heard if one.status == 429)
    assert "3 requests a minute for the key (limit of the key)" in refusal(refused, 429, "rate_limit_exceeded")


async def test_RLY_5_the_place_of_who_hangs_up_is_free_within_a_second(services: Callable[[str], Service]) -> None:
    service = services("relay")
    key = service.customer("100.00", "--concurrency", "1")[1]
    stall = [{"fault": {"kind": "stall", "where": "mid", "after_content": 1}}]
    service.vendor.set_answer({"text": "one two three", "chunk_chars": 4}, rules=stall)
    streamed = question(CHAT, key, max_tokens=10, stream=True)
    left = ClientAnswer(streamed)
    leaving = asyncio.create_task(ask(service.url, streamed, left))
    await until(lambda: left.text_bytes > 0)
    service.vendor.set_answer({"text": "one two three", "usage": {"input": 3, "output": 4}})  # to who comes later
    assert (await service.ask(key)).status == 429
    leaving.cancel()
    await asyncio.wait([leaving])
    await soon(lambda: _is_served(service, key))


async def test_tokens_a_minute_are_counted_by_what_was_used(services: Callable[[str], Service]) -> None:
    service = services("relay")
    key = service.customer("100.00", "--tpm", "3000")[1]
    for _ in range(3):
        answer = await ask(service.url, question(CHAT, key, max_tokens=900))
        assert answer.status == 200, answer.raw
    assert answer.headers["x-ratelimit-limit-tokens"] == "3000"
    assert int(answer.headers["x-ratelimit-remaining-tokens"]) > 1000, "the bound of what has ended is given back"
    capped = await ask(service.url, question(CHAT, key))
    assert capped.status == 200
    assert 1024 <= int(capped.headers["x-tokenharbor-max-tokens"]) < 3000
    large = await ask(service.url, question(CHAT, key, max_tokens=4000))
    assert "3000 tokens a minute for the key (limit of the key)" in refusal(large, 429, "rate_limit_exceeded")
    assert large.headers["x-should-retry"] == "false"
    assert "retry-after" not in large.headers


# token-harbor


async def test_TH_A4_each_key_of_an_account_has_rules_of_its_own(services: Callable[[str], Service]) -> None:
    await away_from_midnight()
    service = services("token-harbor")
    account = service.fleet.new_account()
    plain = service.new_key(account)[1]
    rules = {
        "--daily-usd": ("0.00001", 402, "the key's daily budget"),
        "--monthly-usd": ("0.00001", 402, "the key's monthly budget"),
        "--quota-usd": ("0.00001", 402, "the key's quota"),
        "--providers": ("two", 200, "two"),
        "--deny-providers": ("one,two,abroad", 403, "provider rules of this API key"),
        "--models": ("gift", 403, "does not allow model sim"),
        "--rpm": ("1", 200, "abroad"),
    }
    for option, (value, status, said) in rules.items():
        answer = await service.ask(service.new_key(account, option, value)[1])
        assert answer.status == status, (option, answer.raw)
        assert said in ((answer.error or {}).get("message") or answer.headers["x-tokenharbor-provider"]), option
    assert (await service.ask(plain)).status == 200, "no key's rule is another's"


async def test_TH_B13_budgets_of_keys_and_of_the_account_are_refused_with_figures(
    services: Callable[[str], Service],
) -> None:
    await away_from_midnight()
    service = services("token-harbor")
    for option, name in (("--daily-usd", "daily"), ("--monthly-usd", "monthly")):
        account, key = service.customer("10.00")
        assert (await service.ask(key)).status == 200
        service.fleet.run("accounts", "limits", account, option, "0.0001")
        refused = await service.ask(key)
        message = refusal(refused, 402, "insufficient_quota")
        assert f"the account's {name} budget" in message
        assert re.search(r"\$0\.0000\d+ left", message)
        assert refused.headers["x-should-retry"] == "false"
        service.fleet.run("accounts", "limits", account, option, "0")
        assert (await service.ask(key)).status == 200, "0 is unlimited"


async def test_TH_B13_a_budget_that_the_account_gives_itself_holds_from_the_next_request_on(
    services: Callable[[str], Service],
) -> None:
    await away_from_midnight()
    service = services("token-harbor")
    for name in ("daily", "monthly"):
        account, key = service.customer("10.00")
        service.fleet.run("accounts", "limits", account, f"--{name}-usd", "5")
        assert (await service.ask(key)).status == 200
        async with service.fleet.connected() as conn:
            await change_budgets(conn, ids.parse("acct", account), BudgetsChange(**{name: Usd.parse("0.0001")}))
            refused = await service.ask(key)
            message = refusal(refused, 402, "insufficient_quota")
            assert f"the account's {name} budget" in message
            assert re.search(r"\$0\.0000\d+ left", message)
            await change_budgets(conn, ids.parse("acct", account), BudgetsChange(**{name: Usd.parse("1000")}))
            assert (await service.ask(key)).status == 200
            service.fleet.run("accounts", "limits", account, f"--{name}-usd", "0.0001")
            refusal(await service.ask(key), 402, "insufficient_quota")  # which a higher budget of its own does not lift


async def test_TH_F2_free_models_are_off_until_they_are_turned_on_and_off_again_at_once(
    services: Callable[[str], Service],
) -> None:
    service = services("token-harbor")
    account, key = service.customer("0.000001")
    refused = await service.ask(key, model="gift")
    assert "gift" in refusal(refused, 409, "free_models_disabled")
    assert refused.headers["x-should-retry"] == "false"
    service.fleet.run("accounts", "free-models", account, "on")
    await soon(lambda: _may(service, key, "gift"))
    assert (await service.ask(key, model="gift")).status == 200
    service.fleet.run("accounts", "free-models", account, "off")
    await soon(lambda: _may_not(service, key, "gift"))
    assert refusal(await service.ask(key, model="gift"), 409, "free_models_disabled")
    called = len(service.vendor.records)
    await service.ask(key, model="gift")
    assert len(service.vendor.records) == called, "nothing is shared"


async def test_TH_F1_a_free_model_costs_nothing_and_has_a_number_of_requests(
    services: Callable[[str], Service],
) -> None:
    service = services("token-harbor")
    account, key = service.customer("0.000001")
    service.fleet.run("accounts", "free-models", account, "on")
    await soon(lambda: _may(service, key, "gift"))
    heard = [await service.ask(key, model="gift") for _ in range(26)]
    assert statuses(heard) == {200: 25, 429: 1}
    assert {one.headers["x-tokenharbor-cost-usd"] for one in heard[:25]} == {"0.000000000"}
    refused = heard[-1]
    assert "25 requests to free models in 5 hours" in refusal(refused, 429, "rate_limit_exceeded")
    assert 17_900 < int(refused.headers["retry-after"]) <= 18_000
    receipt = await read(service.url, f"/v1/requests/{heard[0].id}", key)
    assert (receipt["status"], receipt["cost_usd"], receipt["usage"]["output"]) == ("complete", "0.000000000", 4)
    assert receipt["entry"]["seq"] > 0
    assert (await read(service.url, "/v1/account/balance", key))["balance_usd"] == "0.000001000"
    assert service.fleet.run("ledger", "verify")["ok"]


# what holds nothing


async def test_reads_and_token_counts_have_limits_of_their_own(services: Callable[[str], Service]) -> None:
    service = services("token-hub")
    _, key = service.customer()
    turn = asyncio.Semaphore(50)

    async def look() -> ClientAnswer:
        async with turn:
            return await get(service.url, "/v1/account/balance", key)

    heard = await asyncio.gather(*(look() for _ in range(610)))
    assert statuses(heard) == {200: 600, 429: 10}
    refused = next(one for one in heard if one.status == 429)
    assert "600 reads a minute for the key" in refusal(refused, 429, "rate_limit_exceeded")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert (await service.ask(key)).status == 200
    assert (await get(service.url, "/v1/models")).status == 200, "another's reads are another's"


async def _is_served(service: Service, key: str) -> bool:
    """Whether a request is served again, which costs and counts: only where nothing after it depends on that."""
    return (await service.ask(key)).status == 200


async def _may(service: Service, key: str, model: str) -> bool:
    """Whether a request for it would be admitted; none is made."""
    dry = replace(question(CHAT, key, model=model), path=f"{CHAT}?dry_run=1")
    return (await ask(service.url, dry)).status == 200


async def _may_not(service: Service, key: str, model: str) -> bool:
    return not await _may(service, key, model)


async def _is_unknown(service: Service, key: str) -> bool:
    """Whether the key is refused. It reads: a request for a model that is still admitted would cost."""
    return (await get(service.url, "/v1/account/balance", key)).status == 401


async def _fee(service: Service, key: str) -> int:
    shown = await read(service.url, "/v1/models/sim", key)
    fee: int = shown["pricing"]["service_fee_bp"]
    return fee


async def _has_fee(service: Service, key: str, fee: int) -> bool:
    return await _fee(service, key) == fee
