"""Sessions: one id for one conversation in any dialect, and never one id for two accounts."""

from typing import Any

import pytest
from tests.gateway.house import CHAT, HELLO, MESSAGES, RESPONSES, House
from tests.gateway.test_orchestra import NAME, pooled, receipt_of

from tokenharbor.gateway.session import beginning
from tokenharbor.wire.neutral.chat import Chat, Message, Role, Text

pytestmark = pytest.mark.asyncio(loop_scope="session")

BODIES: dict[str, Any] = {
    CHAT: {"messages": HELLO},
    RESPONSES: {"input": HELLO},
    MESSAGES: {"messages": HELLO, "max_tokens": 50},
}
CLIENTS = {
    "anybody": {"x-session-id": "s-1"},
    "Claude Code": {"x-claude-code-session-id": "s-1"},
    "Codex": {"session-id": "s-1"},
    "Codex before": {"session_id": "s-1"},
    "opencode": {"x-session-affinity": "s-1"},
    "opencode's sub-agent": {"x-session-id": "s-2", "x-session-affinity": "s-2", "x-parent-session-id": "s-1"},
}


async def session_of(house: House, path: str = CHAT, headers: Any = None, model: str = "duo", **more: Any) -> Any:
    said = await house.post(path, {"model": model, **BODIES[path], **more}, headers)
    assert said.status == 200, said.body
    return (await receipt_of(house, said))["session"]


async def test_every_client_and_every_dialect_mean_the_same_session(house: House) -> None:
    found = {await session_of(house, CHAT, headers) for headers in CLIENTS.values()}
    found |= {await session_of(house, path, {"x-session-id": "s-1"}) for path in BODIES}
    found |= {await session_of(house, session_id="s-1"), await session_of(house, prompt_cache_key="s-1")}
    found |= {await session_of(house, MESSAGES, metadata={"user_id": "s-1"})}
    assert len(found) == 1
    (shown,) = found
    assert shown.startswith("conv_")
    assert "s-1" not in shown


async def test_a_session_is_its_accounts_alone_and_says_nothing_of_its_name(house: House) -> None:
    headers = {"x-session-id": "s-1"}
    mine = await session_of(house, headers=headers)
    other = await session_of(house, headers={"x-session-id": "s-2"})
    house.payer = await house.new_payer()
    theirs = await session_of(house, headers=headers)
    assert len({mine, other, theirs}) == 3


async def test_a_header_goes_before_a_field_and_what_is_no_name_names_nothing(house: House) -> None:
    both = await session_of(house, headers={"x-session-id": "s-1"}, prompt_cache_key="s-2")
    assert both == await session_of(house, headers={"x-session-id": "s-1"})
    assert await session_of(house) is None
    assert await session_of(house, headers={"x-session-id": ""}) is None
    assert await session_of(house, MESSAGES, metadata={"user_id": None}) is None
    wrong = await house.chat("duo", session_id=7)
    assert (wrong.status, wrong.error["param"]) == (400, "session_id")
    assert (await house.chat("duo", session_id="x" * 257)).status == 400
    assert (await house.chat("duo", Session_ID="x")).status == 400


async def test_the_field_of_ours_reaches_no_vendor(house: House) -> None:
    house.script('answer = { text = "one" }\n')
    for path in BODIES:
        await session_of(house, path, session_id="s-1")
    for record in await house.seen():
        assert record.body is not None
        assert "session_id" not in str(record.body)


async def test_without_an_id_a_conversation_that_was_read_is_known_by_its_beginning(house: House) -> None:
    house.use_policy(pooled())
    system = {"role": "system", "content": "You are a sailor."}
    later = [*HELLO, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "and now?"}]
    first = await session_of(house, model=f"{NAME}/code", messages=[system, *HELLO])
    assert first == await session_of(house, model=NAME, messages=[system, *later])
    assert first != await session_of(house, model=NAME, messages=later)
    in_words = {"system": "You are a sailor.", "messages": HELLO}
    assert first == await session_of(house, MESSAGES, model=NAME, **in_words), "in another dialect, too"
    house.payer = await house.new_payer()
    assert first != await session_of(house, model=NAME, messages=[system, *HELLO])


async def test_no_more_of_a_long_beginning_is_read_than_counts() -> None:
    long = [Message(Role.SYSTEM, (Text("s" * 16_000),) * 50)] * 50
    ends = [Message(Role.USER, (Text(f"hello {number}"), Text("x" * 100_000))) for number in range(2)]
    first, second = (beginning(Chat(messages=(*long, end)), system=True) for end in ends)
    assert first != second, "the first user's words count behind any system prompt"
    assert len(first) < 40_000
