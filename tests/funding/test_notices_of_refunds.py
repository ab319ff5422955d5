"""Notices of refunds: one for each, whoever made it."""

from tests.funding.conftest import Till
from tests.funding.test_refunds import paid, refund, tell

from tokenharbor.alerts.store import list_notices
from tokenharbor.alerts.words import notice_subject, read_facts


async def test_a_refund_is_told_once_however_often_it_is_heard_of(till: Till) -> None:
    top_up = await paid(till)
    made = await refund(till, top_up, usd="4")
    reported = (await till.processor.list_refunds(top_up.capture_id or ""))[0]
    for number in (1, 2):
        await tell(till, reported, number)
    async with till.pool.acquire() as conn:
        found = [notice for notice, _ in await list_notices(conn, till.account_id, 10)]
    notice = next(each for each in found if each.kind.value == "refund_made")
    assert sorted(each.kind.value for each in found) == ["refund_made", "top_up_received"]
    assert notice_subject(notice) == "Refund made: 4.00 USD"
    facts = read_facts(notice)
    assert (facts["refund"], facts["top_up"]) == (made.shown_id, top_up.shown_id)
