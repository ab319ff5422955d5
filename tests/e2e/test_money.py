"""At the end of the money: exactly what fits is served, however many ask at once, and the rest is told why not."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.e2e import books
from tests.e2e.auditor import nano
from tests.e2e.house import INPUT_PICO, OUTPUT_PICO, House, cost
from tests.e2e.midnight import away_from_midnight
from tests.e2e.raw_client import CHAT, MESSAGES, PATHS, ClientAnswer, ClientRequest, Ending, ask, question, read, until

from tokenharbor.kernel.money import Usd

pytestmark = pytest.mark.slow

MAX_TOKENS = 100
TEXT = "a text of some length that comes in pieces, as texts do"
_STATE = re.compile(r"balance \$(-?\d+\.\d{2,9}), held \$(\d+\.\d{2,9}), needed \$(\d+\.\d{2,9})")


@pytest.mark.parametrize("at_the_gate", [True, False])
async def test_of_300_at_once_exactly_those_that_fit_succeed(house: House, at_the_gate: bool) -> None:
    asked = _equals(house.harbor.key, 300)
    each, tokens = await house.quote(asked[0])
    left = each - 1  # of a wallet for exactly forty
    _, key = house.new_wallet(40 * each + left)
    house.vendor.set_answer(_as_dear_as_quoted(tokens))
    if at_the_gate:
        house.vendor.shut()
    heard, asking = await house.ask_all([replace(one, key=key) for one in asked])
    if at_the_gate:
        await until(lambda: (_answered(heard), house.vendor.waiting) == (260, 40))
        assert await books.balance(house.url, key) == (left, 40 * each)
        house.vendor.open()
    await asking
    assert (_count(heard, "complete"), _count(heard, "failed")) == (40, 260)
    for one in heard:
        if one.how == "failed":
            available, held, needed = _refused(one)
            assert (available, needed) == (nano(Usd(left).brief_down()), nano(Usd(each).brief_up()))
            assert held in {nano(Usd(count * each).brief_up()) for count in range(41)}
    assert await books.balance(house.url, key) == (left, 0)
    billed = [receipt for receipt in await books.receipts(house.url, key) if "entry" in receipt]
    assert {receipt["id"] for receipt in billed} == {one.id for one in heard if one.how == "complete"}
    assert [nano(receipt["cost_usd"]) for receipt in billed] == [each] * 40
    assert books.verified(house.harbor)["ok"]


@pytest.mark.parametrize("limit", ["quota", "daily", "monthly"])
async def test_a_keys_limit_holds_however_many_ask_at_once(house: House, limit: str) -> None:
    await away_from_midnight()
    asked = _equals(house.harbor.key, 60)
    each, tokens = await house.quote(asked[0])
    account, free = house.new_wallet(100 * each)
    key = house.harbor.new_key(account, f"--{limit}-usd", books.usd(12 * each + 5))
    house.vendor.set_answer(_as_dear_as_quoted(tokens))
    house.vendor.shut()
    heard, asking = await house.ask_all([replace(one, key=key) for one in asked])
    await until(lambda: _answered(heard) == 48)
    assert await books.balance(house.url, key) == (88 * each, 12 * each)
    house.vendor.open()
    await asking
    assert _count(heard, "complete") == 12
    late = await ask(house.url, replace(asked[0], key=key))
    for one in (late, *(one for one in heard if one.how == "failed")):
        _refused(one)
        name = "the key's quota" if limit == "quota" else f"the key's {limit} budget"
        assert f"{name} still allows: $0.000000005 left" in (one.error or {})["message"]
    assert (await ask(house.url, replace(asked[0], key=free))).how == "complete", "it is the key's limit"
    assert await books.balance(house.url, key) == (87 * each, 0)


@pytest.mark.parametrize("short", ["balance", "daily"])
async def test_without_a_maximum_half_of_what_is_left_caps_the_answer(house: House, short: str) -> None:
    await away_from_midnight()
    whole, _ = await house.quote(question(CHAT, house.harbor.key))
    left = whole * 3 // 4
    account, key = house.new_wallet(left if short == "balance" else 10 * whole)
    if short == "daily":
        key = house.harbor.new_key(account, "--daily-usd", books.usd(left))
    for stream in (False, True):
        house.vendor.set_answer({"text": TEXT}, keep_bodies=True)
        asked = question(CHAT, key, stream=stream)
        _, tokens = await house.quote(asked)
        most = (left // 2 * 1000 - tokens * INPUT_PICO) // OUTPUT_PICO
        heard = await ask(house.url, asked)
        assert heard.how == "complete"
        assert int(heard.headers["x-tokenharbor-max-tokens"]) == most
        receipt = await read(house.url, f"/v1/requests/{heard.id}", key)
        assert receipt["max_output_capped"] == most
        assert nano(receipt["hold_usd"]) == cost(tokens, most) <= left // 2
        assert json.loads(house.vendor.records[-1].body or "")["max_tokens"] == most
        left -= nano(receipt["cost_usd"])
        own = replace(asked, body=asked.body[:-1] + b', "max_tokens": 8192}')
        assert _refused(await ask(house.url, own))[2] > left, "a caller's own maximum is not changed"


async def test_below_the_least_answer_a_request_is_refused_rather_than_capped(house: House) -> None:
    asked = question(CHAT, house.harbor.key)
    whole, tokens = await house.quote(asked)
    account, key = house.new_wallet(2 * cost(tokens, 1024) - 1)
    house.vendor.set_answer({"text": TEXT})
    assert _refused(await ask(house.url, replace(asked, key=key)))[2] == nano(Usd(whole).brief_up())
    house.harbor.cli("credit", account, "--usd", books.usd(1), "--pool", "promo", "--reason", "test")
    heard = await ask(house.url, replace(asked, key=key))
    assert (heard.how, heard.headers["x-tokenharbor-max-tokens"]) == ("complete", "1024")


async def test_capped_requests_at_once_never_hold_more_than_there_is(house: House) -> None:
    asked = question(CHAT, house.harbor.key)
    whole, _ = await house.quote(asked)
    amount = whole * 5 // 2
    _, key = house.new_wallet(amount)
    house.vendor.set_answer({"text": TEXT})
    house.vendor.shut()
    heard, asking = await house.ask_all([replace(asked, key=key)] * 20)
    await until(lambda: _answered(heard) + house.vendor.waiting == 20)
    available, held = await books.balance(house.url, key)
    assert available >= 0
    assert available + held == amount
    house.vendor.open()
    await asking
    served = [one for one in heard if one.how == "complete"]
    caps = [int(one.headers["x-tokenharbor-max-tokens"]) for one in served if "x-tokenharbor-max-tokens" in one.headers]
    assert len(served) - len(caps) == 2, "two whole ones fit"
    assert len(caps) >= 1
    assert min(caps) >= 1024
    for one in heard:
        if one.how == "failed":
            _refused(one)
    costs = [nano(receipt["cost_usd"]) for receipt in await books.receipts(house.url, key)]
    assert await books.balance(house.url, key) == (amount - sum(costs), 0)


def _equals(key: str, count: int) -> Sequence[ClientRequest]:
    """Streams and not, in both dialects, all of one length, so that they are all quoted alike."""
    asked = []
    for number in range(count):
        stream = number % 4 < 2
        text = f"{number:03d}" + "." * stream  # "true" is shorter than "false"
        asked.append(question(PATHS[number % 2], key, text, stream=stream, max_tokens=MAX_TOKENS))
    assert len({len(each.body) for each in asked}) == 1
    return asked


def _as_dear_as_quoted(tokens: int) -> dict[str, Any]:
    """An answer whose usage is all that was held for."""
    return {"text": TEXT, "usage": {"input": tokens, "output": MAX_TOKENS}}


def _count(heard: Sequence[ClientAnswer], how: Ending) -> int:
    return sum(one.how == how for one in heard)


def _answered(heard: Sequence[ClientAnswer]) -> int:
    return sum(one.closed for one in heard)


def _refused(heard: ClientAnswer) -> tuple[int, int, int]:
    """The contract's 402, and what its message says: balance, held, needed."""
    error = heard.error
    assert error is not None, heard.raw
    kind = "billing_error" if heard.question.path == MESSAGES else "insufficient_quota"
    assert (heard.status, error["code"], error["type"]) == (402, "insufficient_quota", kind), heard.raw
    assert heard.headers["x-should-retry"] == "false"
    state = _STATE.search(error["message"])
    assert state, error
    available, held, needed = (nano(amount) for amount in state.groups())
    return available, held, needed
