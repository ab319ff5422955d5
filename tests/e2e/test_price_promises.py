"""What each reference service promises of prices: counted, priced and deducted, on a running server of its edition."""

import contextlib
import csv
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e import books
from tests.e2e.cashier import running_cashier
from tests.e2e.harbor import Harbor, make_harbor, start_simulator

pytestmark = pytest.mark.slow

VOLUME_SECONDS = 30
TEXT = "hello " * 2000
"""Long enough for what is counted below."""
COUNTS = {"input": 1201, "cache_read": 800, "output": 340}
SCRIPT = f"""
[answer]
usage = {{ input = {COUNTS["input"]}, cache_read = {COUNTS["cache_read"]}, output = {COUNTS["output"]} }}
[[rules]]
match = {{ contains = "[fail]" }}
fault = {{ kind = "status", status = 500 }}
"""
PRICES = {
    "one": {"input": "2.50", "cache_read": "0.25", "output": "10.00"},
    "two": {"input": "3.10", "cache_read": "0.31", "output": "12.40"},
    "gold": {"input": "2.50", "cache_read": "0.25", "output": "300000"},
}
CONFIG = f"""
[providers.one]
wire = "openai_chat"
base_url = "{{url}}/v1"
credential = "env:SIM_KEY"

[providers.two]
wire = "openai_chat"
base_url = "{{url}}/v1"
credential = "env:SIM_KEY"

[models.sim]
context = 200000
max_output = 8192

[[models.sim.endpoints]]
provider = "one"
price = {json.dumps(PRICES["one"]).replace(":", " =").replace("{", "{{").replace("}", "}}")}

[[models.sim.endpoints]]
provider = "two"
price = {json.dumps(PRICES["two"]).replace(":", " =").replace("{", "{{").replace("}", "}}")}

[models.gold]
context = 200000
max_output = 8192

[[models.gold.endpoints]]
provider = "one"
price = {json.dumps(PRICES["gold"]).replace(":", " =").replace("{", "{{").replace("}", "}}")}
"""


