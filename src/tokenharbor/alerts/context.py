"""What alerts work with: the world, connections, the ways out."""

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
    """One process's way to tell customers. `acquire` gives a connection for a step: none is kept while mail is sent.
    `mailer` None: mail is off. `seal` encrypts the secrets of webhooks.
    """

    world: World
    acquire: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]
    mailer: SmtpMailer | None
    webhooks: WebhookSender
    seal: SecretBox
    public_url: str
