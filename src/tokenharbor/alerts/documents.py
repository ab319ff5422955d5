"""The documents of alerts: one shape of each thing for commands, paths and pages."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from tokenharbor.alerts.types import (
    AlertPreferences,
    DeliveryState,
    Notice,
    NoticeChannel,
    NoticeDelivery,
    NoticeKind,
)
from tokenharbor.alerts.words import notice_subject, read_facts
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import to_second
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.reasons import ErrorReason


class AlertsDocument(Document, frozen=True):
    """What an account wants to be told, and where."""

    account: str
    mail: bool
    low_balance_usd: Usd | None
    webhook: str | None

    @classmethod
    def of(cls, wanted: AlertPreferences) -> Self:
        return cls(
            account=ids.show("acct", wanted.account_id),
            mail=wanted.mail,
            low_balance_usd=wanted.low_balance,
            webhook=wanted.webhook,
        )


class NoticeDeliveryDocument(Document, frozen=True):
    """A notice on its way by one channel. `fault` says why it is not there; `fault_status`: what a webhook answered."""

    channel: NoticeChannel
    state: DeliveryState
    tries: int
    next_try_at: datetime | None
    sent_at: datetime | None
    fault: str | None
    fault_code: ErrorReason | None
    fault_status: int | None

    @classmethod
    def of(cls, delivery: NoticeDelivery) -> Self:
        return cls(
            channel=delivery.channel,
            state=delivery.state,
            tries=delivery.tries,
            next_try_at=to_second(delivery.next_look_at),
            sent_at=to_second(delivery.sent_at),
            fault=delivery.fault.sentence or None,
            fault_code=delivery.fault.reason,
            fault_status=delivery.fault.status,
        )


class NoticeDocument(Document, frozen=True):
    """What an account was told, in words and as facts, and what became of it."""

    id: str
    account: str
    type: NoticeKind
    at: datetime
    subject: str
    facts: Mapping[str, Any]
    deliveries: Sequence[NoticeDeliveryDocument]

    @classmethod
    def of(cls, notice: Notice, deliveries: Sequence[NoticeDelivery]) -> Self:
        return cls(
            id=str(notice.id),
            account=ids.show("acct", notice.account_id),
            type=notice.kind,
            at=to_second(notice.at),
            subject=notice_subject(notice),
            facts=read_facts(notice),
            deliveries=[NoticeDeliveryDocument.of(each) for each in deliveries],
        )
