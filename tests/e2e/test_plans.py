"""Plans and keys, changed by command while a server runs: in force within a second of the command's end."""

import asyncio
import itertools
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.e2e import books
from tests.e2e.harbor import Harbor, make_harbor
from tests.e2e.raw_client import CHAT, ClientAnswer, ask, get, question, read, soon
from tests.e2e.vendor import Vendor

from tokenharbor.editions.load import load_edition, write_edition

pytestmark = pytest.mark.slow

CONFIG = """
edition = "../tokenhub.toml"

[processors.pretended]
enabled = true

[providers.one]
wire = "openai_chat"
base_url = "{url}/v1"
credential = "env:SIM_KEY"
region = "us"

[providers.two]
wire = "openai_chat"
base_url = "{url}/v1"
credential = "env:SIM_KEY"
region = "eu"

[models.sim]
context = 200000
max_output = 8192

[[models.sim.endpoints]]
provider = "one"
price = {{ input = "1", output = "2" }}

[[models.sim.endpoints]]
provider = "two"
price = {{ input = "10", output = "20" }}

[models."sim:free"]
context = 200000
max_output = 8192

[[models."sim:free".endpoints]]
provider = "one"
upstream_model = "sim"
free = true
"""
"""In the edition, Pro's requests stay in the eu."""


@pytest.fixture(scope="module")
def harbor() -> Iterator[Harbor]:
    policy = load_edition("tokenhub")
    pro = replace(policy.plans["pro"], regions=("eu",))
    with tempfile.TemporaryDirectory(prefix="th-e2e-") as name, Vendor() as vendor:
        folder = Path(name)
        folder.chmod(0o755)
        plans = {**policy.plans, "pro": pro}
        (folder / "tokenhub.toml").write_text(write_edition(replace(policy, plans=plans)))
        harbor = make_harbor(folder, vendor.url, CONFIG)
        try:
            yield harbor
        finally:
            harbor.stop()


@pytest.fixture
def account(harbor: Harbor) -> str:
    return harbor.new_account(f"tester{next(NUMBERS)}@example.com")


NUMBERS = itertools.count(1)


async def _change(harbor: Harbor, *words: str) -> Any:
    """Made by command."""
    return await asyncio.to_thread(harbor.cli, *words)


async def _ask(harbor: Harbor, key: str, model: str = "sim") -> ClientAnswer:
    return await ask(harbor.url, question(CHAT, key, model=model))


async def _provider(harbor: Harbor, key: str) -> str:
    return (await _ask(harbor, key)).headers["x-tokenharbor-provider"]


async def _status(harbor: Harbor, key: str, path: str = CHAT, model: str = "sim") -> int | None:
    return (await ask(harbor.url, question(path, key, model=model))).status


async def _until_it_is(look: Callable[[], Awaitable[object]], wanted: object) -> None:
    async def holds() -> bool:
        return await look() == wanted

    await soon(holds)


async def test_LNK_8_a_plans_regions_are_boundaries_of_all_its_requests(harbor: Harbor, account: str) -> None:
    key = harbor.new_key(account)
    assert await _provider(harbor, key) == "one", "the cheaper one"
    await _change(harbor, "accounts", "plan", account, "pro")
    await _until_it_is(lambda: _provider(harbor, key), "two")  # the one in the eu


async def test_TH_A4_a_change_of_a_keys_rules_is_in_force_in_a_second(harbor: Harbor, account: str) -> None:
    issued = harbor.cli("keys", "create", account, "--deny-providers", "one")
    key = issued["key"]
    assert await _provider(harbor, key) == "two"
    await _change(harbor, "keys", "change", issued["id"], "--deny-providers", "none")
    await _until_it_is(lambda: _provider(harbor, key), "one")
    await _change(harbor, "keys", "change", issued["id"], "--daily-usd", "0.000000001")
    await _until_it_is(lambda: _status(harbor, key), 402)
    await _change(harbor, "keys", "change", issued["id"], "--daily-usd", "0")
    await _until_it_is(lambda: _status(harbor, key), 200)


async def test_TH_F1_who_tops_up_has_more_free_requests_in_the_same_window(harbor: Harbor, account: str) -> None:
    key = harbor.new_key(account)
    await _change(harbor, "accounts", "free-models", account, "on")
    await _until_it_is(lambda: _status(harbor, key, f"{CHAT}?dry_run=1", "sim:free"), 200)
    statuses = [(await _ask(harbor, key, "sim:free")).status for _ in range(26)]
    assert statuses == [200] * 25 + [429]
    opened = await asyncio.to_thread(harbor.cli, "topups", "create", account, "--usd", "10.00")
    paid = await asyncio.to_thread(harbor.cli, "topups", "sync", opened["id"])
    assert (paid["state"], paid["pretended"]) == ("paid", True)
    await _until_it_is(lambda: _status(harbor, key, model="sim:free"), 200)
    assert books.verified(harbor)["ok"]


async def test_TH_A7_a_free_model_has_a_badge_in_the_list_and_on_the_page(harbor: Harbor, account: str) -> None:
    listed = await read(harbor.url, "/v1/models", harbor.new_key(account))
    free = {model["id"]: (model["free"], model["pricing"]["input"]) for model in listed["data"] if "sim" in model["id"]}
    assert free == {"sim": (False, "1"), "sim:free": (True, "0")}
    page = (await get(harbor.url, "/")).body.decode()
    assert '<code>sim:free</code><span class="on">available</span><span class="on">free</span>' in page
    assert '{"model": "sim:free"' not in page, "a first request must not need a consent"


async def test_LNK_8_an_edition_that_lacks_a_plan_in_use_is_not_loaded(harbor: Harbor, account: str) -> None:
    await _change(harbor, "accounts", "plan", account, "enterprise")
    assert harbor.server is not None
    config = harbor.home / "tokenharbor.toml"
    kept = config.read_text()
    config.write_text(kept.replace("../tokenhub.toml", "relay"))
    try:
        harbor.server.process.send_signal(signal.SIGHUP)
        said = await asyncio.to_thread(harbor.server.wait_for, r".*no plan 'enterprise'.*not_reloaded.*")
    finally:
        config.write_text(kept)
    assert "accounts plan ID NAME" in said[0]
    assert (await _ask(harbor, harbor.new_key(account))).how == "complete"
