"""Mail as a server receives it: safe headers, text in any language, and refusals by kind."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.alerts.catchers import MailCatcher

from tokenharbor.kernel.errors import DeliveryRefused, DeliveryUnavailable
from tokenharbor.mail.message import Mail, build_message
from tokenharbor.mail.smtp import SmtpConfig, SmtpMailer


@pytest.fixture
async def catcher() -> AsyncIterator[MailCatcher]:
    catcher = MailCatcher()
    await catcher.start()
    yield catcher
    await catcher.stop()


def mail(**fields: Any) -> Mail:
    usual = {"id": "1", "recipients": ("ada@example.com",), "subject": "Hello", "body": "Text.\n"}
    return Mail(**{**usual, "at": datetime(2026, 3, 1, tzinfo=UTC), **fields})


def mailer(port: int, **fields: Any) -> SmtpMailer:
    usual: dict[str, Any] = {"server": "127.0.0.1", "port": port, "tls": "off", "sender": "a@harbor.test"}
    return SmtpMailer(SmtpConfig(**{**usual, **fields}))


async def test_text_of_any_language_arrives_whole(catcher: MailCatcher) -> None:
    subject, body = "余额不足: 4.50 USD — größer", "余额不足。\n" + "ä" * 2_000 + "\n.\nend\n"
    await mailer(catcher.port).send(mail(subject=subject, body=body, recipients=("ada@example.com", "bob@example.com")))
    (got,) = catcher.mails
    assert got["Subject"] == subject
    assert got.get_content() == body
    assert got["To"] == "ada@example.com, bob@example.com"
    assert got["Message-ID"] == "<1@harbor.test>"


def test_no_text_begins_a_header_of_its_own() -> None:
    message = build_message(mail(subject="Hi\r\nBcc: eve@example.com\n\nbody", id="1\r\nX: y"), "a@harbor.test")
    assert message["Bcc"] is None
    assert message["X"] is None
    assert "\n" not in message["Subject"]
    for address in ("a@b.c\r\nBcc: eve@example.com", "a@b.c,eve@example.com", "eve", "", "@", "a@b.c eve@d.e"):
        with pytest.raises(DeliveryRefused):
            build_message(mail(recipients=(address,)), "a@harbor.test")


async def test_a_server_says_whether_to_try_again(catcher: MailCatcher) -> None:
    for reply, kind in (("550 no", DeliveryRefused), ("451 later", DeliveryUnavailable)):
        catcher.refusal = reply
        with pytest.raises(kind):
            await mailer(catcher.port).send(mail())
    with pytest.raises(DeliveryUnavailable):
        await mailer(1).send(mail())


async def test_without_the_tls_that_is_asked_for_nothing_is_sent(catcher: MailCatcher) -> None:
    for fields in ({"tls": "starttls"}, {"tls": "starttls", "user": "u", "password": "hidden-word"}):
        with pytest.raises(DeliveryUnavailable) as raised:
            await mailer(catcher.port, **fields).send(mail())
        assert "hidden-word" not in str(raised.value)
        assert "hidden-word" not in repr(mailer(1, **fields)._config)
    assert catcher.mails == []
