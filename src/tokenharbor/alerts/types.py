"""The types of alerts: an account's preferences, the notices that it got, and their delivery."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.reasons import ErrorReason


class NoticeKind(StrEnum):
    """Kinds of notices. The values are stored in rows and sent in documents and webhooks."""

    LOW_BALANCE = "low_balance"
    DAILY_BUDGET = "daily_budget"
    MONTHLY_BUDGET = "monthly_budget"
    KEY_QUOTA = "key_quota"
    CREDIT_EXPIRING = "credit_expiring"
    TOP_UP_RECEIVED = "top_up_received"
    AUTO_TOP_UP_MADE = "auto_top_up_made"
    AUTO_TOP_UP_STOPPED = "auto_top_up_stopped"
    REFUND_MADE = "refund_made"
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"
    WITHDRAWAL_ASKED = "withdrawal_asked"
    WITHDRAWAL_APPROVED = "withdrawal_approved"
    WITHDRAWAL_DONE = "withdrawal_done"
    WITHDRAWAL_FAILED = "withdrawal_failed"
    WITHDRAWAL_REJECTED = "withdrawal_rejected"
    PRICE_CHANGE = "price_change"
    MODEL_RETIREMENT = "model_retirement"
    TEST = "test"


class NoticeChannel(StrEnum):
    """A channel by which notices are delivered."""

    MAIL = "mail"
    WEBHOOK = "webhook"


class DeliveryState(StrEnum):
    """The state of a delivery. `OFF`: the channel was not in use."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class AlertPreferences:
    """An account's choice of alerts, with the defaults for an account that has set none. `low_balance` is the
    threshold; `webhook` is the URL that notices are posted to.
    """

    account_id: UUID
    mail: bool = True
    low_balance: Usd | None = None
    webhook: str | None = None


@dataclass(frozen=True, slots=True)
class AccountOwner:
    """An owner, who gets the account's mail. `language` is "" if unknown."""

    email: str = field(repr=False)
    language: str


@dataclass(frozen=True, slots=True)
class Notice:
    """An alert sent to an account, once per kind and period. `facts` are ids, amounts and times as stored."""

    id: UUID
    account_id: UUID
    kind: NoticeKind
    at: datetime
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DeliveryFault:
    """Why a notice was not delivered: a sentence ("" if there was no fault), its reason, and a webhook's HTTP
    status.
    """

    sentence: str = ""
    reason: ErrorReason | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class NoticeDelivery:
    """The delivery of a notice by one channel."""

    channel: NoticeChannel
    state: DeliveryState
    tries: int
    next_look_at: datetime | None
    sent_at: datetime | None
    fault: DeliveryFault


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery that this process has claimed for its try number `tries`, counted from 1."""

    notice: Notice
    channel: NoticeChannel
    tries: int
