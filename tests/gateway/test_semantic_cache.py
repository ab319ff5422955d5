"""The semantic cache, from outside: who has it, what it serves, what stops it, and who pays for comparisons."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.gateway.house import CHAT, HELLO, MESSAGES, RESPONSES, House, Payer
from tests.gateway.raw import RawAnswer

from tokenharbor.funding.balances import read_address_balances
from tokenharbor.gateway import semantic_hits
from tokenharbor.gateway.semantic_cache import SemanticCache
from tokenharbor.identity.semantic import set_semantic_by_request, set_semantic_cache
from tokenharbor.kernel.errors import DatabaseUnavailable

pytestmark = pytest.mark.asyncio(loop_scope="session")

ASKED = "How do I mend a leaking sluice gate quickly?"
AGAIN = "How can I mend a leaking sluice gate fast?"
THIRD = "How can one mend a leaking sluice gate quickly?"
SAME = 'answer = { text = "Close it, and tighten 3 bolts.", chunk_chars = 8 }\n'


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def semantic(house: House) -> AsyncIterator[SemanticCache]:
    """The edition has it, nothing is compared after a trial of two, and the model is loaded."""
    similar = house.parts.caching.semantic
    assert similar is not None
    house.keep_answers()
    use(house, semantic_trial=2, semantic_compared_in=2**32 - 1)
    similar.counts.clear()
    similar._memory.clear()
    house.script(SAME)
    while similar._search is None:
        await ask(house, "Is the model there yet?", cache={"semantic": True})
        await asyncio.sleep(0.05)
    await idle(similar)
    house.simulator.records.clear()
    yield similar
    await idle(similar)


def use(house: House, **changes: Any) -> None:
    policy = house.policy
    cache = msgspec.structs.replace(policy.cache, exact=True, semantic=True, **changes)
    house.use_policy(msgspec.structs.replace(policy, cache=cache))


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  nothing in it says when it changes
            await asyncio.sleep(0.01)


async def idle(similar: SemanticCache) -> None:
    """All that nobody waits for is done, but the sweep."""
    await until(lambda: len(similar._tasks) <= 1 and not similar._at_work)


async def ask(house: House, question: str, **more: Any) -> RawAnswer:
    turns = [{"role": "user", "content": question}]
    answer = await house.post(CHAT, {"model": "solo", "messages": turns, "max_tokens": 100, **more})
    assert answer.status == 200, answer.body
    similar = house.parts.caching.semantic
    assert similar is not None
    await idle(similar)
    return answer


async def layer(house: House, question: str, **more: Any) -> str:
    return (await ask(house, question, **more)).headers["x-tokenharbor-cache"]


async def turn(house: House, *, on: bool) -> None:
    async with house.harbor.pool.acquire() as conn:
        await set_semantic_cache(conn, house.payer.account_id, on=on)
    await until(lambda: said(house).state == ("on" if on else "off"))


async def let_requests(house: House, *, allowed: bool) -> None:
    async with house.harbor.pool.acquire() as conn:
        await set_semantic_by_request(conn, house.payer.account_id, allowed=allowed)
    await until(lambda: said(house).by_request is allowed)


def said(house: House, payer: Payer | None = None) -> Any:
    caller = house.parts.ring.find((payer or house.payer).key.encode())
    assert caller is not None
    return caller.account.semantic


def counted(semantic: SemanticCache) -> dict[str, int]:
    """What comparisons came to."""
    names = ("semantic_agreed", "semantic_disagreed", "semantic_failed", "semantic_over_cap")
    return {name: semantic.counts[name] for name in names if semantic.counts[name]}


async def spent(house: House) -> int:
    """What comparisons cost the operator until now, of all accounts."""
    async with house.harbor.pool.acquire() as conn:
        return int(await conn.fetchval("SELECT coalesce(sum(cost), 0) FROM comparison_cost"))


async def held(house: House) -> int:
    async with house.harbor.pool.acquire() as conn:
        return int(await conn.fetchval("SELECT coalesce(sum(held), 0) FROM comparison_day"))


async def finish_trial(house: House) -> None:
    await turn(house, on=True)
    for question in (ASKED, AGAIN, THIRD):
        assert await layer(house, question) == "none"
    await until(lambda: said(house).compared == 2)
    house.simulator.records.clear()


async def test_TH_B10_nobody_has_it_who_did_not_ask_for_it(house: House) -> None:
    assert [await layer(house, question) for question in (ASKED, AGAIN)] == ["none", "none"]
    assert len(await house.called()) == 2
    assert said(house).compared == 0


async def test_TH_B10_a_hit_costs_nothing_says_so_and_what_it_saved(house: House) -> None:
    await finish_trial(house)
    before = await house.money()
    hit = await ask(house, AGAIN, temperature=0)
    assert hit.headers["x-tokenharbor-cache"] == "none", "another temperature is another request"
    charged = await house.money()
    assert charged < before
    hit = await ask(house, "How could one mend a leaking sluice gate quickly?")
    assert hit.headers["x-tokenharbor-cache"] == "semantic"
    assert hit.headers["x-tokenharbor-cost-usd"] in {"0", "0.00", "0.000000000"}
    assert hit.json()["choices"][0]["message"]["content"] == "Close it, and tighten 3 bolts."
    assert await house.money() == charged
    receipt = await house.receipt(hit.headers["x-request-id"])
    assert (receipt["cache"], float(receipt["cost_usd"])) == ("semantic", 0)
    assert float(receipt["saved_usd"]) > 0
    assert receipt["provider"] == "alpha"
    assert len(await house.called()) == 1


async def test_hits_of_the_trial_are_answered_by_the_provider_and_billed(house: House) -> None:
    await turn(house, on=True)
    await ask(house, ASKED)
    before = await house.money()
    assert await layer(house, AGAIN) == "none"
    assert await house.money() < before
    await until(lambda: said(house).compared == 1)
    assert len(await house.called()) == 2


async def test_a_request_may_ask_for_it_and_refuse_it(house: House) -> None:
    for question in (ASKED, AGAIN, THIRD):
        await ask(house, question, cache={"semantic": True})
    await until(lambda: said(house).compared == 2)
    assert await layer(house, "How could one mend a leaking sluice gate fast?") == "none"
    assert (
        await layer(house, "How does one mend a leaking sluice gate quickly?", cache={"semantic": True}) == "semantic"
    )
    await turn(house, on=True)
    await until(lambda: said(house).compared == 0)
    assert await layer(house, "How does one mend a leaking sluice gate fast?", cache={"semantic": False}) == "none"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"messages": HELLO, "max_tokens": 100}),
        (RESPONSES, {"input": "hello", "store": False, "max_output_tokens": 100, "stream": True}),
        (MESSAGES, {"messages": HELLO, "max_tokens": 100}),
        ("/v1beta/models/solo:generateContent", {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}),
    ],
)
async def test_a_request_that_asks_for_what_its_account_forbids_is_refused(
    house: House, path: str, body: dict[str, Any]
) -> None:
    await let_requests(house, allowed=False)
    named = body if "beta" in path else {"model": "solo", **body}
    for query in ("", "?dry_run=1"):
        refused = await house.post(path + query, {**named, "cache": {"semantic": True}})
        assert refused.status == 403, refused.body
        assert b"An owner of the account can change this" in refused.body
        assert b"cache.semantic" in refused.body
    assert await house.called() == []
    for wish in ({"semantic": False}, {"exact": False}):
        assert (await house.post(path, {**named, "cache": wish})).status == 200, "it may say no, and ask for else"
    await turn(house, on=True)
    assert (await house.post(path, {**named, "cache": {"semantic": True}})).status == 200, "it is on already"
    await turn(house, on=False)
    await let_requests(house, allowed=True)
    assert (await house.post(path, {**named, "cache": {"semantic": True}})).status == 200


async def test_what_has_stopped_is_refused_too_where_requests_may_not_ask(house: House) -> None:
    await turn(house, on=True)
    await let_requests(house, allowed=False)
    similar = house.parts.caching.semantic
    assert similar is not None
    for _ in range(2):
        await similar.note(house.payer.account_id, house.policy.cache, agreed=False)
    await until(lambda: said(house).state == "stopped")
    body = {"model": "solo", "messages": HELLO, "max_tokens": 100}
    assert (await house.post(CHAT, {**body, "cache": {"semantic": True}})).status == 403
    assert (await house.post(CHAT, body)).status == 200


async def test_what_else_differs_has_no_hit(house: House) -> None:
    await finish_trial(house)
    sluice = {"role": "user", "content": "How could one mend a leaking sluice gate quickly?"}
    system = [{"role": "system", "content": "Be brief."}, sluice]
    body = {"model": "solo", "messages": system, "max_tokens": 100}
    assert (await house.post(CHAT, body)).headers["x-tokenharbor-cache"] == "none"
    other_key = await house.new_key(house.payer.account_id)
    headers = {"authorization": f"Bearer {other_key.key}"}
    body = {"model": "solo", "messages": [sluice], "max_tokens": 100}
    assert (await house.post(CHAT, body, headers)).headers["x-tokenharbor-cache"] == "none"
    assert await layer(house, "How could one mend a leaking sluice gate slowly?") == "none"
    assert await layer(house, sluice["content"], user="somebody") == "none"
    assert await layer(house, sluice["content"], max_tokens=99) == "none"
    assert await layer(house, sluice["content"]) == "semantic"


async def test_a_poisoned_stream_of_questions_stops_it_before_anything_is_given(house: House) -> None:
    use(house, semantic_trial=20)
    await turn(house, on=True)
    layers = []
    for number in range(6):
        house.script(f'answer = {{ text = "Turn it {number} times." }}\n')
        layers.append(await layer(house, (ASKED, AGAIN, THIRD)[number % 3], user=f"{number // 3}"))
        layers.append(await layer(house, f"How do I {('open', 'shut')[number % 2]} gate {number}?"))
    assert set(layers) == {"none"}
    await until(lambda: said(house).state == "stopped")
    async with house.harbor.pool.acquire() as conn:
        row = await conn.fetchrow(
            "SELECT before, after, actor FROM account_change WHERE account_id = $1 ORDER BY at DESC, id DESC LIMIT 1",
            house.payer.account_id,
        )
    assert tuple(row) == ("on", "stopped", "server")
    house.script(SAME)
    for question in (ASKED, AGAIN, THIRD):
        assert await layer(house, question, cache={"semantic": True}, user="last") == "none"
    assert said(house).state == "stopped"


async def test_a_compared_hit_is_the_operators_expense_up_to_the_days_most(house: House) -> None:
    await finish_trial(house)
    use(house, semantic_trial=2, semantic_compared_in=1)
    before = await house.money()
    async with house.harbor.pool.acquire() as conn:
        spent = await conn.fetchval("SELECT coalesce(sum(cost), 0) FROM comparison_cost")
        assert await layer(house, "How could one mend a leaking sluice gate quickly?") == "semantic"
        assert await house.called() == ["alpha"]
        assert await conn.fetchval("SELECT sum(cost) FROM comparison_cost") > spent
        assert await conn.fetchval("SELECT sum(held) FROM comparison_day") == 0
        assert await conn.fetchval("SELECT sum(cost) FROM comparison_day") == await conn.fetchval(
            "SELECT sum(cost) FROM comparison_cost"
        )
        books = {each.address: each.amount for each in (await read_address_balances(conn)).balances}
        assert int(books["expense/comparison"]) == await conn.fetchval("SELECT sum(cost) FROM comparison_cost")
    assert await house.money() == before


async def test_a_due_hit_above_the_days_most_is_not_given_but_compared_with_its_callers_answer(
    house: House, semantic: SemanticCache
) -> None:
    await finish_trial(house)
    use(house, semantic_trial=2, semantic_compared_in=1, semantic_compared_usd="0.000000001")
    semantic.counts.clear()
    before, costs = await house.money(), await spent(house)
    assert await layer(house, "How could one mend a leaking sluice gate fast?", stream=True) == "none"
    assert await house.money() < before, "its caller pays for it as for any other"
    assert await house.called() == ["alpha"], "nobody is asked twice"
    assert await spent(house) == costs
    assert (semantic.counts["semantic_over_cap"], semantic.counts["semantic_agreed"]) == (1, 1)
    house.script('answer = { text = "Close it, and tighten 4 bolts.", chunk_chars = 8 }\n')
    assert await layer(house, "How could one mend a leaking sluice gate quickly?") == "none"
    await until(lambda: said(house).epoch == 1)
    use(house, semantic_trial=2, semantic_compared_in=2**32 - 1, semantic_compared_usd="0.000000001")
    assert await layer(house, "How can one mend a leaking sluice gate fast?") == "none", "its answers are given no more"
    assert await layer(house, "How does one mend a leaking sluice gate fast?") == "semantic", "those not due are given"


async def test_where_nobody_can_say_what_is_left_of_the_day_a_due_hit_is_not_given(
    house: House, semantic: SemanticCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise DatabaseUnavailable

    await finish_trial(house)
    use(house, semantic_trial=2, semantic_compared_in=1)
    monkeypatch.setattr(house.parts.caching.expense, "reserve", fail)
    assert await layer(house, "How could one mend a leaking sluice gate fast?") == "none"
    assert await house.called() == ["alpha"]


@pytest.mark.parametrize(
    ("fault", "stream"),
    [
        ('kind = "status", status = 503', False),
        ('kind = "status", status = 429', True),
        ('kind = "break", after_content = 1', True),
        ('kind = "garbage"', False),
    ],
)
async def test_where_the_provider_fails_the_next_hit_is_compared(
    house: House, semantic: SemanticCache, fault: str, stream: bool
) -> None:
    await finish_trial(house)
    use(house, semantic_trial=2, semantic_compared_in=1)
    semantic.counts.clear()
    house.script(SAME + f'[[rules]]\nmatch = {{ path = "/alpha/*" }}\nfault = {{ {fault} }}\n')
    assert await layer(house, "How could one mend a leaking sluice gate quickly?", stream=stream) == "semantic"
    assert counted(semantic) == {"semantic_failed": 1}, "a failure says nothing of the answer"
    use(house, semantic_trial=2, semantic_compared_in=2**32 - 1)
    assert await layer(house, "How could one mend a leaking sluice gate fast?", stream=stream) == "semantic"
    assert counted(semantic) == {"semantic_failed": 2}, "as long as it fails, each next one is due"
    house.script(SAME)
    assert await layer(house, "How does one mend a leaking sluice gate fast?", stream=stream) == "semantic"
    assert counted(semantic) == {"semantic_failed": 2, "semantic_agreed": 1}
    assert await layer(house, "How does one mend a leaking sluice gate quickly?", stream=stream) == "semantic"
    assert counted(semantic) == {"semantic_failed": 2, "semantic_agreed": 1}, "once it was compared, one in so many is"
    assert await held(house) == 0


async def test_a_provider_that_refuses_the_question_disagrees(house: House) -> None:
    await finish_trial(house)
    use(house, semantic_trial=2, semantic_compared_in=1)
    house.script(SAME + '[[rules]]\nmatch = { path = "/alpha/*" }\nfault = { kind = "status", status = 400 }\n')
    assert await layer(house, "How could one mend a leaking sluice gate quickly?") == "semantic"
    await until(lambda: said(house).epoch == 1)


async def test_an_answer_too_long_to_be_judged_disagrees(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await finish_trial(house)
    use(house, semantic_trial=2, semantic_compared_in=1)
    monkeypatch.setattr(semantic_hits, "_MOST_BYTES", 10)
    assert await layer(house, "How could one mend a leaking sluice gate quickly?", stream=True) == "semantic"
    await until(lambda: said(house).epoch == 1)
    assert await held(house) == 0


async def test_a_hit_that_could_not_be_given_costs_nobody_and_leaves_the_next_due(
    house: House, semantic: SemanticCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cannot(*_: object) -> bool:
        return False

    await finish_trial(house)
    use(house, semantic_trial=2, semantic_compared_in=1)
    semantic.counts.clear()
    costs = await spent(house)
    with monkeypatch.context() as patched:
        patched.setattr(semantic_hits, "replay", cannot)
        assert await layer(house, "How could one mend a leaking sluice gate quickly?") == "none"
    assert (await held(house), await spent(house)) == (0, costs)
    use(house, semantic_trial=2, semantic_compared_in=2**32 - 1)
    assert await layer(house, "How could one mend a leaking sluice gate fast?") == "semantic"
    assert counted(semantic) == {"semantic_agreed": 1}
    assert await spent(house) > costs


async def test_more_usage_than_the_request_allows_does_not_pass_what_was_held(house: House) -> None:
    await finish_trial(house)
    use(house, semantic_trial=2, semantic_compared_in=1)
    costs = await spent(house)
    house.script('answer = { text = "Close it, and tighten 3 bolts.", usage = { input = 9, output = 900000 } }\n')
    assert await layer(house, "How could one mend a leaking sluice gate quickly?") == "semantic"
    assert 0 < await spent(house) - costs < 10**6, "at most a hundred tokens of output, and the input"
    assert await held(house) == 0


async def test_a_compared_stream_that_disagrees_counts(house: House) -> None:
    await finish_trial(house)
    use(house, semantic_trial=2, semantic_compared_in=1)
    house.script('answer = { text = "Close it, and tighten 4 bolts.", chunk_chars = 8 }\n')
    assert await layer(house, "How could one mend a leaking sluice gate fast?", stream=True) == "semantic"
    await until(lambda: said(house).epoch == 1)
    assert await layer(house, "How could one mend a leaking sluice gate quickly?") == "none", (
        "its answers are given no more"
    )


async def test_a_wrong_answer_can_be_reported_once(house: House) -> None:
    await finish_trial(house)
    hit = await ask(house, "How could one mend a leaking sluice gate quickly?")
    assert hit.headers["x-tokenharbor-cache"] == "semantic"
    path = f"/v1/requests/{hit.headers['x-request-id']}/report"
    stranger = await house.new_payer()
    headers = {"authorization": f"Bearer {stranger.key}"}
    assert (await house.post(path, {}, headers)).status == 404
    assert [(await house.post(path, {})).json()["counted"] for _ in range(2)] == [True, False]
    await until(lambda: said(house).epoch == 1)
    again = await ask(house, "How could one mend a leaking sluice gate fast?")
    assert again.headers["x-tokenharbor-cache"] == "none", "what was kept before is given no more"
    refused = await house.post(f"/v1/requests/{again.headers['x-request-id']}/report", {})
    assert (refused.status, refused.json()["error"]["param"]) == (400, "id")
    assert said(house).state == "on"


async def test_what_is_kept_is_nowhere_to_be_read(house: House, semantic: SemanticCache) -> None:
    await turn(house, on=True)
    mark = "Zanzibarquux"
    house.script(f'answer = {{ text = "The {mark} answers." }}\n')
    for question in (f"How do I feed a {mark} quickly?", f"How can I feed a {mark} fast?"):
        await ask(house, question)
    assert len(semantic._memory) == 1
    kept = b"".join(entry.sealed for entry in semantic._memory._entries.values())
    assert mark.lower().encode() not in kept.lower()
    for path in house.settings.home.rglob("*"):
        if path.is_file():
            assert mark.lower().encode() not in path.read_bytes().lower(), path
    async with house.harbor.pool.acquire() as conn:
        tables = await conn.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'public'"
        )
        for table in tables:
            holds = f"SELECT count(*) FROM {table['name']} t WHERE t::text ILIKE $1"  # noqa: S608  a name from the catalogue
            found = await conn.fetchval(holds, f"%{mark}%")
            assert not found, table["name"]


async def test_a_busy_thread_is_a_miss(house: House, semantic: SemanticCache) -> None:
    await finish_trial(house)
    semantic._at_work += 1
    try:
        turns = [{"role": "user", "content": "How could one mend a leaking sluice gate quickly?"}]
        answer = await house.post(CHAT, {"model": "solo", "messages": turns, "max_tokens": 100})
    finally:
        semantic._at_work -= 1
    assert answer.headers["x-tokenharbor-cache"] == "none"
    assert semantic.counts["semantic_busy"] == 1


async def test_a_model_that_could_not_be_loaded_is_loaded_later(
    house: House, semantic: SemanticCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async def no_second_sweep(_: object) -> None: ...

    monkeypatch.setattr(semantic, "_sweep", no_second_sweep)
    clock, search, failed = semantic._clock, semantic._search, semantic.counts["semantic_failed"]
    for name, value in (("_search", None), ("_loading", None), ("_load_at", 0.0)):
        monkeypatch.setattr(semantic, name, value)
    with monkeypatch.context() as full:
        full.setattr("tokenharbor.gateway.semantic_cache._opened", no_space)
        for question in (ASKED, AGAIN):
            await ask(house, question, cache={"semantic": True})
            await until(lambda: semantic._loading is None)
    assert semantic.counts["semantic_failed"] == failed + 1, "not with each request"
    assert 0 < semantic._load_at - clock.monotonic() <= 60
    semantic._load_at = clock.monotonic()
    monkeypatch.setattr("tokenharbor.gateway.semantic_cache._opened", lambda *_: search)
    await ask(house, THIRD, cache={"semantic": True})
    await until(lambda: semantic._search is search)


async def test_where_it_is_not_installed_asking_for_it_says_how(
    house: House, semantic: SemanticCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokenharbor.cache.similar.model._PACKAGE", "no_such_package")
    monkeypatch.setattr(semantic, "_search", None)
    monkeypatch.setattr(semantic, "_loading", None)
    turns = [{"role": "user", "content": ASKED}]
    body = {"model": "solo", "messages": turns, "max_tokens": 100}
    refused = await house.post(CHAT, {**body, "cache": {"semantic": True}})
    assert (refused.status, refused.json()["error"]["param"]) == (400, "cache.semantic")
    assert "pip install" in refused.json()["error"]["message"]
    assert (await house.post(CHAT, body)).status == 200
