"""`?dry_run=1`: the route, dropped candidates with reasons, and the quote; nothing is held, no provider called."""

from typing import Any

import pytest
from tests.gateway.house import CHAT, HELLO, MESSAGES, House

from tokenharbor.identity.store import KeyRules
from tokenharbor.kernel.money import Usd

pytestmark = pytest.mark.asyncio(loop_scope="session")

BOTH = pytest.mark.parametrize("path", [CHAT, MESSAGES], ids=["chat", "messages"])


async def dry(house: House, path: str, model: str = "duo", **more: Any) -> Any:
    body = {"model": model, "messages": HELLO, "max_tokens": 500, **more}
    said = await house.post(f"{path}?dry_run=1", body)
    assert said.status == 200, said.body
    assert {"route", "dropped", "quote", "affordable"} <= set(said.json())
    assert said.headers["x-request-id"].startswith("req_")
    for private in ("env:", "vendor-secret", "KEY_OF", "127.0.0.1"):
        assert private not in said.body.decode()
    return said.json()


async def check_nothing_happened(house: House, balance: str = "100.000000000") -> None:
    assert sum(house.parts.metrics._requests.values()) == 0, "a dry run is no request"
    assert await house.called() == []
    assert await house.money() == (balance, "0.000000000")
    assert (await house.get("/v1/requests")).json()["data"] == []


def names(rows: Any) -> list[str]:
    return [row["provider"] for row in rows]


@BOTH
@pytest.mark.parametrize("stream", [True, False])
async def test_the_route_and_the_quote(house: House, path: str, stream: bool) -> None:
    said = await dry(house, path, "quad", stream=stream)
    assert names(said["route"]) == ["alpha", "beta", "gamma"]
    assert {row["model"] for row in said["route"]} == {"quad"}
    assert [row["region"] for row in said["route"]] == ["eu", "us", None]
    assert " 3 " in {row["provider"]: row["why"] for row in said["dropped"]}["delta"]
    assert (said["affordable"], said["quote"]["currency"], said["quote"]["output_tokens"]) == (True, "USD", 500)
    await check_nothing_happened(house)


@BOTH
async def test_the_quote_is_what_will_be_held_and_covers_the_cost(house: House, path: str) -> None:
    house.use_edition("tokenhub")
    quoted = Usd.parse((await dry(house, path))["quote"]["amount_usd"])
    said = await house.post(path, {"model": "duo", "messages": HELLO, "max_tokens": 500})
    receipt = await house.receipt(said.headers["x-request-id"])
    assert Usd.parse(receipt["hold_usd"]) == quoted >= Usd.parse(receipt["cost_usd"]) > 0


@BOTH
async def test_without_money_it_works_and_says_so(house: House, path: str) -> None:
    house.payer = await house.new_payer("0")
    said = await dry(house, path)
    assert (said["affordable"], names(said["route"])) == (False, ["alpha", "beta"])
    await check_nothing_happened(house, "0.000000000")


@BOTH
async def test_rules_show_in_what_is_dropped(house: House, path: str) -> None:
    said = await dry(house, path, "quad", provider={"ignore": ["alpha"], "region": "us"})
    assert names(said["route"]) == ["beta"]
    why = {row["provider"]: row["why"] for row in said["dropped"]}
    assert why.keys() == {"alpha", "gamma", "delta"}
    assert "provider.ignore" in why["alpha"]
    assert why["gamma"] == why["delta"]
    assert "provider.region us" in why["gamma"]


@BOTH
async def test_rules_that_leave_nobody_are_an_answer_too(house: House, path: str) -> None:
    said = await dry(house, path, provider={"only": ["nobody"]})
    assert (said["route"], said["quote"], said["affordable"]) == ([], None, False)
    assert set(names(said["dropped"])) == {"alpha", "beta"}
    house.payer = await house.new_key(house.payer.account_id, KeyRules(providers=("gamma",)))
    assert (await dry(house, path))["route"] == []
    await check_nothing_happened(house)


@BOTH
async def test_without_failover_the_route_has_one(house: House, path: str) -> None:
    house.use_edition("token-hub")
    assert names((await dry(house, path, "quad"))["route"]) == ["alpha"]


@BOTH
async def test_who_cools_goes_last(house: House, path: str) -> None:
    house.fail("kind = 'status', status = 500")
    await house.post(path, {"model": "duo", "messages": HELLO, "max_tokens": 5})
    assert names((await dry(house, path))["route"]) == ["beta", "alpha"]


@BOTH
async def test_a_key_and_a_sound_request_are_needed(house: House, path: str) -> None:
    body = {"model": "duo", "messages": HELLO, "max_tokens": 5}
    assert (await house.post(f"{path}?dry_run=1", body, {"x-api-key": "bad"})).status == 401
    assert (await house.post(f"{path}?dry_run=1", body | {"model": "duoo"})).error["code"] == "model_not_found"
    assert (await house.post(f"{path}?dry_run=1", b"{")).error["code"] == "invalid_request"
    await check_nothing_happened(house)


@BOTH
async def test_without_the_1_it_is_a_request(house: House, path: str) -> None:
    body = {"model": "solo", "messages": HELLO, "max_tokens": 5}
    assert (await house.post(f"{path}?dry_run=0", body)).status == 200
    assert (await house.post(f"{path}?beta=true", body)).status == 200, "which is what Claude Code adds"
    assert await house.called() == ["alpha", "alpha"]
