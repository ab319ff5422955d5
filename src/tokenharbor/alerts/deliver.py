"""Delivery of notices by mail and webhook: at least once, with growing pauses between tries, at most eight tries.

Invariant: a notice that was written is sent, or its row says why it was not. A try is claimed first, which sets the
time of the next one in the same statement. If a process dies after the claim, another tries again, so a mail or webhook
may be sent twice. Each copy has the same id (Message-ID, `webhook-id`), by which a receiver recognizes it. Owners who
read different languages get separate mails. No database connection is held during a try.
"""

import asyncio
from typing import Final

import structlog

from tokenharbor.alerts import store
from tokenharbor.alerts.context import Alerting
from tokenharbor.alerts.types import ClaimedDelivery, DeliveryFault, DeliveryState, NoticeChannel
from tokenharbor.alerts.webhook import sign_webhook
from tokenharbor.alerts.words import DEFAULT_LANGUAGE, by_language, notice_body, notice_json, notice_subject
from tokenharbor.db.each_row import concerns_all, log_row_fault
from tokenharbor.kernel.errors import (
    DeliveryError,
    DeliveryRefused,
    DeliveryUnavailable,
    HarborError,
    Misconfigured,
    reason_of,
)
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.mail.message import Mail

MOST_TRIES: Final = 8

_AT_ONCE = 10
_log = structlog.get_logger("alerts")


class _NotInUse(DeliveryError):
    """Raised when the channel is off; the message says why."""


async def deliver_due(alerting: Alerting) -> int:
    """Claim at most ten deliveries that are due and try each. Return how many were due. Raises DatabaseUnavailable."""
    async with alerting.acquire() as conn:
        due = list(await store.claim_deliveries(conn, alerting.world.clock.now(), _AT_ONCE))
    await asyncio.gather(*(_deliver(alerting, each) for each in due))
    return len(due)


async def deliver_notice(alerting: Alerting, notice_id: UUID) -> None:
    """Try now the deliveries of one notice that are due and not claimed elsewhere. Raises DatabaseUnavailable."""
    async with alerting.acquire() as conn:
        due = await store.claim_deliveries(conn, alerting.world.clock.now(), len(NoticeChannel), notice_id)
    for each in due:
        await _deliver(alerting, each)


async def _deliver(alerting: Alerting, claimed: ClaimedDelivery) -> None:
    state, fault = await _try(alerting, claimed)
    if state is DeliveryState.FAILED:
        _log.warning(
            "notice_failed", notice=str(claimed.notice.id), channel=claimed.channel.value, reason=fault.sentence
        )
    async with alerting.acquire() as conn:
        await store.write_delivery(conn, claimed, state, fault, alerting.world.clock.now())


async def _try(alerting: Alerting, claimed: ClaimedDelivery) -> tuple[DeliveryState, DeliveryFault]:
    try:
        if claimed.channel is NoticeChannel.MAIL:
            await _mail(alerting, claimed)
        else:
            await _post(alerting, claimed)
    except _NotInUse as error:
        return DeliveryState.OFF, _fault(error)
    except (DeliveryRefused, Misconfigured) as error:
        return DeliveryState.FAILED, _fault(error)
    except Exception as error:
        if concerns_all(error):
            raise
        if not isinstance(error, DeliveryUnavailable):
            log_row_fault("alert_delivery", claimed.notice.id, error)
        last = claimed.tries >= MOST_TRIES
        return DeliveryState.FAILED if last else DeliveryState.WAITING, _fault(error)
    return DeliveryState.SENT, DeliveryFault()


def _fault(error: Exception) -> DeliveryFault:
    """Describe an error for the delivery's row. An unexpected error is stored as INTERNAL; its details are in the
    log.
    """
    if not isinstance(error, HarborError):
        return DeliveryFault(reason_of(error), ErrorReason.INTERNAL)
    status = error.facts.get("status")
    return DeliveryFault(str(error), error.reason, status if isinstance(status, int) else None)


async def _mail(alerting: Alerting, claimed: ClaimedDelivery) -> None:
    notice = claimed.notice
    if alerting.mailer is None:
        raise _NotInUse("no mail server is configured").because(ErrorReason.MAIL_NOT_SET_UP)
    async with alerting.acquire() as conn:
        wanted = await store.read_preferences(conn, notice.account_id)
        owners = await store.read_owners(conn, notice.account_id)
    if not wanted.mail or not owners:
        if owners:
            raise _NotInUse("the account has turned off mail").because(ErrorReason.MAIL_OFF)
        raise _NotInUse("the account has no owner with an e-mail address").because(ErrorReason.OWNER_WITHOUT_EMAIL)
    for language, emails in by_language(owners).items():
        mail = Mail(
            id=str(notice.id) if language == DEFAULT_LANGUAGE else f"{notice.id}.{language}",
            recipients=emails,
            subject=notice_subject(notice, language),
            body=notice_body(notice, alerting.public_url, language),
            at=notice.at,
        )
        await alerting.mailer.send(mail)


async def _post(alerting: Alerting, claimed: ClaimedDelivery) -> None:
    notice = claimed.notice
    async with alerting.acquire() as conn:
        webhook = await store.read_webhook(conn, alerting.seal, notice.account_id)
    if webhook is None:
        raise _NotInUse("the account has no webhook").because(ErrorReason.WEBHOOK_NOT_SET)
    body = notice_json(notice)
    now = alerting.world.clock.unix_ms() // 1_000
    await alerting.webhooks.post(webhook.url, sign_webhook(webhook.secret, str(notice.id), now, body), body)
