"""Receipts list every candidate that was not asked, and why, without any content of the request."""

import json
from typing import Any

import pytest
from tests.gateway.house import CHAT, HELLO, House

from tokenharbor.billing.check import check_receipt, read_keys
from tokenharbor.identity.store import KeyRules
from tokenharbor.routing.drops import DROP_WORDS, DropCode

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def not_asked(house: House, model: str = "quad", **more: Any) -> dict[str, str]:
    said = await house.chat(model, **more)
    receipt = await house.receipt(said.headers["x-request-id"])
    codes = {row["provider"]: row["code"] for row in receipt["not_asked"]}
    assert codes.keys().isdisjoint(attempt["provider"] for attempt in receipt["attempts"])
    return codes


async def test_a_receipt_tells_who_stood_behind_and_who_was_one_too_many(house: House) -> None:
    assert await not_asked(house) == {"beta": "behind", "gamma": "behind", "delta": "at_most"}
    assert await not_asked(house, "solo") == {}


async def test_the_rules_of_a_request_are_told(house: House) -> None:
    rules: Any = {"ignore": ["alpha"], "region": "us"}
    assert await not_asked(house, provider=rules) == {"alpha": "ignored", "gamma": "region", "delta": "region"}
    rules = {"only": ["alpha", "beta"], "retention": "none"}
    codes = {"beta": "retention", "gamma": "pinned", "delta": "pinned"}
    assert await not_asked(house, provider=rules) == codes
    rules = {"max_price": {"input": "1.50"}}
    assert await not_asked(house, provider=rules) == dict.fromkeys(("beta", "gamma", "delta"), "max_price")


async def test_the_rules_of_a_key_are_told(house: House) -> None:
    house.payer = await house.new_key(house.payer.account_id, KeyRules(providers=("alpha", "gamma")))
    assert await not_asked(house) == {"gamma": "behind", "beta": "key", "delta": "key"}


async def test_who_has_just_failed_is_told(house: House) -> None:
    house.fail("kind = 'status', status = 500")
    assert await not_asked(house, "duo") == {}  # both were asked
    assert await not_asked(house, "duo") == {"alpha": "cooling"}


async def test_a_field_that_a_provider_cannot_be_told_is_named(house: House) -> None:
    said = await house.chat("mixed", n=2)
    receipt = await house.receipt(said.headers["x-request-id"])
    (anthropic,) = [row for row in receipt["not_asked"] if row["provider"] == "far_anthropic_messages"]
    assert (anthropic["code"], anthropic["field"]) == ("unsupported", "n")
    assert anthropic["why"] == DROP_WORDS[DropCode.UNSUPPORTED]


async def test_whoever_is_passed_over_on_the_way_is_told(house: House) -> None:
    """A value is found to have no form in a provider's dialect only when it is written."""
    file = {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,/////w=="}}
    said = await house.chat("mixed", messages=[{"role": "user", "content": [file]}])
    receipt = await house.receipt(said.headers["x-request-id"])
    assert receipt["provider"] == "far_gemini"
    codes = {row["provider"]: row["code"] for row in receipt["not_asked"]}
    assert codes["far_anthropic_messages"] == "unsupported"


async def test_a_size_without_a_price_is_told(house: House) -> None:
    said = await house.post("/v1/images/generations", {"model": "painter", "prompt": "x", "size": "1792x1024"})
    receipt = await house.receipt(said.headers["x-request-id"])
    assert [(row["provider"], row["code"]) for row in receipt["not_asked"]] == [("beta", "behind")]


async def test_the_dry_run_has_the_same_codes(house: House) -> None:
    body = {"model": "quad", "messages": HELLO, "max_tokens": 5, "provider": {"ignore": ["alpha"]}}
    dropped = (await house.post(f"{CHAT}?dry_run=1", body)).json()["dropped"]
    assert {row["provider"]: row["code"] for row in dropped} == {"alpha": "ignored"}


async def test_a_receipt_that_tells_candidates_is_valid_and_has_no_word_of_the_prompt(house: House) -> None:
    secret = "the-caller-says-so"
    said = await house.chat("quad", messages=[{"role": "user", "content": secret}], provider={"ignore": ["alpha"]})
    receipt = await house.receipt(said.headers["x-request-id"])
    assert json.loads(receipt["detail"])["not_asked"][-1] == ["alpha", "ignored"]
    assert secret not in json.dumps(receipt)
    keys = read_keys((await house.get("/.well-known/tokenharbor-receipts.json")).body, "the well-known file")
    assert check_receipt(json.dumps(receipt).encode(), keys).fault is None
