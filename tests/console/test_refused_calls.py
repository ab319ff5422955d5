"""Refused calls, as an account's pages and programs see them: by key and by hour, its own alone."""

from datetime import timedelta

from tests.console.conftest import START, Office

from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel import ids
from tokenharbor.ledger.refused_calls import RefusedCallGroup, add_refused_calls


async def test_refused_calls_are_listed_by_key_and_by_hour(office: Office) -> None:
    pool, mine = office.context.pool, office.account.id
    one, two, hour = (office.context.world.ids.new(), office.context.world.ids.new(), timedelta(hours=1))
    for counts, at in (
        (
            {RefusedCallGroup(mine, one, "insufficient_quota"): 3, RefusedCallGroup(mine, two, "permission_denied"): 1},
            START,
        ),
        ({RefusedCallGroup(mine, one, "insufficient_quota"): 4}, START - hour),
        ({RefusedCallGroup(mine, None, "rate_limit_exceeded"): 2}, START - hour),
        ({RefusedCallGroup(mine, one, "insufficient_quota"): 100}, START - timedelta(days=7) - hour),
    ):
        await add_refused_calls(pool, counts, at)
    viewer, path = office.member(AccountRole.VIEWER), f"{office.account_path}/refused-calls"
    rows = (await viewer.get(path)).json()
    key = ids.show("key", one)
    assert [(each["code"], each["calls"], each["key"]) for each in rows] == [
        ("insufficient_quota", 7, key),
        ("rate_limit_exceeded", 2, None),
        ("permission_denied", 1, ids.show("key", two)),
    ]
    assert rows[0]["hour"] == "2026-03-01T12:00:00Z"
    hours = (await viewer.get(path, params={"by": "hour", "key": key})).json()
    assert [(each["hour"], each["calls"], each["key"]) for each in hours] == [
        ("2026-03-01T12:00:00Z", 3, None),
        ("2026-03-01T11:00:00Z", 4, None),
    ]
    assert (await viewer.get(path, params={"key": "x"})).status_code == 400
