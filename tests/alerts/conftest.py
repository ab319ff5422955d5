"""Fixtures: an account with credit and a key, a stopped clock, and receivers of mail and webhooks."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from tests.alerts.catchers import MailCatcher, WebhookCatcher

from tokenharbor.alerts.context import Alerting
from tokenharbor.alerts.deliver import deliver_due
from tokenharbor.alerts.find import find_notices
from tokenharbor.alerts.webhook import WebhookSender
from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.db.pool import ConnectOptions, open_pool
from tokenharbor.identity.store import create_account
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.secret import RootSecret, SecretBox, SecretPurpose
from tokenharbor.kernel.world import make_world
from tokenharbor.mail.smtp import SmtpConfig, SmtpMailer

START = datetime(2026, 3, 10, 12, tzinfo=UTC)


@dataclass
class Desk:
    """Everything that a test of alerts needs."""

    pool: asyncpg.Pool
    clock: ManualClock
    alerting: Alerting
    mail: MailCatcher
    hook: WebhookCatcher
    account_id: UUID

    async def look(self) -> None:
        """Run the two jobs."""
        await find_notices(self.alerting)
        while await deliver_due(self.alerting):
            pass

    async def notices(self) -> list[tuple[str, str]]:
        rows = await self.pool.fetch("select kind, period from notice order by at, kind, period")
        return [(row["kind"], row["period"]) for row in rows]

    async def states(self, channel: str) -> list[tuple[str, int]]:
        rows = await self.pool.fetch(
            "select state, tries from notice_delivery join notice on id = notice_id where channel = $1 order by at, id",
            channel,
        )
        return [(row["state"], row["tries"]) for row in rows]

    async def set(self, sql: str, *values: Any) -> None:
        await self.pool.execute(sql, *values)


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    clock, mail, hook = ManualClock(START), MailCatcher(), WebhookCatcher()
    world = make_world(clock, SeededEntropy(1))
    await mail.start()
    await hook.start()
    async with await open_pool(ConnectOptions(database_url)) as pool:
        async with pool.acquire() as conn:
            await ensure_partitions(conn, START)
            account = await create_account(conn, world, "ada@example.com", "e")
        config = SmtpConfig(server="127.0.0.1", port=mail.port, tls="off", sender="alerts@harbor.test")
        alerting = Alerting(
            world=world,
            acquire=pool.acquire,
            mailer=SmtpMailer(config),
            webhooks=WebhookSender(private=True),
            seal=SecretBox(RootSecret("r" * 32).derive(SecretPurpose.WEBHOOKS), world.entropy),
            public_url="https://harbor.test",
        )
        yield Desk(pool, clock, alerting, mail, hook, account.id)
    await mail.stop()
    await hook.stop()
