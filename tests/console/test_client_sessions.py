"""Routes of sessions of clients and of stages: what belongs together, what it cost, nothing of other accounts."""

from datetime import timedelta
from typing import Any

import pytest
from tests.console.conftest import Office
from tests.console.spending import spend

from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger import sessions
from tokenharbor.ledger.purge import purge_requests
from tokenharbor.ledger.rollup import SQL as ROLLUP
from tokenharbor.ledger.types import Pool

ONE, TWO = (ids.show("conv", UUID(int=number << 64)) for number in (1, 2))
TOLD: list[dict[str, Any]] = [
    {"session": ONE, "stage": "plan", "confidence": "0.90", "why": "first", "turn": 1},
    {"session": TWO},
    {"session": ONE, "stage": "code", "confidence": "0.80", "why": "changed", "turn": 2, "cache": "exact", "saved": 40},
    {},
]


async def used(office: Office, database_url: str, clock: ManualClock) -> list[str]:
    """Four requests, of two sessions and of none; in order."""
    await office.grant("10", Pool.PAID)
    made = (await office.member(AccountRole.OWNER).ask("POST", f"{office.account_path}/keys", json={})).json()
    payer = Payer(office.account.id, ids.parse("key", made["id"]))
    found: list[UUID] = []
    for told in TOLD:
        clock.advance(timedelta(minutes=1))
        found.append(await spend(database_url, office.context.world, payer, "0.25", **told))
    return [ids.show("req", each) for each in found]


async def test_sessions_are_listed_by_their_last_use(office: Office, database_url: str, clock: ManualClock) -> None:
    await used(office, database_url, clock)
    viewer, path = office.member(AccountRole.VIEWER), f"{office.account_path}/sessions"
    listed = (await viewer.get(path)).json()
    assert [(each["id"], each["requests"], each["cost_usd"], each["saved_usd"]) for each in listed["data"]] == [
        (ONE, 2, "0.500000000", "0.000000043"),
        (TWO, 1, "0.250000000", "0.000000003"),
    ]
    assert listed["next_cursor"] is None
    first = (await viewer.get(f"{path}?limit=1")).json()
    rest = (await viewer.get(f"{path}?limit=1&cursor={first['next_cursor']}")).json()
    assert [each["id"] for page in (first, rest) for each in page["data"]] == [ONE, TWO]
    assert rest["next_cursor"] is None


