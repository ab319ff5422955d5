"""A key's limit and usage, in the shapes that clients of model routers read."""

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.gateway.house import House

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def data_of(house: House, path: str) -> Any:
    said = await house.get(path)
    assert said.status == 200, said.body
    return json.loads(said.body, parse_float=Decimal)["data"]


async def test_a_keys_spending_grows_by_what_a_request_costs(house: House) -> None:
    before, had = await data_of(house, "/v1/key"), await data_of(house, "/v1/credits")
    answer = await house.chat()
    request_id = answer.headers["x-request-id"]
    cost = Decimal((await house.receipt(request_id))["cost_usd"])
    after, has = await data_of(house, "/v1/key"), await data_of(house, "/v1/credits")
    assert cost > 0
    for field in ("usage", "usage_daily", "usage_weekly", "usage_monthly"):
        assert after[field] - before[field] == cost, field
    assert has["total_usage"] - had["total_usage"] == cost
    assert has["total_credits"] == had["total_credits"]
    assert (after["limit"], after["limit_remaining"]) == (None, None)
    shown = await data_of(house, f"/v1/generation?id={request_id}")
    assert (shown["id"], shown["total_cost"]) == (request_id, cost)
    assert shown["native_tokens_completion"] > 0


async def test_a_generation_that_is_not_there_is_a_404_and_no_id_a_400(house: House) -> None:
    for path, status in (("?id=req_00000000000000000000000000", 404), ("?id=gen-1", 400), ("", 400)):
        assert (await house.get(f"/v1/generation{path}")).status == status, path


async def test_activity_has_whole_days_only(house: House) -> None:
    await house.chat()
    assert await data_of(house, "/v1/activity") == []


async def test_without_a_key_nothing_is_said(house: House) -> None:
    for path in ("/v1/key", "/v1/credits", "/v1/generation?id=x", "/v1/activity"):
        assert (await house.ask("GET", path)).status == 401, path
