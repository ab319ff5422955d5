"""Routes of free models: the recorded consent, and the refusal of an outdated wording."""

from tests.console.conftest import Office

from tokenharbor.accounts.changes import OPERATOR, change_consent
from tokenharbor.identity.changes import read_changes
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.store import get_account


async def test_TH_F2_free_models_are_off_until_somebody_agrees_to_the_words_that_they_read(office: Office) -> None:
    admin, path = office.member(AccountRole.ADMIN), f"{office.account_path}/free-models"
    words = office.context.policy().free.consent
    shown = (await admin.get(path)).json()
    assert (shown["on"], shown["wording"], shown["consent"], shown["requests"]) == (False, words, None, 25)
    said = await admin.ask("PUT", path, json={"wording": words + " And more."})
    assert said.status_code == 409
    assert (await admin.ask("PUT", path, json={})).status_code == 400
    assert not (await admin.get(path)).json()["on"]
    on = (await admin.ask("PUT", path, json={"wording": words})).json()
    assert on["on"]
    assert (on["consent"]["at"], on["consent"]["wording"]) == ("2026-03-01T12:00:00Z", words)
    assert on["consent"]["by"].startswith("user_")
    async with office.context.pool.acquire() as conn:
        assert (await get_account(conn, office.account.id)).free_models, "the gateway reads the same row"
        [change] = await read_changes(conn, office.account.id)
    assert (change.actor, change.wording, change.after) == (on["consent"]["by"], words, "on")


async def test_TH_F2_whoever_agreed_can_turn_them_off_and_the_record_stays(office: Office) -> None:
    owner, path = office.member(AccountRole.OWNER), f"{office.account_path}/free-models"
    words = office.context.policy().free.consent
    await owner.ask("PUT", path, json={"wording": words})
    off = (await owner.ask("DELETE", path)).json()
    assert (off["on"], off["consent"]) == (False, None)
    async with office.context.pool.acquire() as conn:
        changes = await read_changes(conn, office.account.id)
    assert [(each.after, each.wording) for each in changes] == [("on", words), ("off", "")]


async def test_agreeing_twice_is_recorded_once_and_to_other_words_again(office: Office) -> None:
    owner, path = office.member(AccountRole.OWNER), f"{office.account_path}/free-models"
    words, earlier = office.context.policy().free.consent, "What was to be agreed to a year ago."
    async with office.context.pool.acquire() as conn:
        await change_consent(conn, office.context.world, office.account.id, earlier, actor=OPERATOR)
    shown = (await owner.get(path)).json()
    assert (shown["on"], shown["consent"]["by"], shown["consent"]["wording"]) == (True, "operator", earlier)
    for _ in range(2):
        shown = (await owner.ask("PUT", path, json={"wording": words})).json()
        assert shown["consent"]["wording"] == words
    async with office.context.pool.acquire() as conn:
        changes = await read_changes(conn, office.account.id)
    assert [(each.before, each.after) for each in changes] == [("off", "on"), ("on", "on")]


async def test_only_who_manages_the_account_agrees_for_it(office: Office) -> None:
    path, words = f"{office.account_path}/free-models", office.context.policy().free.consent
    for role in (AccountRole.VIEWER, AccountRole.DEVELOPER, AccountRole.BILLING):
        member = office.member(role)
        assert (await member.ask("PUT", path, json={"wording": words})).status_code == 403
        assert (await member.get(path)).json()["on"] is False
    assert (await office.operator.ask("PUT", path, json={"wording": words})).status_code != 200
