"""Reads and writes the rows of alerts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import msgspec

from tokenharbor.alerts.types import (
    AccountOwner,
    AlertPreferences,
    ClaimedDelivery,
    DeliveryFault,
    DeliveryState,
    Notice,
    NoticeChannel,
    NoticeDelivery,
    NoticeKind,
)
from tokenharbor.alerts.webhook import AlertWebhook
from tokenharbor.db.each_row import log_row_fault
from tokenharbor.db.queries import read_queries
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.kernel.secret import SecretBox


@dataclass(frozen=True, slots=True)
class AlertQueries:
    """The SQL of queries.sql."""

    preferences: str
    set_preferences: str
    webhook: str
    set_webhook: str
    drop_webhook: str
    owners: str
    add_test: str
    notices: str
    claim: str
    set_delivery: str


SQL = read_queries(AlertQueries, "tokenharbor.alerts")


async def read_preferences(conn: asyncpg.Connection, account_id: UUID) -> AlertPreferences:
    row = await conn.fetchrow(SQL.preferences, account_id)
    webhook = await conn.fetchrow(SQL.webhook, account_id)
    url = None if webhook is None else webhook["url"]
    if row is None:
        return AlertPreferences(account_id, webhook=url)
    low = None if row["low_balance"] is None else Usd(row["low_balance"])
    return AlertPreferences(account_id, row["mail"], low, url)


async def write_preferences(conn: asyncpg.Connection, wanted: AlertPreferences, at: datetime) -> None:
    """Write the preferences, except for the webhook."""
    await conn.execute(SQL.set_preferences, wanted.account_id, wanted.mail, wanted.low_balance, at)


async def read_webhook(conn: asyncpg.Connection, seal: SecretBox, account_id: UUID) -> AlertWebhook | None:
    """Return the account's webhook, or None. Raises Misconfigured if its secret was sealed with another root secret."""
    row = await conn.fetchrow(SQL.webhook, account_id)
    if row is None:
        return None
    if row["seal_key_id"] != seal.key_id:
        raise Misconfigured("a webhook's secret is encrypted with another root secret: set the webhook again")
    return AlertWebhook(row["url"], seal.decrypt(row["sealed"], _context(account_id)))


async def write_webhook(
    conn: asyncpg.Connection, seal: SecretBox, account_id: UUID, webhook: AlertWebhook, at: datetime
) -> None:
    sealed = seal.encrypt(webhook.secret, _context(account_id))
    await conn.execute(SQL.set_webhook, account_id, webhook.url, sealed, seal.key_id, at)


async def drop_webhook(conn: asyncpg.Connection, account_id: UUID) -> None:
    await conn.execute(SQL.drop_webhook, account_id)


async def read_owners(conn: asyncpg.Connection, account_id: UUID) -> Sequence[AccountOwner]:
    """Return the account's owners that have an e-mail address, oldest membership first."""
    return [AccountOwner(**row) for row in await conn.fetch(SQL.owners, account_id)]


async def add_test(conn: asyncpg.Connection, account_id: UUID, at: datetime) -> UUID:
    """Add a test notice and return its id."""
    added: UUID = await conn.fetchval(SQL.add_test, account_id, at)
    return added


async def list_notices(
    conn: asyncpg.Connection, account_id: UUID, most: int
) -> Sequence[tuple[Notice, Sequence[NoticeDelivery]]]:
    """Return at most `most` notices with their deliveries, newest first."""
    notices: dict[UUID, tuple[Notice, list[NoticeDelivery]]] = {}
    for row in await conn.fetch(SQL.notices, account_id, most):
        notices.setdefault(row["id"], (_notice(row), []))[1].append(_delivery(row))
    return list(notices.values())


async def claim_deliveries(
    conn: asyncpg.Connection, at: datetime, most: int, notice_id: UUID | None = None
) -> Iterable[ClaimedDelivery]:
    """Claim at most `most` deliveries that are due; with `notice_id`, only that notice's.

    A delivery whose row cannot be read is logged and left out; it is due again at its next time.
    """
    claimed: list[ClaimedDelivery] = []
    for row in await conn.fetch(SQL.claim, at, most, notice_id):
        try:
            claimed.append(ClaimedDelivery(_notice(row), NoticeChannel(row["channel"]), row["tries"]))
        except ValueError as error:  # for example a kind that a newer release wrote
            log_row_fault("alert_delivery", row["id"], error)
    return claimed


async def write_delivery(
    conn: asyncpg.Connection, claimed: ClaimedDelivery, state: DeliveryState, fault: DeliveryFault, at: datetime
) -> None:
    await conn.execute(
        SQL.set_delivery,
        claimed.notice.id, claimed.channel.value, state.value, fault.sentence, at, fault.reason or "", fault.status,
    )  # fmt: skip


def _notice(row: asyncpg.Record) -> Notice:
    facts = msgspec.json.decode(row["facts"])
    return Notice(row["id"], row["account_id"], NoticeKind(row["kind"]), row["at"], facts)


def _delivery(row: asyncpg.Record) -> NoticeDelivery:
    channel, state = NoticeChannel(row["channel"]), DeliveryState(row["state"])
    code = row["fault_code"]
    reason = ErrorReason(code) if code in list(ErrorReason) else None  # a newer release may have written another code
    fault = DeliveryFault(row["fault"], reason, row["fault_status"])
    return NoticeDelivery(channel, state, row["tries"], row["next_look_at"], row["sent_at"], fault)


def _context(account_id: UUID) -> bytes:
    return b"alert webhook of " + account_id.bytes
