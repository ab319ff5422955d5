"""Every mail exists in every language of the pages, with the same facts, and each reader gets their language."""

import re
from string import Formatter

import pytest
from tests.alerts.conftest import Desk
from tests.house.checkout import ROOT

from tokenharbor.alerts.preferences import send_test
from tokenharbor.alerts.types import Notice, NoticeKind
from tokenharbor.alerts.words import LANGUAGES, PAGES, notice_body, notice_subject
from tokenharbor.funding.types import AutoTopUpStop
from tokenharbor.identity.members import join_account
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.users import ensure_user
from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.types import Pool
from tokenharbor.signin.mails import LOCALES, WORDS, UserMailKind

CHINESE = re.compile("[\u4e00-\u9fff]")


def facts_of(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_mails_speak_every_language_of_the_pages() -> None:
    pages = (ROOT / "dashboard/src/app/words.ts").read_text()
    [languages] = re.findall(r"LANGUAGES: Record<Language, string> = \{ (.*) \}", pages)
    spoken = set(re.findall(r"(\w+): ", languages))
    assert set(LANGUAGES) == set(LOCALES) == set(WORDS) == spoken


@pytest.mark.parametrize("kind", NoticeKind)
def test_a_notice_says_the_same_in_each_language(kind: NoticeKind) -> None:
    ours, theirs = (LANGUAGES[language].notices[kind] for language in ("en", "zh"))
    assert facts_of(theirs.subject) == facts_of(ours.subject)
    assert facts_of(theirs.body) == facts_of(ours.body)
    assert CHINESE.search(theirs.subject)
    assert CHINESE.search(theirs.body)
    assert not CHINESE.search(ours.subject + ours.body)


@pytest.mark.parametrize("kind", UserMailKind)
def test_a_mail_to_a_user_says_the_same_in_each_language(kind: UserMailKind) -> None:
    ours, theirs = (WORDS[language][kind] for language in ("en", "zh"))
    for name in ("subject", "body"):
        assert facts_of(getattr(theirs, name)) == facts_of(getattr(ours, name))
        assert CHINESE.search(getattr(theirs, name))
        assert set(re.findall(r"\d+", getattr(theirs, name))) <= set(re.findall(r"\d+", getattr(ours, name)))


def test_every_mail_of_a_notice_links_to_a_page_of_the_dashboard() -> None:
    paths = set(re.findall(r'path: "/([^"]*)"', (ROOT / "dashboard/src/app/router.tsx").read_text()))
    assert set(PAGES) == set(NoticeKind)
    for kind, page in PAGES.items():
        pattern = page.replace("{top_up}", "$topUpId").replace("{key}", "$keyId")
        assert pattern in paths, kind
        assert facts_of(page) <= facts_of(LANGUAGES["en"].notices[kind].body), kind


def test_what_stands_around_and_in_notices_has_words_in_each_language() -> None:
    assert {facts_of(each.frame) == {"account", "at", "server"} for each in LANGUAGES.values()} == {True}
    assert all(set(each.pools) == {pool.value for pool in Pool} for each in LANGUAGES.values())
    stops = LANGUAGES["zh"].stops
    assert set(stops) == {stop.value for stop in AutoTopUpStop}
    assert all(facts_of(each) == {"reason"} for each in stops.values())


def test_values_of_facts_are_in_the_language_of_the_mail(desk: Desk) -> None:
    def said(language: str, kind: NoticeKind, **facts: object) -> str:
        notice = Notice(UUID(int=1), desk.account_id, kind, desk.clock.now(), facts)
        return notice_subject(notice, language) + notice_body(notice, "https://harbor.test", language)

    stop = {"reason": "topup_1: card declined", "code": "payment_failed"}
    assert "一笔付款失败（topup_1: card declined）" in said("zh", NoticeKind.AUTO_TOP_UP_STOPPED, **stop)
    assert "off: topup_1: card declined." in said("en", NoticeKind.AUTO_TOP_UP_STOPPED, **stop)
    assert "\nhttps://harbor.test/dashboard/billing/auto-top-up\n" in said("en", NoticeKind.AUTO_TOP_UP_STOPPED, **stop)
    before = said("zh", NoticeKind.AUTO_TOP_UP_STOPPED, reason="{odd}")
    assert "原因：{odd}" in before, "a notice of an earlier release has no code"
    lot = {"lot_id": str(UUID(int=2)), "pool": "trial", "left_nano": 5_000_000_000, "expires_at": "2026-03-12"}
    assert "5.00 USD 的额度（试用）将于 2026-03-12 到期" in said("zh", NoticeKind.CREDIT_EXPIRING, **lot)
    assert "5.00 USD of credit (trial) expires at 2026-03-12" in said("en", NoticeKind.CREDIT_EXPIRING, **lot)


async def test_each_owner_gets_one_mail_in_the_language_of_the_pages_that_they_use(desk: Desk) -> None:
    async with desk.pool.acquire() as conn:
        now = desk.clock.now()
        for name, locale in (("li", "zh"), ("wang", "zh"), ("bob", "xx")):
            user_id = await ensure_user(conn, desk.alerting.world.ids.new(), f"{name}@example.com", now, locale=locale)
            await join_account(conn, desk.account_id, user_id, AccountRole.OWNER, now)
    notice, _ = await send_test(desk.alerting, desk.account_id)
    got = {mail["To"]: (mail["Subject"], mail["Message-ID"]) for mail in desk.mail.mails}
    assert got == {
        "ada@example.com, bob@example.com": ("Test alert", f"<{notice.id}@harbor.test>"),
        "li@example.com, wang@example.com": ("提醒测试", f"<{notice.id}.zh@harbor.test>"),
    }
    chosen = "update app_user set locale = 'en' where email = 'wang@example.com'"
    await desk.set(chosen)
    desk.mail.mails.clear()
    await send_test(desk.alerting, desk.account_id)
    assert {mail["To"] for mail in desk.mail.mails} == {
        "ada@example.com, wang@example.com, bob@example.com", "li@example.com",
    }  # fmt: skip
