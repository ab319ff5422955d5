"""The scope of the exact cache, from outside: in each dialect, every fact of a request that can change its answer is
changed, one at a time, and no changed request gets the answer of the first.
"""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.gateway.house import CHAT, HELLO, RESPONSES, House
from tests.gateway.questions import BOUND, PLACES, REQUESTS, SCHEMA, changed, message, plain_chat
from tests.gateway.raw import RawAnswer

from tokenharbor.accounts.caching import share_cache
from tokenharbor.identity.ring import KeyRing
from tokenharbor.identity.store import KeyRules

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def keeping(house: House) -> House:
    house.keep_answers()
    return house


async def ask(house: House, name: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> RawAnswer:
    said = await house.post(REQUESTS[name][0], body, headers)
    assert said.status == 200, said.body
    return said


def layer(said: RawAnswer) -> str:
    return str(said.headers["x-tokenharbor-cache"])


@pytest.mark.parametrize("name", REQUESTS)
async def test_every_single_fact_of_a_request_counts(keeping: House, name: str) -> None:
    body = REQUESTS[name][1]()
    assert layer(await ask(keeping, name, body)) == "none"
    assert layer(await ask(keeping, name, body)) == "exact"
    for path in PLACES[name]:
        edited = changed(body, path, "x")
        assert edited is not None
        assert layer(await ask(keeping, name, edited)) == "none", f"{path} does not count"
    assert layer(await ask(keeping, name, body)) == "exact"


CHANGES: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
    "another model": ("openai_chat", lambda body: body.update(model="quad")),
    "a pinned provider": ("openai_chat", lambda body: body.update(model="alpha/duo")),
    "a boundary": ("openai_chat", lambda body: body.update(provider=BOUND)),
    "a role": ("openai_chat", lambda body: body["messages"][0].update(role="user")),
    "a picture": ("openai_chat", lambda body: body["messages"][1]["content"].pop()),
    "a choice of tools": ("openai_chat", lambda body: body.update(tool_choice="required")),
    "no tools": ("openai_chat", lambda body: [body.pop("tools"), body.pop("tool_choice")]),
    "a field that nobody knows": ("openai_chat", lambda body: body.update(whim=1)),
    "one turn more": ("plain", lambda body: body["messages"].append({"role": "user", "content": "And now?"})),
    "no system prompt": ("plain", lambda body: body["messages"].pop(0)),
    "no end user": ("plain", lambda body: body.pop("user")),
    "thinking": ("anthropic_messages", lambda body: body.update(thinking={"type": "enabled", "budget_tokens": 1024})),
    "no end user's id": ("anthropic_messages", lambda body: body.pop("metadata")),
    "effort": ("openai_responses", lambda body: body.update(reasoning={"effort": "high"})),
    "a mode of tools": ("gemini", lambda body: body["toolConfig"]["functionCallingConfig"].update(mode="ANY")),
}
"""What single values do not show."""


@pytest.mark.parametrize("change", CHANGES)
async def test_whatever_else_may_change_the_answer_counts(keeping: House, change: str) -> None:
    name, edit = CHANGES[change]
    body = REQUESTS[name][1]()
    await ask(keeping, name, body)
    edited = copy.deepcopy(body)
    edit(edited)
    assert layer(await ask(keeping, name, edited)) == "none"
    assert layer(await ask(keeping, name, body)) == "exact"


async def test_a_tool_that_says_nothing_of_strictness_is_another_one_in_another_dialect(keeping: House) -> None:
    look = {"name": "look", "description": "looks", "parameters": SCHEMA}
    told = {"model": "duo", "temperature": 0}
    chat = told | {"messages": HELLO, "tools": [{"type": "function", "function": look}]}
    assert layer(await keeping.post(CHAT, chat)) == "none"
    responses = told | {"input": HELLO, "tools": [{"type": "function", **look}]}
    assert layer(await keeping.post(RESPONSES, responses)) == "none", "there it is strict"
    assert layer(await keeping.post(RESPONSES, responses)) == "exact"
    assert layer(await keeping.post(CHAT, chat)) == "exact"


HEADERS = {"anthropic-beta": "interleaved-thinking-2025-05-14"}, {"x-tokenharbor-provider": json.dumps(BOUND)}


@pytest.mark.parametrize("headers", HEADERS, ids=["beta", "rules"])
async def test_headers_that_reach_a_provider_or_bind_it_count(keeping: House, headers: dict[str, str]) -> None:
    await ask(keeping, "anthropic_messages", message())
    assert layer(await ask(keeping, "anthropic_messages", message(), headers)) == "none"
    assert layer(await ask(keeping, "anthropic_messages", message(), headers)) == "exact"
    assert layer(await ask(keeping, "anthropic_messages", message(), {"x-app": "other"})) == "exact"


async def test_no_answer_crosses_an_account_or_a_key(keeping: House) -> None:
    await ask(keeping, "plain", plain_chat())
    first = keeping.payer
    keeping.payer = await keeping.new_key(first.account_id)
    assert layer(await ask(keeping, "plain", plain_chat())) == "none"
    keeping.payer = await keeping.new_payer()
    assert layer(await ask(keeping, "plain", plain_chat())) == "none"
    keeping.payer = first
    assert layer(await ask(keeping, "plain", plain_chat())) == "exact"


async def share(house: House, *, shared: bool) -> None:
    async with house.harbor.pool.acquire() as conn:
        await share_cache(conn, house.payer.account_id, shared=shared)
    ring = house.parts.ring
    assert isinstance(ring, KeyRing)
    await ring.refresh()


async def test_an_owner_may_share_answers_in_the_account(keeping: House) -> None:
    first, user = keeping.payer, plain_chat() | {"user": "u2"}
    await share(keeping, shared=True)
    await ask(keeping, "plain", plain_chat())
    keeping.payer = await keeping.new_key(first.account_id)
    assert layer(await ask(keeping, "plain", plain_chat())) == "exact"
    assert layer(await ask(keeping, "plain", user)) == "exact"
    keeping.payer = await keeping.new_payer()
    await share(keeping, shared=True)
    assert layer(await ask(keeping, "plain", plain_chat())) == "none"
    keeping.payer = first
    await share(keeping, shared=False)
    assert layer(await ask(keeping, "plain", user)) == "none"


@pytest.mark.parametrize("bound", [{"model": "alpha/duo"}, {"provider": BOUND}], ids=["pinned", "rules"])
async def test_an_answer_of_a_pinned_provider_serves_its_own_key_alone(keeping: House, bound: dict[str, Any]) -> None:
    first, body = keeping.payer, plain_chat() | bound
    await share(keeping, shared=True)
    await ask(keeping, "plain", body)
    assert layer(await ask(keeping, "plain", body)) == "exact"
    keeping.payer = await keeping.new_key(first.account_id)
    assert layer(await ask(keeping, "plain", body)) == "none"


async def test_a_keys_rules_are_a_scope_in_a_sharing_account(keeping: House) -> None:
    first = keeping.payer
    await share(keeping, shared=True)
    await ask(keeping, "plain", plain_chat())
    keeping.payer = await keeping.new_key(first.account_id, KeyRules(providers=("alpha",)))
    assert layer(await ask(keeping, "plain", plain_chat())) == "none"
    keeping.payer = await keeping.new_key(first.account_id, KeyRules(denied_providers=("beta",)))
    assert layer(await ask(keeping, "plain", plain_chat())) == "none"