async def test_rare_sessions_are_found_though_each_page_looks_at_few(
    office: Office, database_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_MOST_SEARCHED", 1)
    await used(office, database_url, clock)
    viewer, found = office.member(AccountRole.VIEWER), []
    cursor: str | None = ""
    while cursor is not None:
        page = (await viewer.get(f"{office.account_path}/sessions?{cursor}")).json()
        found += [each["id"] for each in page["data"]]
        cursor = page["next_cursor"] and f"cursor={page['next_cursor']}"
    assert found == [ONE, TWO]


async def test_a_session_has_its_turns_cost_savings_cached_share_and_requests(
    office: Office, database_url: str, clock: ManualClock
) -> None:
    made = await used(office, database_url, clock)
    viewer = office.member(AccountRole.VIEWER)
    shown = (await viewer.get(f"{office.account_path}/sessions/{ONE}")).json()
    assert (shown["id"], shown["requests"], shown["turns"], shown["cost_usd"]) == (ONE, 2, 2, "0.500000000")
    assert shown["saved"] == {
        "total_usd": "0.000000043",
        "exact_usd": "0.000000040",
        "semantic_usd": "0.000000000",
        "vendor_usd": "0.000000003",
    }
    assert (shown["input_tokens"], shown["cached_tokens"], shown["cached_bp"]) == (30, 10, 3333)
    assert [each["id"] for each in shown["data"]] == [made[2], made[0]]
    assert [each["stage"] for each in shown["data"]] == ["code", "plan"]
    page = (await viewer.get(f"{office.account_path}/sessions/{ONE}?limit=1")).json()
    after = (await viewer.get(f"{office.account_path}/sessions/{ONE}?limit=1&cursor={page['next_cursor']}")).json()
    assert ([each["id"] for each in after["data"]], after["next_cursor"]) == ([made[0]], None)
    assert (await viewer.get(f"{office.account_path}/sessions/{TWO}")).json()["turns"] is None


async def test_another_accounts_session_looks_like_none(office: Office, database_url: str, clock: ManualClock) -> None:
    await used(office, database_url, clock)
    viewer = office.member(AccountRole.VIEWER)
    nobody = ids.show("conv", UUID(int=7))
    missing = await viewer.get(f"{office.account_path}/sessions/{nobody}")
    assert missing.status_code == 404
    assert (await viewer.get(f"{office.account_path}/sessions/sess_x")).status_code == 400
    async with office.context.pool.acquire() as conn:
        for account in (UUID(int=9), office.account.id):
            page = await sessions.list_sessions(conn, account, None, 10)
            assert bool(page.found) is (account == office.account.id)
        assert await sessions.read_session(conn, UUID(int=9), ONE) is None
        assert await sessions.session_requests(conn, UUID(int=9), ONE, None, 10) == []


async def test_stages_are_added_up_once_whether_or_not_the_job_has_come_by(
    office: Office, database_url: str, clock: ManualClock
) -> None:
    await used(office, database_url, clock)
    viewer, path = office.member(AccountRole.VIEWER), f"{office.account_path}/usage/stages"
    fresh = (await viewer.get(path)).json()
    whole = (await viewer.get(f"{path}?by=stage")).json()
    assert whole == [each | {"day": None} for each in fresh]
    requests, made = f"{office.account_path}/requests", (await viewer.get(f"{office.account_path}/requests")).json()
    for stage in ("code", "plan"):
        narrowed = (await viewer.get(f"{requests}?stage={stage}")).json()["data"]
        assert narrowed == [each for each in made["data"] if each["stage"] == stage]
        assert len(narrowed) == 1
    assert (await viewer.get(f"{requests}/choices")).json()["stages"] == ["code", "plan"]
    assert [(each["stage"], each["requests"], each["cost_usd"]) for each in fresh] == [
        ("code", 1, "0.250000000"),
        ("plan", 1, "0.250000000"),
    ]
    assert [(each["input_tokens"], each["output_tokens"]) for each in fresh] == [(15, 7)] * 2
    saved = [each["saved"] for each in fresh]
    assert [(each["total_usd"], each["exact_usd"], each["vendor_usd"]) for each in saved] == [
        ("0.000000040", "0.000000040", "0.000000000"),
        ("0.000000003", "0.000000000", "0.000000003"),
    ]
    async with office.context.pool.acquire() as conn:
        for most in (2, 100, 100):
            await conn.fetchval(ROLLUP.roll_up, office.account.id, most)
            assert (await viewer.get(path)).json() == fresh
        assert await conn.fetchval("select count(*) from stage_day where account_id = $1", office.account.id) == 2
    early = await viewer.get(f"{path}?since=2020-01-01T00:00:00&until=2020-02-01T00:00:00")
    assert early.json() == []
    assert (await viewer.get(f"{path}?since=2020-01-01T00:00:00")).status_code == 400


async def test_sessions_and_stages_go_with_the_requests(office: Office, database_url: str, clock: ManualClock) -> None:
    await used(office, database_url, clock)
    viewer = office.member(AccountRole.VIEWER)
    async with office.context.pool.acquire() as conn:
        await ensure_partitions(conn, clock.now())
        await conn.fetchval(ROLLUP.roll_up, office.account.id, 100)
        await purge_requests(conn, clock.now() + timedelta(days=2))
    assert (await viewer.get(f"{office.account_path}/sessions")).json()["data"] == []
    assert (await viewer.get(f"{office.account_path}/usage/stages")).json() == []
