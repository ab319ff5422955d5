"""Use cases of alerts for operators and customers: read and change preferences, set a webhook, send a test."""

from collections.abc import Sequence
from dataclasses import replace

import asyncpg
import msgspec
from msgspec import UNSET, UnsetType

from tokenharbor.alerts import store
from tokenharbor.alerts.context import Alerting
from tokenharbor.alerts.deliver import deliver_notice
from tokenharbor.alerts.types import AlertPreferences, Notice, NoticeDelivery
from tokenharbor.alerts.webhook import AlertWebhook, check_webhook_url
from tokenharbor.identity.store import get_account
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd

_SECRET_BYTES = 32


class AlertChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of an account's alerts. UNSET leaves a field as it is; None removes the threshold."""

    mail: bool | UnsetType = UNSET
    low_balance: Usd | UnsetType | None = UNSET


async def show_alerts(alerting: Alerting, account_id: UUID) -> AlertPreferences:
    """Return the account's preferences. Raises Missing."""
    async with alerting.acquire() as conn:
        await get_account(conn, account_id)
        return await store.read_preferences(conn, account_id)


async def change_alerts(alerting: Alerting, account_id: UUID, change: AlertChange) -> AlertPreferences:
    """Change the fields that are set in `change`. Return the new preferences. Raises Missing."""
    stated = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not UNSET}
    async with alerting.acquire() as conn, conn.transaction():
        await get_account(conn, account_id)
        wanted = replace(await store.read_preferences(conn, account_id), **stated)
        await store.write_preferences(conn, wanted, alerting.world.clock.now())
    return wanted


async def set_webhook(alerting: Alerting, account_id: UUID, url: str) -> AlertWebhook:
    """Set the account's webhook with a new secret, which is shown once. Raises Missing, or Rejected for a bad URL."""
    check_webhook_url(url, private=alerting.webhooks.private)
    webhook = AlertWebhook(url, alerting.world.entropy.bytes(_SECRET_BYTES))
    async with alerting.acquire() as conn:
        await get_account(conn, account_id)
        await store.write_webhook(conn, alerting.seal, account_id, webhook, alerting.world.clock.now())
    return webhook


async def drop_webhook(alerting: Alerting, account_id: UUID) -> None:
    """Remove the account's webhook. Raises Missing for the account."""
    async with alerting.acquire() as conn:
        await get_account(conn, account_id)
        await store.drop_webhook(conn, account_id)


async def restore_alerts(
    conn: asyncpg.Connection, alerting: Alerting, account_id: UUID, *, webhook: bool, mail: bool
) -> tuple[bool, bool]:
    """Undo changes that somebody else may have made: with `webhook`, remove the webhook; with `mail`, turn mail on.

    Return whether there was a webhook, and whether mail was off; each only if it was asked for.
    """
    now, wanted = alerting.world.clock.now(), await store.read_preferences(conn, account_id)
    dropped, restored = webhook and wanted.webhook is not None, mail and not wanted.mail
    if dropped:
        await store.drop_webhook(conn, account_id)
    if restored:
        await store.write_preferences(conn, replace(wanted, mail=True), now)
    return dropped, restored


async def send_test(alerting: Alerting, account_id: UUID) -> tuple[Notice, Sequence[NoticeDelivery]]:
    """Send a test notice by every channel. Return it with its deliveries. Raises Missing."""
    async with alerting.acquire() as conn:
        await get_account(conn, account_id)
        notice_id = await store.add_test(conn, account_id, alerting.world.clock.now())
    await deliver_notice(alerting, notice_id)
    async with alerting.acquire() as conn:
        notices = await store.list_notices(conn, account_id, 1)
    return notices[0]


async def list_notices(
    alerting: Alerting, account_id: UUID, most: int
) -> Sequence[tuple[Notice, Sequence[NoticeDelivery]]]:
    """Return at most `most` of the account's notices with their deliveries, newest first. Raises Missing."""
    async with alerting.acquire() as conn:
        await get_account(conn, account_id)
        return await store.list_notices(conn, account_id, most)
