"""A process's channels to customers and users: the configured mail server, webhooks, and the seals of their secrets."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import asyncpg

from tokenharbor.alerts.context import Alerting
from tokenharbor.alerts.webhook import WebhookSender
from tokenharbor.app.server_url import command_browser_url
from tokenharbor.app.session import CommandSession
from tokenharbor.app.settings import Settings
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.secret import RootSecret, SecretBox, SecretPurpose
from tokenharbor.kernel.world import World
from tokenharbor.mail.smtp import SmtpConfig, SmtpMailer
from tokenharbor.signin.deliver import UserMailDelivery


def make_alerting(
    settings: Settings,
    world: World,
    root: RootSecret,
    acquire: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]],
    public_url: str,
) -> Alerting:
    """Return the channels of alerts. Raises Misconfigured."""
    return Alerting(
        world=world,
        acquire=acquire,
        mailer=make_mailer(settings),
        webhooks=WebhookSender(private=settings.alerts.private_webhooks),
        seal=SecretBox(root.derive(SecretPurpose.WEBHOOKS), world.entropy),
        public_url=public_url,
    )


def make_mail_delivery(
    settings: Settings,
    world: World,
    root: RootSecret,
    acquire: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]],
) -> UserMailDelivery:
    """Return the channel of mails to users. Raises Misconfigured."""
    seal = SecretBox(root.derive(SecretPurpose.MAILS), world.entropy)
    return UserMailDelivery(world=world, acquire=acquire, seal=seal, mailer=make_mailer(settings))


def command_alerting(session: CommandSession) -> Alerting:
    """Return the channels of alerts for a command, on its one connection. Raises Misconfigured."""
    settings, url = session.settings, command_browser_url(session.settings)
    return make_alerting(settings, session.world, session.root, lambda: contextlib.nullcontext(session.conn), url)


def make_mailer(settings: Settings) -> SmtpMailer | None:
    """Return the mailer, None if no mail server is configured. Raises Misconfigured if its password is missing."""
    mail = settings.mail
    if mail.server is None:
        return None
    password = settings.secret(mail.password)
    if mail.password is not None and password is None:
        raise Misconfigured(f"{settings.file} [mail]: password: {mail.password} is not set")
    return SmtpMailer(
        SmtpConfig(
            server=mail.server,
            port=mail.port,
            tls=mail.tls,
            sender=mail.sender or "",
            user=mail.user,
            password=password,
        )
    )
