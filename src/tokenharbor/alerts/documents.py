"""The JSON documents of alerts: times are UTC to the second, amounts decimal strings, ids as they are shown."""

from collections.abc import Sequence
from typing import Any

from tokenharbor.alerts.types import AlertPreferences, Notice, NoticeDelivery
from tokenharbor.alerts.words import notice_subject, read_facts
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import show_time


def alerts_document(wanted: AlertPreferences) -> dict[str, Any]:
    return {
        "account": ids.show("acct", wanted.account_id),
        "mail": wanted.mail,
        "low_balance_usd": None if wanted.low_balance is None else str(wanted.low_balance),
        "webhook": wanted.webhook,
    }


def notice_document(notice: Notice, deliveries: Sequence[NoticeDelivery]) -> dict[str, Any]:
    return {
        "id": str(notice.id),
        "account": ids.show("acct", notice.account_id),
        "type": notice.kind.value,
        "at": show_time(notice.at),
        "subject": notice_subject(notice),
        "facts": read_facts(notice),
        "deliveries": [_delivery_document(each) for each in deliveries],
    }


def _delivery_document(delivery: NoticeDelivery) -> dict[str, Any]:
    return {
        "channel": delivery.channel.value,
        "state": delivery.state.value,
        "tries": delivery.tries,
        "next_try_at": show_time(delivery.next_look_at),
        "sent_at": show_time(delivery.sent_at),
        "fault": delivery.fault or None,
    }
