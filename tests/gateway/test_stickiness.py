"""A session keeps its executor: through tool loops, titles, failures and dialects, until the stage clearly changes."""

import asyncio
from typing import Any

import pytest
from tests.gateway.house import MESSAGES, House
from tests.gateway.test_orchestra import IMAGE, NAME, pooled, receipt_of

from tokenharbor.identity.store import KeyRules

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLAN, CODE, SUM, GENERAL = "only-anthropic_messages", "duo", "blind", "quad"
REMINDER = "<system-reminder>\nPlan mode is active. You must not execute or edit anything.\n</system-reminder>"
TOOLS = [
    {"name": name, "description": name, "input_schema": {"type": "object", "properties": {}}}
    for name in ("Read", "Edit", "Bash", "ExitPlanMode")
]
SYSTEM = "You are Claude Code.\n" + "\n".join(f"Rule {number}." for number in range(50))


def user(*texts: str) -> Any:
    return {"role": "user", "content": [{"type": "text", "text": text} for text in texts]}


def calls(name: str, call: str = "t1") -> Any:
    return {"role": "assistant", "content": [{"type": "tool_use", "id": call, "name": name, "input": {}}]}


def result(call: str = "t1", text: str = "done") -> Any:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call, "content": text}]}


@pytest.fixture
def harbor(house: House) -> House:
    house.use_policy(pooled(plan=(PLAN, "solo"), code=(CODE, "only-gemini"), summarise=(SUM,), general=(GENERAL,)))
    return house


class Client:
    """Claude Code's way of asking, under one session's id."""

    def __init__(self, house: House, session: str = "s-1") -> None:
        self.house = house
        self.headers = {"x-claude-code-session-id": session}

    async def ask(self, *messages: Any, stage: str = "", **more: Any) -> tuple[str, str, str]:
        """Stage, model, and why."""
        body = {"model": NAME, "system": SYSTEM, "tools": TOOLS, "max_tokens": 200, "messages": list(messages), **more}
        headers = self.headers | ({"x-tokenharbor-stage": stage} if stage else {})
        said = await self.house.post(MESSAGES, body, headers)
        assert said.status == 200, said.body
        why = (await receipt_of(self.house, said))["why"]
        return said.headers["x-tokenharbor-stage"], said.headers["x-tokenharbor-model"], why


async def test_th_o4_a_session_plans_edits_compacts_and_keeps_its_executor(harbor: House) -> None:
    client = Client(harbor)
    first = user("Add retries to the client.", REMINDER)
    assert (await client.ask(first))[:2] == ("plan", PLAN)
    read = [first, calls("Read"), result()]
    assert await client.ask(*read) == ("plan", PLAN, "inside a tool loop, so nothing changes")
    left = [*read, calls("ExitPlanMode", "t2"), result("t2", "approved")]
    stage, model, why = await client.ask(*left)
    assert (stage, model, why) == ("code", CODE, "the client declared another mode")
    edits = left
    for number in range(3, 7):
        edits = [*edits, calls("Edit", f"t{number}"), result(f"t{number}")]
        assert await client.ask(*edits) == ("code", CODE, "inside a tool loop, so nothing changes")
    compact = user("Your task is to create a detailed summary of the conversation so far.")
    stage, model, why = await client.ask(*edits, {"role": "assistant", "content": "ok"}, compact)
    assert (stage, model) == ("summarise", SUM)
    assert why.startswith("not a turn of its session")
    more = [*edits, calls("Edit", "t9"), result("t9")]
    assert (await client.ask(*more))[:2] == ("code", CODE), "the compaction has moved nothing"


async def test_an_answer_of_one_token_is_a_probe_and_moves_nothing(harbor: House) -> None:
    client = Client(harbor, "s-probe")
    probe = await client.ask(user("quota"), max_tokens=1)
    assert probe[2].startswith("not a turn of its session")
    assert (await client.ask(user("Say something.")))[2] == "the first request of this session"


