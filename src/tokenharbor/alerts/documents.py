"""The JSON documents of alerts, shared by commands, the control API and pages."""

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
    """An account's choice of alerts, and where they are posted."""

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
    """The delivery of a notice by one channel. `fault` says why it failed; `fault_status` is the webhook's HTTP
    status.
    """

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
    """A notice, as a subject line and as facts, with its deliveries."""

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
