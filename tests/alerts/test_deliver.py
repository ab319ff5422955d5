"""Delivery of notices: at least once, with retries, up to a limit, signed, and by channels that are in use."""

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from structlog.testing import capture_logs
from tests.alerts.conftest import Desk

from tokenharbor.alerts import deliver, store
from tokenharbor.alerts.deliver import MOST_TRIES, deliver_due
from tokenharbor.alerts.preferences import (
    AlertChange,
    change_alerts,
    drop_webhook,
    list_notices,
    send_test,
    set_webhook,
    show_alerts,
)
from tokenharbor.alerts.types import Notice
from tokenharbor.alerts.words import notice_body
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.reasons import ErrorReason


async def test_a_test_leaves_by_mail_and_says_so(desk: Desk) -> None:
    notice, deliveries = await send_test(desk.alerting, desk.account_id)
    assert [(each.channel.value, each.state.value) for each in deliveries] == [("mail", "sent"), ("webhook", "off")]
    (mail,) = desk.mail.mails
    assert (mail["To"], mail["From"]) == ("ada@example.com", "alerts@harbor.test")
    assert mail["Message-ID"] == f"<{notice.id}@harbor.test>"
    assert await deliver_due(desk.alerting) == 0


async def test_who_dies_between_sending_and_saying_so_sends_again_with_the_same_id(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await set_webhook(desk.alerting, desk.account_id, f"http://127.0.0.1:{desk.hook.port}/x")

    async def die(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_delivery", die)
        with pytest.raises(ConnectionError):
            await send_test(desk.alerting, desk.account_id)
    assert await desk.states("mail") == await desk.states("webhook") == [("waiting", 1)]
    desk.clock.advance(timedelta(minutes=1))
    while await deliver_due(desk.alerting):
        pass
    assert await desk.states("mail") == await desk.states("webhook") == [("sent", 2)]
    assert len(desk.mail.mails) + len(desk.hook.posts) == 3, "whichever was first left twice"
    assert len({mail["Message-ID"] for mail in desk.mail.mails}) == 1
    assert len({headers["webhook-id"] for headers, _ in desk.hook.posts}) == 1


async def test_a_notice_that_cannot_be_read_keeps_no_other_from_leaving(desk: Desk) -> None:
    desk.mail.refusal = "451 later"
    for _ in range(2):
        await send_test(desk.alerting, desk.account_id)
        desk.clock.advance(timedelta(seconds=1))
    await desk.set("update notice set kind = 'of a newer release' where at = (select min(at) from notice)")
    desk.mail.refusal = ""
    desk.clock.advance(timedelta(minutes=1))
    with capture_logs() as lines:
        assert await deliver_due(desk.alerting) == 1
    assert await desk.states("mail") == [("waiting", 2), ("sent", 2)]
    assert [line["job"] for line in lines if line["event"] == "row_failed"] == ["alert_delivery"]


async def test_a_mail_server_that_does_not_take_it_now_is_asked_again_and_given_up_at_last(desk: Desk) -> None:
    desk.mail.refusal = "451 ada@example.com: later"
    await send_test(desk.alerting, desk.account_id)
    assert await desk.states("mail") == [("waiting", 1)]
    for tries in range(2, MOST_TRIES + 1):
        await deliver_due(desk.alerting)
        assert await desk.states("mail") == [("waiting", tries - 1)], "not before its time"
        desk.clock.advance(timedelta(hours=6))
        await deliver_due(desk.alerting)
    assert await desk.states("mail") == [("failed", MOST_TRIES)]
    ((_, deliveries),) = await list_notices(desk.alerting, desk.account_id, 10)
    assert "451" in deliveries[0].fault.sentence
    assert "ada" not in deliveries[0].fault.sentence, "a server's words may name people"


async def test_a_fault_of_ours_in_one_notice_keeps_no_other_waiting(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk.pool.acquire() as conn:
        wrong, right = [await store.add_test(conn, desk.account_id, desk.clock.now()) for _ in range(2)]
    words = notice_body

    def fail(notice: Notice, url: str, language: str) -> str:
        if notice.id == wrong:
            raise KeyError(url)
        return words(notice, url, language)

    monkeypatch.setattr(deliver, "notice_body", fail)
    with capture_logs() as logs:
        assert await deliver_due(desk.alerting) == 4
    assert [mail["Message-ID"] for mail in desk.mail.mails] == [f"<{right}@harbor.test>"]
    assert sorted(await desk.states("mail")) == [("sent", 1), ("waiting", 1)]
    assert [line["reason"] for line in logs] == ["internal error: KeyError"]


async def test_a_final_refusal_is_not_repeated(desk: Desk) -> None:
    desk.mail.refusal = "550 no such mailbox"
    await send_test(desk.alerting, desk.account_id)
    assert await desk.states("mail") == [("failed", 1)]


async def test_mail_leaves_only_where_it_is_configured_and_wanted(desk: Desk) -> None:
    await change_alerts(desk.alerting, desk.account_id, AlertChange(mail=False))
    await send_test(desk.alerting, desk.account_id)
    await change_alerts(desk.alerting, desk.account_id, AlertChange(mail=True, low_balance=Usd.parse("1")))
    await send_test(replace(desk.alerting, mailer=None), desk.account_id)
    await desk.set("update app_user set email = null")
    await send_test(desk.alerting, desk.account_id)
    assert await desk.states("mail") == [("off", 1)] * 3
    reasons = [told.fault.reason for _, (told, _) in await list_notices(desk.alerting, desk.account_id, 10)]
    assert set(reasons) == {ErrorReason.MAIL_OFF, ErrorReason.MAIL_NOT_SET_UP, ErrorReason.OWNER_WITHOUT_EMAIL}
    assert desk.mail.mails == []


async def test_a_webhook_is_signed_so_that_its_receiver_can_check_it(desk: Desk) -> None:
    webhook = await set_webhook(desk.alerting, desk.account_id, f"http://127.0.0.1:{desk.hook.port}/alerts?x=1")
    notice, deliveries = await send_test(desk.alerting, desk.account_id)
    assert deliveries[1].state.value == "sent"
    ((headers, body),) = desk.hook.posts
    secret = base64.b64decode(webhook.shown_secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert int(headers["webhook-timestamp"]) == int(desk.clock.now().timestamp())
    assert headers["host"] == f"127.0.0.1:{desk.hook.port}"
    assert msgspec.json.decode(body)["id"] == str(notice.id) == headers["webhook-id"]


async def test_a_webhook_is_followed_nowhere_and_tried_again(desk: Desk) -> None:
    await set_webhook(desk.alerting, desk.account_id, f"http://127.0.0.1:{desk.hook.port}/")
    desk.hook.status, desk.hook.extra = 302, b"location: /elsewhere\r\n"
    await send_test(desk.alerting, desk.account_id)
    assert (await desk.states("webhook"), len(desk.hook.posts)) == ([("waiting", 1)], 1)
    desk.hook.status, desk.hook.extra = 200, b""
    desk.clock.advance(timedelta(minutes=1))
    await deliver_due(desk.alerting)
    assert await desk.states("webhook") == [("sent", 2)]


async def test_a_webhooks_secret_is_sealed_and_a_dropped_one_is_gone(desk: Desk) -> None:
    url = f"http://127.0.0.1:{desk.hook.port}/"
    first, second = [await set_webhook(desk.alerting, desk.account_id, url) for _ in range(2)]
    assert first.secret != second.secret
    assert second.secret not in await desk.pool.fetchval("select sealed from alert_webhook")
    async with desk.pool.acquire() as conn:
        assert await store.read_webhook(conn, desk.alerting.seal, desk.account_id) == second
    assert (await show_alerts(desk.alerting, desk.account_id)).webhook == url
    await drop_webhook(desk.alerting, desk.account_id)
    assert await desk.pool.fetchval("select count(*) from alert_webhook") == 0
    assert url not in repr(first)


async def test_an_account_that_is_not_there_has_no_alerts(desk: Desk) -> None:
    with pytest.raises(Missing):
        await send_test(desk.alerting, desk.alerting.world.ids.new())