async def test_th_o4_a_named_stage_moves_the_session_and_a_tool_loop_stays_there(harbor: House) -> None:
    client = Client(harbor, "s-2")
    first = user("Say something.")
    assert (await client.ask(first, stage="plan"))[:2] == ("plan", PLAN)
    loop = [first, calls("Read"), result()]
    assert (await client.ask(*loop))[:2] == ("plan", PLAN)
    assert (await client.ask(*loop, stage="code"))[:2] == ("code", CODE)
    assert (await client.ask(*loop, calls("Read", "t2"), result("t2")))[:2] == ("code", CODE)


async def test_who_stands_in_for_an_executor_stays_in_the_loop_and_goes_with_the_turn(harbor: House) -> None:
    client = Client(harbor, "s-3")
    first = user("Say something.")
    assert (await client.ask(first, stage="code"))[:2] == ("code", CODE)
    harbor.fail("kind = 'status', status = 500", "kind = 'status', status = 500")
    loop = [first, calls("Read"), result()]
    assert (await client.ask(*loop))[:2] == ("code", "only-gemini")
    harbor.fail()
    for seen in (harbor.parts.health._cooling_until, harbor.parts.health._failures):
        seen.clear()
    loop += [calls("Read", "t2"), result("t2")]
    assert (await client.ask(*loop))[:2] == ("code", "only-gemini"), "within the loop"
    turn = [*loop, {"role": "assistant", "content": "ok"}, user("Go on.")]
    assert (await client.ask(*turn))[:2] == ("code", CODE), "with the next turn"


async def test_th_o4_an_image_leaves_an_executor_that_cannot_see(harbor: House) -> None:
    harbor.use_policy(pooled(code=("blind", CODE)))
    client = Client(harbor, "s-4")
    first = user("Say something.")
    assert (await client.ask(first, stage="code"))[:2] == ("code", "blind")
    source = IMAGE["image_url"]["url"].partition(",")[2]
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": source}}
    seen = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [picture]}]}
    assert (await client.ask(first, calls("Read"), seen))[:2] == ("code", CODE)
    after = [first, calls("Read"), seen, calls("Read", "t2"), result("t2")]
    assert (await client.ask(*after))[:2] == ("code", CODE)


async def test_a_sub_agent_of_the_session_does_not_move_the_executor(harbor: House) -> None:
    client = Client(harbor, "s-5")
    first = user("Say something.")
    await client.ask(first, stage="plan")
    other: Any = {"system": "You are a helper for reviews.", "tools": TOOLS[:1]}
    helper = user("Look at this file for me.")
    await client.ask(helper, stage="code", **other)
    assert (await client.ask(first, calls("Read"), result()))[:2] == ("plan", PLAN)
    assert (await client.ask(helper, calls("Read"), result(), **other))[:2] == ("code", CODE)


async def test_a_session_of_the_same_name_is_another_accounts_own(harbor: House) -> None:
    first = user("Say something.")
    loop = [first, calls("Read"), result()]
    await Client(harbor, "s-6").ask(first, stage="plan")
    harbor.payer = await harbor.new_payer()
    stage, _, why = await Client(harbor, "s-6").ask(*loop)
    assert (stage, why) != ("plan", "inside a tool loop, so nothing changes")
    assert why == "the first request of this session"


async def test_a_pin_opens_no_model_that_the_key_forbids(harbor: House) -> None:
    client, first = Client(harbor, "s-7"), user("Say something.")
    assert (await client.ask(first, stage="plan"))[1] == PLAN
    account = harbor.payer.account_id
    harbor.payer = await harbor.new_key(account, KeyRules(models=(CODE, "solo")))
    loop = [first, calls("Read"), result()]
    assert (await client.ask(*loop))[:2] == ("plan", "solo"), "the same session, by a key with fewer models"
    harbor.payer = await harbor.new_key(account, KeyRules(models=(NAME,), providers=("beta",)))
    assert (await client.ask(*loop, calls("Read", "t2"), result("t2")))[1] in {CODE, GENERAL}
    assert (await harbor.called())[-1] == "beta"


async def test_requests_at_once_of_one_session_end_with_one_executor(harbor: House) -> None:
    client, first = Client(harbor, "s-8"), user("Say something.")
    await client.ask(first, stage="code")
    loops = [[first, calls("Read", f"t{number}"), result(f"t{number}")] for number in range(20)]
    said = await asyncio.gather(*(client.ask(*loop) for loop in loops))
    assert {each[:2] for each in said} == {("code", CODE)}