@dataclass(frozen=True)
class Shop:
    """A running server with an account and its key."""

    harbor: Harbor
    account: str
    key: str

    def get(self, path: str) -> Any:
        answer = httpx.get(f"{self.harbor.url}{path}", headers={"authorization": f"Bearer {self.key}"}, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def balance(self) -> Decimal:
        return Decimal(self.get("/v1/account/balance")["balance_usd"])

    def ask(self, model: str = "one/sim", text: str = TEXT, *, stream: bool = False) -> httpx.Response:
        turns = [{"role": "user", "content": text}]
        asked = {"model": model, "max_tokens": 350, "temperature": 0.5, "messages": turns, "stream": stream}
        headers = {"authorization": f"Bearer {self.key}"}
        url = f"{self.harbor.url}/v1/chat/completions"
        return httpx.post(url, json=asked, headers=headers, timeout=30)

    def buy(self, model: str = "one/sim", *, stream: bool = False) -> Any:
        """A request, answered; its receipt."""
        answer = self.ask(model, stream=stream)
        assert answer.status_code == 200, answer.text
        return self.get(f"/v1/requests/{answer.headers['x-request-id']}")


def price_of(sold: str, *, markup_bp: int = 0, discount_bp: int = 0) -> Decimal:
    """What the counts cost at a published price under these terms, rounded up to the nano."""
    published = published_price(sold)
    exact = published * (10_000 + markup_bp) * (10_000 - discount_bp) / Fraction(10_000**2)
    return rounded_up(exact)


def published_price(sold: str) -> Fraction:
    return sum((Fraction(PRICES[sold][unit]) * count for unit, count in COUNTS.items()), Fraction()) / 10**6


def rounded_up(exact: Fraction) -> Decimal:
    nano = exact * 10**9
    return Decimal(-(-nano.numerator // nano.denominator)).scaleb(-9).quantize(Decimal("1e-9"), ROUND_CEILING)


@contextlib.contextmanager
def running_shop(folder: Path, edition: str, *, own: str = "") -> Iterator[Shop]:
    """`own`: an edition that states this beside what it extends."""
    folder.chmod(0o755)
    with contextlib.ExitStack() as stack:
        simulator, url = start_simulator(SCRIPT, folder)
        stack.callback(simulator.stop)
        named = edition
        if own:
            named = str(folder / "own.toml")
            Path(named).write_text(f'extends = "{edition}"\n{own}')
        harbor = make_harbor(folder, url, f'edition = "{named}"\n{CONFIG}')
        stack.callback(harbor.stop)
        yield Shop(harbor, harbor.account, harbor.key)


def test_TH_B1_usage_is_priced_by_model_and_provider_and_deducted_after_each_request(tmp_path: Path) -> None:
    with running_shop(tmp_path, "token-harbor") as shop:
        balance = shop.balance()
        assert balance == 100
        for model, sold, stream in (("one/sim", "one", False), ("two/sim", "two", False), ("two/sim", "two", True)):
            receipt = shop.buy(model, stream=stream)
            cost = price_of(sold)
            assert (receipt["model"], receipt["provider"]) == ("sim", sold)
            assert {unit: receipt["usage"][unit] for unit in COUNTS} == COUNTS
            assert (Decimal(receipt["cost_usd"]), shop.balance()) == (cost, balance - cost)
            balance -= cost
        assert shop.ask(text=f"{TEXT} [fail]").status_code in {500, 502}
        assert shop.balance() == balance  # what is not answered is not deducted
        books.verified(shop.harbor)
        check_prepaid(shop)
        check_no_subscription(shop, balance)


def check_prepaid(shop: Shop) -> None:
    """Without credit no request is served."""
    account = shop.harbor.cli("accounts", "create", "--email", "empty@example.com")["id"]
    refused = Shop(shop.harbor, account, shop.harbor.new_key(account)).ask()
    assert (refused.status_code, refused.json()["error"]["code"]) == (402, "insufficient_quota")


def check_no_subscription(shop: Shop, balance: Decimal) -> None:
    """A year in which nothing is asked costs nothing."""
    rows = shop.harbor.cli("ledger", "export", shop.account)
    shop.harbor.stop()
    shop.harbor.start_ahead(400 * 24)
    assert shop.balance() == balance
    assert shop.harbor.cli("ledger", "export", shop.account) == rows
    assert {row["Type"] for row in rows} == {"operator", "usage"}


def test_TH_B2_the_price_is_the_published_one_and_a_markup_by_model(tmp_path: Path) -> None:
    with running_shop(tmp_path, "token-harbor") as shop:
        receipt = shop.buy()
        assert Decimal(receipt["cost_usd"]) == price_of("one")
        assert (receipt["price"]["markup_bp"], receipt["price"]["discount_bp"]) == (0, 0)
        lines = {line["unit"]: (line["count"], line["pico_usd_each"]) for line in receipt["price"]["lines"]}
        assert lines == {unit: (count, int(Decimal(PRICES["one"][unit]) * 10**6)) for unit, count in COUNTS.items()}
        named = shop.harbor.cli("catalog", "price", receipt["price"]["version"])
        assert {line["unit"]: Decimal(line["usd"]) for line in named["lines"]} == {
            unit: Decimal(usd) for unit, usd in PRICES["one"].items()
        }


def test_TH_B2_the_operator_sets_the_markup_of_each_model(tmp_path: Path) -> None:
    own = "[price]\nmarkup_bp = 100\nmarkup_bp_by_model = { sim = 1234 }\n"
    with running_shop(tmp_path, "token-harbor", own=own) as shop:
        receipt = shop.buy()
        assert Decimal(receipt["cost_usd"]) == price_of("one", markup_bp=1234)
        assert receipt["price"]["markup_bp"] == 1234
        shop.harbor.cli("credit", shop.account, "--usd", "100", "--pool", "paid", "--reason", "gold is dear")
        assert Decimal(shop.buy("gold")["cost_usd"]) == price_of("gold", markup_bp=100)


def test_TH_B2_volume_is_discounted(database_url: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with contextlib.ExitStack() as stack:
        simulator, url = start_simulator(SCRIPT, tmp_path)
        stack.callback(simulator.stop)
        cashier = stack.enter_context(running_cashier("token-harbor", "paypal", database_url, start=False))
        config = cashier.harbor.home / "tokenharbor.toml"
        config.write_text(config.read_text() + CONFIG.format(url=url))
        cashier.harbor.env["SIM_KEY"] = "vendor-key"
        cashier.start()
        for pack in ("100", "10"):
            opened = cashier.create(pack)
            cashier.pay(opened)
            cashier.wait_for(opened)
        shop = Shop(cashier.harbor, cashier.account, cashier.harbor.new_key(cashier.account))
        (tier, *_) = cashier.cli("edition", "show")["price"]["volume_tiers"]
        assert Decimal(tier["from_usd"]) <= price_of("gold")
        first = shop.buy("gold")
        assert (Decimal(first["cost_usd"]), first["price"]["discount_bp"]) == (price_of("gold"), 0)
        until = time.monotonic() + VOLUME_SECONDS
        while (receipt := shop.buy())["price"]["discount_bp"] == 0:
            assert Decimal(receipt["cost_usd"]) == price_of("one")
            assert time.monotonic() < until
            time.sleep(0.5)
        assert receipt["price"]["discount_bp"] == tier["discount_bp"]
        assert Decimal(receipt["cost_usd"]) == price_of("one", discount_bp=tier["discount_bp"])
        assert cashier.cli("ledger", "verify")["fault"] is None


def test_LNK_1_the_total_is_the_models_fee_and_the_platforms_service_fee(tmp_path: Path) -> None:
    with running_shop(tmp_path, "tokenhub") as shop:
        plans = shop.harbor.cli("edition", "show")["plans"]
        fees = {name: plans[name]["service_fee_bp"] for name in ("starter", "pro", "enterprise")}
        assert (fees["starter"], fees["enterprise"]) == (300, 0)
        assert 0 <= fees["pro"] < 300
        check_fee(shop, 300)  # 3% by default
        for plan, fee_bp in fees.items():
            shop.harbor.cli("accounts", "plan", shop.account, plan)
            time.sleep(1)  # within which a change is in force
            check_fee(shop, fee_bp)
        books.verified(shop.harbor)


def check_fee(shop: Shop, fee_bp: int) -> None:
    """On top of the model's fee, and a line of its own."""
    balance, receipt = shop.balance(), shop.buy()
    model, fee, total = (Decimal(receipt[name]) for name in ("model_usd", "service_fee_usd", "cost_usd"))
    published = published_price("one")
    assert (model, total) == (rounded_up(published), rounded_up(published * Fraction(10_000 + fee_bp, 10_000)))
    assert (model + fee, receipt["price"]["fee_bp"]) == (total, fee_bp)
    assert shop.balance() == balance - total


def test_LNK_1_an_account_may_have_the_fee_waived_by_the_operators_own_terms(tmp_path: Path) -> None:
    own = "[plans.pro]\nservice_fee_bp = 0\n[plans.enterprise]\nservice_fee_bp = 75\ndiscount_bp = 200\n"
    with running_shop(tmp_path, "tokenhub", own=own) as shop:
        shop.harbor.cli("accounts", "plan", shop.account, "pro")
        time.sleep(1)
        check_fee(shop, 0)
        shop.harbor.cli("accounts", "plan", shop.account, "enterprise")
        time.sleep(1)
        receipt = shop.buy()
        assert Decimal(receipt["model_usd"]) == price_of("one", discount_bp=200)
        assert (receipt["price"]["fee_bp"], receipt["price"]["discount_bp"]) == (75, 200)


def test_RLY_1_the_upstream_rate_with_a_discount_and_each_call_in_the_logs(tmp_path: Path) -> None:
    with running_shop(tmp_path, "relay") as shop:
        discount_bp = shop.harbor.cli("edition", "show")["price"]["discount_bp"]
        assert discount_bp > 0
        cost = {sold: price_of(sold, discount_bp=discount_bp) for sold in ("one", "two")}
        assert cost["one"] < price_of("one")
        bought = [shop.buy("one/sim"), shop.buy("two/sim", stream=True)]
        assert [Decimal(receipt["cost_usd"]) for receipt in bought] == [cost["one"], cost["two"]]
        logged = shop.get("/v1/requests?limit=100")["data"]
        assert [each["id"] for each in logged] == [receipt["id"] for receipt in reversed(bought)]
        for each in logged:
            assert (each["model"], {unit: each["usage"][unit] for unit in COUNTS}) == ("sim", COUNTS)
            assert Decimal(each["cost_usd"]) == cost[each["provider"]]
        rows = list(csv.DictReader(shop.harbor.run("usage", shop.account, "--csv").stdout.splitlines()))
        for row, receipt in zip(rows, bought, strict=True):
            assert (row["Request ID"], row["Model"]) == (receipt["id"], "sim")
            assert [int(row[f"{name} tokens"]) for name in ("Input", "Cache read", "Output")] == [*COUNTS.values()]
            assert Decimal(row["Cost USD"]) == Decimal(receipt["cost_usd"])
        books.verified(shop.harbor)
