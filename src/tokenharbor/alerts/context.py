"""The context of alerts: the world, database connections, mail and webhooks."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import asyncpg

from tokenharbor.alerts.webhook import WebhookSender
from tokenharbor.kernel.secret import SecretBox
from tokenharbor.kernel.world import World
from tokenharbor.mail.smtp import SmtpMailer


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerting:
    """The parts of alerts in a process. `acquire` gives a connection for one step: none is held while mail is
    sent. If `mailer` is None, mail is off. `seal` encrypts the secrets of webhooks.
    """

    world: World
    acquire: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]
    mailer: SmtpMailer | None
    webhooks: WebhookSender
    seal: SecretBox
    public_url: str
